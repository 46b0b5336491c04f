"""Cuts a text into windows that a model can read, and tells which script a stretch is in.

May import: the standard library only. The rule that must stay true: every window is a slice of the
text (offsets only shift), and the windows of a text depend on that text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ENGLISH_WINDOW, ENGLISH_OVERLAP = 400, 80
CHINESE_WINDOW, CHINESE_OVERLAP = 120, 24

HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
NOT_HAN = re.compile(r"[^㐀-䶿一-鿿豈-﫿぀-ヿ가-힣　-〿]+")
ALPHABETIC = re.compile(r"[A-Za-zÀ-ԯ]{2}")
"""Two letters of a Latin, Greek or Cyrillic alphabet: less is no name."""

SENTENCE_END = re.compile(r"[.!?]['\")\]]?\s|\n\s*\n")
CHINESE_END = re.compile(r"[!?;\n]+|\.+(?![0-9.])")
"""In plain text: 。！？； have become ASCII there."""

_FOLDED = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0x3002: 0x2E}
_BLANKED = {code: 0x20 for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160))}
_BLANKED |= {code: 0x20 for code in range(0xD800, 0xE000)}
_TABLE = _FOLDED | _BLANKED


def plain(text: str) -> str:
    """``text`` with full-width forms as ASCII, and control characters and lone surrogates as blanks.

    Character for character: the length and all offsets stay.
    """
    return text.translate(_TABLE)


def english_windows(text: str) -> Iterator[tuple[int, int]]:
    """Windows over the stretches of ``text`` (already plain) that hold alphabetic words."""
    for run in NOT_HAN.finditer(text):
        for start, end in _cut(text, run.start(), run.end(), ENGLISH_WINDOW, ENGLISH_OVERLAP):
            if ALPHABETIC.search(text, start, end):
                yield start, end


def chinese_windows(text: str) -> Iterator[tuple[int, int]]:
    """Windows over the sentences of ``text`` (already plain) that hold Han characters."""
    start = 0
    for stop in (*(match.end() for match in CHINESE_END.finditer(text)), len(text)):
        for left, right in _cut(text, start, stop, CHINESE_WINDOW, CHINESE_OVERLAP):
            if HAN.search(text, left, right):
                yield left, right
        start = stop


def halves(start: int, end: int, overlap: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """A window cut in two that overlap; for one with more pieces than the model takes."""
    middle = (start + end) // 2
    shared = min(overlap, (end - start) // 4) // 2
    return (start, middle + shared), (middle - shared, end)


def _cut(text: str, start: int, end: int, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Windows of at most ``size``: cut after a sentence where one ends, else with an overlap."""
    while end - start > size:
        stop, clean = _boundary(text, start + size // 2, start + size)
        yield start, stop
        start = stop if clean else _word_start(text, stop - overlap, stop)
    if start < end:
        yield start, end


def _boundary(text: str, low: int, high: int) -> tuple[int, bool]:
    """The last place in ``[low, high)`` to cut at, and whether a sentence ends there."""
    ends = [match.end() for match in SENTENCE_END.finditer(text, low, high)]
    if ends:
        return ends[-1], True
    for mark in ("\n", " ", ",", "、"):
        at = text.rfind(mark, low, high)
        if at >= 0:
            return at + 1, False
    return high, False


def _word_start(text: str, low: int, high: int) -> int:
    """The first start of a word in ``[low, high)``, or ``low``: an overlap must not begin inside one."""
    at = text.find(" ", low, high)
    return at + 1 if 0 <= at + 1 < high and at >= 0 else low
