"""Parse JSON under a limit on nesting.

orjson parses 1,024 levels and writes 254; Python compares and copies some hundreds of levels before it raises
``RecursionError``. A value that is accepted here can be compared, copied and written again.
"""

from __future__ import annotations

from typing import Any

import orjson

DEEPEST = 128
"""Arrays and objects inside each other, the outermost included. No request or answer of an API needs 20."""


class TooDeep(ValueError):
    """The JSON is nested deeper than ``DEEPEST``."""


def loads(data: bytes | str) -> Any:
    """Parse JSON. Raises ``orjson.JSONDecodeError`` for malformed JSON and ``TooDeep``, both ``ValueError``.

    Cost for ordinary JSON: two counts over the bytes; a walk over the value only where it has more
    than ``DEEPEST`` brackets.
    """
    value = orjson.loads(data)
    if _brackets(data) > DEEPEST and is_deeper(value, DEEPEST):
        raise TooDeep(f"nested deeper than {DEEPEST} levels")
    return value


def is_deeper(value: object, most: int) -> bool:
    """Return whether more than ``most`` arrays and objects lie inside each other. Level by level, so without
    recursion."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(most):
        inner: list[Any] = []
        for each in level:
            members = each.values() if isinstance(each, dict) else each
            inner += [member for member in members if isinstance(member, (dict, list))]
        if not inner:
            return False
        level = inner
    return bool(level)


def _brackets(data: bytes | str) -> int:
    if isinstance(data, str):
        return data.count("[") + data.count("{")
    return data.count(b"[") + data.count(b"{")
