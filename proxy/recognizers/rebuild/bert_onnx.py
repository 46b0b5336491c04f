"""Writes a BERT tagger as an ONNX file with 8-bit weights.

May import: onnx and numpy, when used. The rule that must stay true: weights keep to 7 of the 8 bits,
because processors without VNNI add pairs of 8-bit products in 16 bits, which 8-bit weights overflow:
the same file must give the same labels everywhere.

The graph takes ``ids`` and ``shapes`` (int64, [batch, pieces]) and gives ``logits`` (float32,
[batch, pieces, labels]). It has no mask: a window is run alone, since the activations' scale is
taken over the whole input and a neighbour in the batch would change the result.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

Arrays = Mapping[str, Any]
"""Parameters by name, as ``tagger.train`` gives them: float32 arrays."""

LARGEST = 63
POSITIONS = 256


class Graph:
    """Collects nodes and constants. A value is known by its name."""

    def __init__(self) -> None:
        self.onnx: Any = importlib.import_module("onnx")
        self.numpy: Any = importlib.import_module("numpy")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, array: Any) -> str:
        self.constants.append(self.onnx.numpy_helper.from_array(self.numpy.ascontiguousarray(array), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        node = self.onnx.helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def table(self, name: str, array: Any, ids: str) -> str:
        """Rows of a table, kept as 8 bits and a scale a row."""
        scale = self.numpy.abs(array).max(axis=1, keepdims=True) / 127
        scale[scale == 0] = 1
        small = self.numpy.rint(array / scale).astype(self.numpy.int8)
        rows = self.add("Gather", [self.constant(f"{name}.table", small), ids], f"{name}.rows")
        scales = self.constant(f"{name}.scale", scale.astype(self.numpy.float32))
        factors = self.add("Gather", [scales, ids], f"{name}.factors")
        real = self.add("Cast", [rows], f"{name}.real", to=self.onnx.TensorProto.FLOAT)
        return self.add("Mul", [real, factors], name)

    def linear(self, name: str, x: str, weight: Any, bias: Any) -> str:
        """``x @ weight.T + bias`` with ``weight`` ([out, in]) as 7 bits and a scale an output."""
        np = self.numpy
        scale = np.abs(weight).max(axis=1) / LARGEST
        scale[scale == 0] = 1
        small = np.rint(weight / scale[:, None]).astype(np.int8).T
        inputs = [
            x,
            self.constant(f"{name}.w", small),
            self.constant(f"{name}.s", scale.astype(np.float32)),
            "",
        ]
        return self.add(
            "DynamicQuantizeMatMul", [*inputs, self.constant(f"{name}.b", bias)], name, "com.microsoft"
        )

    def norm(self, name: str, x: str, arrays: Arrays, stem: str) -> str:
        inputs = [x, self.constant(f"{name}.w", arrays[f"{stem}.weight"])]
        inputs.append(self.constant(f"{name}.b", arrays[f"{stem}.bias"]))
        return self.add("LayerNormalization", inputs, name, epsilon=1e-12, axis=-1)


def tagger_model(arrays: Arrays, *, heads: int = 12) -> bytes:
    """The ONNX file for ``arrays``."""
    graph = Graph()
    np = graph.numpy
    words = graph.table("words", arrays["words.weight"], "ids")
    shape = graph.add("Shape", ["ids"], "length", start=1, end=2)
    scalar = graph.add("Squeeze", [shape], "pieces")
    zero, one = graph.constant("zero", np.array(0, np.int64)), graph.constant("one", np.array(1, np.int64))
    places = graph.add("Range", [zero, scalar, one], "places")
    positions = graph.table("positions", arrays["positions.weight"][:POSITIONS], places)
    shapes = graph.table("case", arrays["shapes.weight"], "shapes")
    x = graph.add("Add", [graph.add("Add", [words, positions], "sum1"), shapes], "sum2")
    x = graph.norm("norm", x, arrays, "norm")
    layers = 1 + max(int(name.split(".")[1]) for name in arrays if name.startswith("layers."))
    for number in range(layers):
        x = _layer(graph, x, arrays, f"layers.{number}", heads)
    graph.linear("logits", x, arrays["classifier.weight"], arrays["classifier.bias"])
    return _serialise(graph, len(arrays["classifier.bias"]))


def _layer(graph: Graph, x: str, arrays: Arrays, stem: str, heads: int) -> str:
    np = graph.numpy
    three = ("query", "key", "value")
    weight = np.concatenate([arrays[f"{stem}.{part}.weight"] for part in three])
    bias = np.concatenate([arrays[f"{stem}.{part}.bias"] for part in three])
    packed = graph.linear(f"{stem}.qkv", x, weight, bias)
    outputs = [f"{stem}.{part}" for part in three]
    graph.nodes.append(graph.onnx.helper.make_node("Split", [packed], outputs, axis=-1, num_outputs=3))
    seen = graph.add("MultiHeadAttention", outputs, f"{stem}.seen", "com.microsoft", num_heads=heads)
    seen = graph.linear(f"{stem}.out", seen, arrays[f"{stem}.out.weight"], arrays[f"{stem}.out.bias"])
    x = graph.norm(f"{stem}.norm1", graph.add("Add", [x, seen], f"{stem}.sum1"), arrays, f"{stem}.norm1")
    up = graph.linear(f"{stem}.up", x, arrays[f"{stem}.up.weight"], arrays[f"{stem}.up.bias"])
    up = graph.add("Gelu", [up], f"{stem}.gelu", "com.microsoft")
    down = graph.linear(f"{stem}.down", up, arrays[f"{stem}.down.weight"], arrays[f"{stem}.down.bias"])
    return graph.norm(f"{stem}.norm2", graph.add("Add", [x, down], f"{stem}.sum2"), arrays, f"{stem}.norm2")


def _serialise(graph: Graph, labels: int) -> bytes:
    onnx = graph.onnx
    helper, proto = onnx.helper, onnx.TensorProto
    inputs = [
        helper.make_tensor_value_info(name, proto.INT64, ["batch", "pieces"]) for name in ("ids", "shapes")
    ]
    output = helper.make_tensor_value_info("logits", proto.FLOAT, ["batch", "pieces", labels])
    body = helper.make_graph(graph.nodes, "tagger", inputs, [output], graph.constants)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=9, producer_name="sluicegate")
    return bytes(model.SerializeToString(deterministic=True))
