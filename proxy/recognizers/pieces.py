"""Cuts texts into sentences for the networks, so that what stands in many documents is read once.

May import: the standard library. The rule that must stay true: the pieces of a text, put together, are the
text; a name, or an address on several lines, is not cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 1000
"""Characters of a piece at most, where it can be cut at a blank."""

_END = re.compile(
    r"(?<=[a-z0-9)\]\"'][.!?])[ \t]+(?=[A-Z\"'(])"  # English: a stop, a blank and a capital
    r"|(?<=[.!?:;])[ \t]*\n+"
    r"|\n[ \t]*\n+"
    r"|(?<=[。！？；])\s*"
)
_SHORT = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Ave|Apt|Ste|Rd|Blvd|Inc|Ltd|Co|Jr|Sr|No|vs|etc|e\.g|i\.e)[.]$"
)


def pieces(text: str) -> Iterator[str]:
    """The sentences of a text, each with the blanks after it."""
    start = 0
    for end in _END.finditer(text):
        if end.end() == end.start() == start or _SHORT.search(text, start, end.start()):
            continue
        yield from _short(text[start : end.end()])
        start = end.end()
    yield from _short(text[start:])


def _short(piece: str) -> Iterator[str]:
    while len(piece) > LONGEST:
        cut = max(piece.rfind(sign, LONGEST // 2, LONGEST) for sign in (" ", "\n", "，", "、")) + 1
        cut = cut or LONGEST
        yield piece[:cut]
        piece = piece[cut:]
    if piece:
        yield piece
