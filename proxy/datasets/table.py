"""Comma, semicolon, pipe and tab separated values: one record a row, with the header's names (RFC 4180).

The invariants: every cell of a row is in its record, also where the header is missing, has too few names, or
one name twice; and a row whose cells may have moved, or may be several rows, is never trusted to be for whom
it says.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice

from proxy.datasets.audience import same_key
from proxy.datasets.marks import Marks
from proxy.datasets.stream import Record, SourceFile
from proxy.datasets.table_layout import HEAD, Layout, is_header, layout_of, places
from proxy.types import Noted, Skipped

_LONGEST_CELL = 2**31 - 1
_TOKEN = re.compile(r"[\"']?\w[\w.-]{0,63}[\"']?")
"""What an audience looks like, and prose between two commas seldom does."""
_MOST_SEEN = 1000
_NEAR = 20
"""Rows beside one that does not fit the header which may be part of it, where they name no audience."""
_ASTRAY = "may be part of a row beside it whose quotation marks are out of place"
_UNCLOSED = "has a quotation mark that may never be closed"


@dataclass(frozen=True, slots=True)
class _Row:
    """A row, and the lines that it was read from. ``line`` is its first, from 1; ``fault``: no row at all."""

    line: int
    cells: list[str]
    lines: list[str]
    fault: bool = False


def read(file: SourceFile) -> Iterator[Record | Skipped]:
    """Yield the rows as objects of strings. Rows without a cell are passed over.

    A first row with a cell longer than 64 characters, or of several lines, is taken for data: then, and
    where names are missing, the fields are ``column 1``, ``column 2`` and so on. Where the header marks an
    audience, a row whose cells may have moved to other fields has a ``doubt``, and a row that may be several
    is yielded line by line.
    """
    csv.field_size_limit(_LONGEST_CELL)  # the default, 128 KiB, is less than a long answer
    lines = _ended(file.text_lines())
    head = list(islice(lines, HEAD))
    separator = _named_separator(head[0]) if head else ""
    skipped = 1 if separator else 0
    layout = layout_of(head[skipped:], file.marks, separator or ("\t" if file.kind == ".tsv" else ""))
    yield from _Table(file, layout, skipped).records(chain(head[skipped:], lines))


@dataclass(slots=True)
class _Astray:
    """A row that does not fit the header: the known audiences in it, whether it has quotation marks, and how
    many rows after it may still belong to it."""

    names: set[str]
    quoted: bool
    left: int = _NEAR


class _Table:
    """One table on its way to records."""

    def __init__(self, file: SourceFile, layout: Layout, skipped: int) -> None:
        self._file = file
        self._layout = layout
        self._skipped = skipped
        self._marks: Marks = file.marks
        self._seen: set[str] = set()
        self._held: list[Record] = []
        self._astray: _Astray | None = None
        self._number = 0

    def records(self, lines: Iterator[str]) -> Iterator[Record | Skipped]:
        before = self._layout.skipped
        pending = self._layout.in_header and bool(self._layout.header)
        rows = _rows(lines, self._layout.separator, self._skipped)
        row = next(rows, None)
        while row is not None:
            following = next(rows, None)
            if row.fault:
                self._number += 1
                yield Skipped(
                    self._where(row.line), "not a valid row: a quote or a carriage return out of place"
                )
            elif before and pending:
                before -= 1
                yield self._record(row.line, (), row.cells, self._layout.doubt)
            elif pending:
                pending = False
            elif row.cells:
                yield from self._row(row, following)
            row = following
        yield from self._held

    def _row(self, row: _Row, following: _Row | None) -> Iterator[Record | Skipped]:
        layout = self._layout
        if any(map(self._marks.is_mark, row.cells)):
            if len(row.cells) == len(layout.header) and all(map(same_key, row.cells, layout.header)):
                yield Noted(self._where(row.line), "its header comes again, and is no record")
                return
            if self._is_new_header(row, following):
                self._layout = replace(layout, header=tuple(row.cells), marked=places(row.cells, self._marks))
                return
        doubt = _doubt(layout, row) if layout.marked else layout.doubt
        if layout.marked and len(row.lines) > 1 and self._may_be_several(row):
            yield from (replace(each, doubt=_ASTRAY) for each in self._held)
            self._held.clear()
            yield from self._lines_of(row, doubt)
        elif layout.marked:
            inside, more = self._inside(row, doubt)
            if not doubt and len(self._seen) < _MOST_SEEN:
                self._seen.update(row.cells[place].strip() for place in layout.marked)
            record = self._record(row.line, layout.header, row.cells, doubt or inside, more)
            yield from self._after(record, row)
        else:
            yield self._record(row.line, layout.header, row.cells, doubt)

    def _after(self, record: Record, row: _Row) -> Iterator[Record]:
        """Yield a row when it is known that no row right after it lacks the beginning of a quoted cell.

        A row that names no audience may be that beginning. It waits for a row that names one.
        """
        text = "".join(row.lines)
        astray = bool(record.doubt) or not _is_in_order(text, self._layout.separator)
        if astray or self._is_placed(row.cells):
            yield from (replace(each, doubt=_ASTRAY) if astray else each for each in self._held)
            self._held.clear()
            yield record
            return
        self._held.append(record)
        if len(self._held) > _NEAR:
            yield self._held.pop(0)

    def _inside(self, row: _Row, doubt: str) -> tuple[str, list[tuple[str, str]]]:
        """Return why a row may be part of a row before it, and the marks that count besides its own.

        After a row that does not fit the header, rows that name no known audience may belong to it. Where it
        has quotation marks, the reader may be on the wrong side of one of them.
        """
        quoted = any('"' in line for line in row.lines)
        before = self._astray
        if doubt:
            self._go_astray(row.cells, quoted=quoted)
            return "", []
        if before is None:
            return "", []
        placed = self._is_placed(row.cells)
        before.left -= 1
        if (placed and not quoted) or not before.left:
            self._astray = None
        if not placed or (before.quoted and not before.names):
            return _ASTRAY, []
        name = self._layout.header[self._layout.marked[0]]
        return "", [(name, mark) for mark in before.names] if before.quoted else []

    def _go_astray(self, cells: Iterable[str], *, quoted: bool) -> None:
        names = {self._marks.order.named(cell) for cell in cells if self._marks.order.knows(cell)}
        if self._astray is not None:
            names |= self._astray.names
            quoted |= self._astray.quoted
        self._astray = _Astray(names, quoted)

    def _is_placed(self, cells: Sequence[str]) -> bool:
        """Return whether a row has the names of known audiences where its header has the marks."""
        return all(
            place < len(cells) and self._marks.order.knows(cells[place]) for place in self._layout.marked
        )

    def _lines_of(self, row: _Row, doubt: str) -> Iterator[Record]:
        """Yield a row that may be several line by line, and whole where its quotation marks are in order."""
        if not doubt:
            yield self._record(row.line, self._layout.header, row.cells, "", self._marks_in(row))
        else:
            self._go_astray((*row.cells, *(mark for _, mark in self._marks_in(row))), quoted=True)
        for line, text in enumerate(row.lines, row.line):
            if text.strip():
                yield self._of_line(line, text, row, doubt)

    def _is_new_header(self, row: _Row, following: _Row | None) -> bool:
        """Return whether a table goes on under another header, as files that were put together do."""
        found = places(row.cells, self._marks)
        return (
            found != self._layout.marked
            and is_header(row.cells, self._marks)
            and following is not None
            and any(
                place < len(following.cells) and self._marks.order.knows(following.cells[place])
                for place in found
            )
        )

    def _may_be_several(self, row: _Row) -> bool:
        """Return whether lines after a row's first look like rows of their own."""
        count = len(self._layout.header)
        odd = "".join(row.lines).count('"') % 2 == 1
        return any(
            self._marks_of(line) or (odd and len(_cells(line, self._layout.separator, count)) == count)
            for line in row.lines[1:]
        )

    def _marks_of(self, line: str) -> list[str]:
        """Return the audiences that a line names where the header has its marks, as prose seldom does."""
        count = len(self._layout.header)
        cells = _cells(line, self._layout.separator, count)
        tight = not any(cell.startswith((" ", "\u3000")) for cell in cells[1:])
        fits = len(cells) == count
        if len(cells) < 2 or not (fits or tight):
            return []
        places = {at % len(cells) for at in self._layout.marked if at < len(cells)}
        places |= {len(cells) + at - count for at in self._layout.marked if len(cells) + at >= count}
        found = [cells[place].strip() for place in sorted(places) if place < len(cells)]
        return [
            cell
            for cell in found
            if self._marks.order.knows(cell)
            or cell in self._seen
            or (fits and tight and _TOKEN.fullmatch(cell))
        ]

    def _marks_in(self, row: _Row) -> list[tuple[str, str]]:
        """Return the marks of the lines of a row that may be several."""
        name = self._layout.header[self._layout.marked[0]]
        return [(name, mark) for line in row.lines[1:] for mark in self._marks_of(line)]

    def _of_line(self, line: int, text: str, row: _Row, of_row: str) -> Record:
        """Return one line of a row that may be several, as a row of its own.

        Whether it is one, or part of a cell, cannot be known, so the marks of the row that it was in count as
        well. ``of_row``: the doubt of that row.
        """
        layout = self._layout
        cells = _cells(text, layout.separator, len(layout.header))
        doubt = _lengths(cells, layout.header)
        if not _is_in_order(text, layout.separator):
            doubt = _UNCLOSED
        elif not doubt and of_row and not self._is_placed(cells):
            doubt = of_row
        outer = [
            (layout.header[place], row.cells[place]) for place in layout.marked if place < len(row.cells)
        ]
        return self._record(line, layout.header, cells, doubt, outer)

    def _record(
        self,
        line: int,
        header: Sequence[str],
        cells: Sequence[str],
        doubt: str,
        more: Sequence[tuple[str, str]] = (),
    ) -> Record:
        """``more``: marks that count beside those of the row."""
        self._number += 1
        record = self._named(header, cells)
        for name, mark in more:
            place = name.strip()
            while place in record:
                place += " "
            record[place] = mark
        return Record(self._number, self._where(line), record, doubt=doubt)

    def _named(self, header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
        record: dict[str, str] = {}
        for position, cell in enumerate(row):
            name = header[position].strip() if position < len(header) else ""
            if name in record and self._marks.is_mark(name):
                name += " " * position  # a second mark, which counts as much as the first
            elif not name or name in record:
                name = f"column {position + 1}"
            record[name] = cell
        return record

    def _where(self, line: int) -> str:
        return f"{self._file.label}:{line}"


def _ended(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines with one kind of end; a carriage return alone ends a line as well."""
    for line in lines:
        if "\r" not in line:
            yield line
            continue
        parts = line.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        yield from (part + "\n" for part in parts[:-1])
        if parts[-1]:
            yield parts[-1]


def _rows(lines: Iterator[str], separator: str, skipped: int) -> Iterator[_Row]:
    """Yield the rows of a table; ``skipped``: lines that came before."""
    recent: list[str] = []

    def kept() -> Iterator[str]:
        for line in lines:
            recent.append(line)
            yield line

    rows = csv.reader(kept(), delimiter=separator)
    while True:
        line = rows.line_num + skipped + 1
        recent.clear()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield _Row(line, [], list(recent), fault=True)
            continue
        if cells:
            yield _Row(line, cells, list(recent))


def _named_separator(line: str) -> str:
    """Return the separator that a first line ``sep=;`` names; "" where it is none."""
    named = line.strip("\r\n \ufeff").strip('"').lower()
    return named[4] if named.startswith("sep=") and len(named) == 5 else ""


def _lengths(cells: Sequence[str], header: Sequence[str]) -> str:
    return "" if len(cells) == len(header) else f"has {len(cells)} cells, the header {len(header)}"


def _doubt(layout: Layout, row: _Row) -> str:
    """Return why a row may not be what its author wrote; "" where it fits the header.

    Quotation marks are trusted where they are as RFC 4180 has them, or where they change nothing.
    """
    if layout.doubt or len(row.cells) != len(layout.header):
        return layout.doubt or _lengths(row.cells, layout.header)
    text = "".join(row.lines)
    if '"' not in text:
        return ""
    plain = text.rstrip("\n").split(layout.separator)
    if (
        len(row.lines) == 1
        and len(plain) == len(row.cells)
        and all(plain[place].strip(' "') == row.cells[place].strip(' "') != "" for place in layout.marked)
    ):
        return ""
    return "" if _is_in_order(text, layout.separator) else _UNCLOSED


def _is_in_order(text: str, separator: str) -> bool:
    """Return whether the text of a row has quotation marks around whole cells and nowhere else (RFC 4180)."""
    return _row_pattern(separator).fullmatch(text.rstrip("\n")) is not None


@lru_cache(maxsize=32)
def _row_pattern(separator: str) -> re.Pattern[str]:
    cut = re.escape(separator)
    cell = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\n{cut}]*+)'
    return re.compile(rf"{cell}(?:{cut}{cell})*+")


def _cells(line: str, separator: str, count: int) -> list[str]:
    """Return the cells of a line: by its quotation marks where they are in order, else without them."""
    line = line.rstrip("\r\n")
    plain = line.split(separator)
    if '"' in line and len(plain) != count and _is_in_order(line, separator):
        return next(csv.reader([line], delimiter=separator))
    return plain
