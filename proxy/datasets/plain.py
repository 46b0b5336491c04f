"""Plain text: a short file is one document, a long one is cut between paragraphs.

May import: the ground floor and its room. The rule that must stay true: the cut pieces, put
together again, are the file, but for pieces that are blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxy.datasets.marks import Marks
from proxy.datasets.stream import Record, SourceFile
from proxy.types import Skipped

LIMIT = 8_000
"""The most characters of one document. A cut falls after a blank line, else after a line, else after
a sentence or a blank, and only where there is none of these between two letters."""

_LONGEST_LINE = 200
_LINE = re.compile(r"[\s#>*_-]*([\w\"' -]{1,64}?)[*_\"']*\s*[:=：][\s*_]*(.+)")
"""A line that gives a name a value, as in front matter, a list or a bold heading."""
_ENDS = (". ", "! ", "? ", "。", "！", "？")


def read(file: SourceFile) -> Iterator[Record | Skipped]:
    """Yield the text as records ``{"text": ...}`` of at most :data:`LIMIT` characters."""
    number = 0
    audiences = _Audiences(file.marks)
    for text in _chunks(audiences.seen(file.text_lines())):
        if not text.isspace():
            number += 1
            yield Record(number, f"{file.label}:{number}", {"text": text}, hints=tuple(audiences.found))


class _Audiences:
    """Looks for lines that name an audience: ``audience: admin``, in front matter or anywhere else.

    They narrow all text from there on. In front matter (between lines ``---``) any value counts, elsewhere
    the names of known audiences.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self.found: dict[str, None] = {}

    def seen(self, lines: Iterator[str]) -> Iterator[str]:
        """Yield the lines, and note what they name."""
        front = False
        for number, line in enumerate(lines):
            bare = line.strip()
            if bare in ("---", "+++"):
                front = number == 0
            elif len(bare) <= _LONGEST_LINE and (match := _LINE.fullmatch(bare)):
                known = self._marks.order.knows(match[2])
                if self._marks.is_mark(match[1]) and (front or known):
                    self.found.update(dict.fromkeys(self._marks.order.read(match[2])))
            yield line


def _chunks(lines: Iterator[str]) -> Iterator[str]:
    held: list[str] = []
    size = gap = 0  # gap: how many of the held units lie before the end of the last paragraph
    for line in lines:
        for unit in _units(line):
            while held and size + len(unit) > LIMIT:
                cut = gap or len(held)
                yield "".join(held[:cut])
                held, gap = held[cut:], 0
                size = sum(map(len, held))
            held.append(unit)
            size += len(unit)
            if unit.isspace():
                gap = len(held)
    if held:
        yield "".join(held)


def _units(line: str) -> Iterator[str]:
    """The line, or where it is longer than the limit its pieces."""
    start = 0
    while len(line) - start > LIMIT:
        low, high = start + LIMIT // 2, start + LIMIT
        cut = max(line.rfind(end, low, high) + len(end) for end in _ENDS)
        if cut <= low:
            cut = line.rfind(" ", low, high) + 1
        if cut <= low:
            cut = high
        yield line[start:cut]
        start = cut
    yield line[start:]
