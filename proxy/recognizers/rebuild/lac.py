"""Rebuilds lac_small (Baidu LAC, as jieba 0.42.1 carries it) as an ONNX file.

May import: onnx and numpy, when used. The rule that must stay true: only the raw tensors are read.

The net (``nets.py`` beside the weights): a character embedding of 128, two bidirectional GRU layers of
128 and a linear layer to 57 tags; a CRF on top, whose transitions go into a file of their own since the
decoding is ours. Each weight file ends with its little-endian float32 values. A Paddle GRU computes
``h = (1 - u) * h_before + u * c``, an ONNX one ``h = z * h_before + (1 - z) * c``: so z = 1 - u, and
the weights and bias of u change their sign.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from .bert_onnx import Graph

WIDTH, TAGS = 128, 57


def model(folder: Path) -> bytes:
    """The ONNX file: ``ids`` and ``lengths`` in ([batch, length] int64, [batch] int32), ``logits`` out."""
    graph = Graph()
    weights = _Weights(folder, graph.numpy)
    np = graph.numpy
    x = graph.table("words", weights.read("word_emb", -1, WIDTH), "ids")
    x = graph.add("Transpose", [x], "by_place", perm=[1, 0, 2])
    for layer in range(2):
        x = _bidirectional(graph, weights, x, layer)
    weight = graph.constant("emit.w", weights.read("fc_4.w_0", 2 * WIDTH, TAGS))
    product = graph.add("MatMul", [x, weight], "product")
    total = graph.add("Add", [product, graph.constant("emit.b", weights.read("fc_4.b_0", TAGS))], "sum")
    graph.add("Transpose", [total], "logits", perm=[1, 0, 2])
    onnx = graph.onnx
    helper, proto = onnx.helper, onnx.TensorProto
    inputs = [
        helper.make_tensor_value_info("ids", proto.INT64, ["batch", "length"]),
        helper.make_tensor_value_info("lengths", proto.INT32, ["batch"]),
    ]
    output = helper.make_tensor_value_info("logits", proto.FLOAT, ["batch", "length", TAGS])
    body = helper.make_graph(graph.nodes, "lac_small", inputs, [output], graph.constants)
    opsets = [helper.make_opsetid("", 17)]
    made = helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="sluicegate")
    onnx.checker.check_model(made)
    assert np is not None
    return bytes(made.SerializeToString(deterministic=True))


def tables(folder: Path) -> bytes:
    """The alphabet, the tags and the CRF (start, end, transitions from row to column), as JSON."""
    np = importlib.import_module("numpy")
    crf = _Weights(folder, np).read("crfw", TAGS + 2, TAGS)
    crf = np.round(crf.astype(np.float64), 5).tolist()
    alphabet = _numbered(folder.parent / "word.dic")
    tags = _numbered(folder.parent / "tag.dic")
    made = {
        "unknown": alphabet.pop("OOV"),
        "alphabet": alphabet,
        "tags": [tag for tag, _ in sorted(tags.items(), key=lambda pair: pair[1])],
        "start": crf[0],
        "end": crf[1],
        "transitions": crf[2:],
    }
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _numbered(path: Path) -> dict[str, int]:
    rows = (line.rstrip("\n").split("\t") for line in path.read_text("utf-8").split("\n"))
    return {row[1]: int(row[0]) for row in rows if len(row) == 2}


class _Weights:
    """The weight files of one folder."""

    def __init__(self, folder: Path, numpy: Any) -> None:
        self.folder = folder
        self.numpy = numpy

    def read(self, name: str, *shape: int) -> Any:
        """The last values of a file; a first dimension of -1 takes what the file has, less its header."""
        raw = (self.folder / name).read_bytes()
        row = 4
        for size in shape:
            row *= abs(size) if size != -1 else 1
        size = row if shape[0] != -1 else len(raw) // row * row
        return self.numpy.frombuffer(raw[-size:], dtype="<f4").reshape(shape)


def _bidirectional(graph: Graph, weights: _Weights, x: str, layer: int) -> str:
    np = graph.numpy
    inputs = WIDTH if layer == 0 else 2 * WIDTH
    stacked: list[list[Any]] = [[], [], []]
    for number in (2 * layer, 2 * layer + 1):
        update, reset, new = np.split(weights.read(f"fc_{number}.w_0", inputs, 3 * WIDTH), 3, axis=1)
        raw = weights.read(f"gru_{number}.w_0", 3 * WIDTH * WIDTH)
        gates = raw[: 2 * WIDTH * WIDTH].reshape(WIDTH, 2 * WIDTH)
        again = raw[2 * WIDTH * WIDTH :].reshape(WIDTH, WIDTH)
        bias = weights.read(f"fc_{number}.b_0", 3 * WIDTH) + weights.read(f"gru_{number}.b_0", 3 * WIDTH)
        bias = np.concatenate([-bias[:WIDTH], bias[WIDTH:]])
        stacked[0].append(np.concatenate([-update, reset, new], axis=1).T)
        stacked[1].append(np.concatenate([-gates[:, :WIDTH], gates[:, WIDTH:], again], axis=1).T)
        stacked[2].append(np.concatenate([bias, np.zeros_like(bias)]))
    names = [
        graph.constant(f"gru{layer}.{part}", np.stack(values).astype(np.float32))
        for part, values in zip("WRB", stacked, strict=True)
    ]
    both = graph.add(
        "GRU",
        [x, *names, "lengths"],
        f"gru{layer}",
        direction="bidirectional",
        hidden_size=WIDTH,
        linear_before_reset=0,
    )
    turned = graph.add("Transpose", [both], f"gru{layer}.turned", perm=[0, 2, 1, 3])
    shape = graph.constant(f"gru{layer}.shape", np.array([0, 0, 2 * WIDTH], np.int64))
    return graph.add("Reshape", [turned, shape], f"gru{layer}.flat")
