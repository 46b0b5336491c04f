"""Named entities in English and Chinese text, read by small ONNX networks when an index is built.

May import: the ground floor. The rule that must stay true: importing this package loads no model and
none of numpy, tokenizers and onnxruntime; ``open_recognizers`` does.
"""

from __future__ import annotations

from .entities import KINDS, Entity, Kind
from .recognize import LANGUAGES, Recognizers, open_recognizers

__all__ = ["KINDS", "LANGUAGES", "Entity", "Kind", "Recognizers", "open_recognizers"]
