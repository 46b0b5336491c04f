"""Reads the weights of a published BERT model by the parameter names of ``tagger.encoder``.

May import: safetensors, when used. The rule that must stay true: only tensors are read;
nothing of a package that carries a file is run.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

NAMES = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "shapes",
    "embeddings.LayerNorm": "norm",
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "out",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "up",
    "output.dense": "down",
    "output.LayerNorm": "norm2",
}


def minilm(path: Path) -> dict[str, Any]:
    """The parameters of all-MiniLM-L6-v2 (safetensors), less its pooler: float32 arrays."""
    found: dict[str, Any] = {}
    for name, value in importlib.import_module("safetensors.numpy").load_file(str(path)).items():
        stem, _, last = name.rpartition(".")
        if last in ("weight", "bias") and not stem.startswith("pooler"):
            found[f"{_ours(stem)}.{last}"] = value
    return found


def _ours(stem: str) -> str:
    stem = stem.removeprefix("bert.")
    layer = re.match(r"encoder\.layer\.(\d+)\.(.*)", stem)
    return f"layers.{layer[1]}.{NAMES[layer[2]]}" if layer else NAMES.get(stem, stem)
