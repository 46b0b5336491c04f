"""Comma, semicolon and tab separated values: one record a row, with the header's names (RFC 4180).

May import: the ground floor and its room. The rule that must stay true: every cell of a row is in
its record, also where the header is missing, has too few names, or one name twice.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain

from proxy.datasets.audience import FIELD
from proxy.datasets.stream import Record, SourceFile
from proxy.types import Skipped

_LONGEST_CELL = 2**31 - 1
_LONGEST_NAME = 64
_TOKEN = re.compile(r"[\"']?\w[\w.-]{0,63}[\"']?")
"""What an audience looks like, and prose between two commas seldom does."""


def read(file: SourceFile) -> Iterator[Record | Skipped]:
    """Yield the rows as objects of strings. Rows without a cell are passed over.

    The separator is a tab for ``.tsv``, else the one that the first line has most of, or that a line ``sep=``
    names. A first row with a cell longer than 64 characters, or of several lines, is taken for data: then,
    and where names are missing, the fields are ``column 1``, ``column 2`` and so on. Where the header marks
    an audience, a row whose cells may have moved to other fields has a ``doubt``.
    """
    csv.field_size_limit(_LONGEST_CELL)  # the default, 128 KiB, is less than a long answer
    lines = file.text_lines()
    first = next(lines, "")
    separator = "\t" if file.kind == ".tsv" else _separator(first)
    if (named := first.strip().strip('"').lower()).startswith("sep=") and len(named) == 5:
        separator, first = named[4], next(lines, "")
    recent = _Recent(chain((first,), lines))
    rows = csv.reader(recent, delimiter=separator)
    header: Sequence[str] | None = None
    number = 0
    while True:
        where = f"{file.label}:{rows.line_num + 1}"
        recent.lines.clear()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            number += 1
            yield Skipped(where, "not a valid row: a quote or a carriage return out of place")
            continue
        if header is None and row:
            header = row if _is_header(row) else ()
            if header:
                continue
        if not row:
            continue
        marked = [place for place, name in enumerate(header or ()) if file.is_mark(name)]
        doubt = _doubt(header or (), row, recent.lines, marked, separator) if marked else ""
        if doubt and header and len(recent.lines) > 1 and len(row) == len(header):
            outer = [(header[place], row[place]) for place in marked]
            start = rows.line_num - len(recent.lines) + 1
            for line, text in enumerate(recent.lines, start):
                number += 1
                yield _of_line(number, f"{file.label}:{line}", text, header, outer, separator)
            continue
        number += 1
        yield Record(number, where, _named(header or (), row), doubt=doubt)


class _Recent:
    """Lines on their way to a reader, those of the current row kept."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._source = lines
        self.lines: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._source:
            self.lines.append(line)
            yield line


def _of_line(
    number: int,
    where: str,
    line: str,
    header: Sequence[str],
    outer: Sequence[tuple[str, str]],
    separator: str,
) -> Record:
    """Return one line of a row whose quotation mark may never have been closed, as a row of its own.

    Whether it is one, or part of a cell, cannot be known, so the marks of the row that it was in (``outer``)
    count as well.
    """
    cells = line.rstrip("\r\n").split(separator)
    record = _named(header, cells)
    for name, mark in outer:
        record[name.strip() + " " * (len(header) + 1)] = mark
    doubt = "" if len(cells) == len(header) else f"has {len(cells)} cells, the header {len(header)}"
    if '"' in line:
        doubt = "has a quotation mark that may never be closed"
    return Record(number, where, record, doubt=doubt)


def _doubt(
    header: Sequence[str], row: Sequence[str], lines: Sequence[str], marked: Sequence[int], separator: str
) -> str:
    """Return why a row may not be what its author wrote; "" where it fits the header.

    ``marked``: the places of the audience in the header. ``lines``: the lines that the row was read from.
    """
    if len(row) != len(header):
        return f"has {len(row)} cells, the header {len(header)}"
    swallowed = any(
        len(cells) == len(header) and any(_TOKEN.fullmatch(cells[place].strip()) for place in marked)
        for cells in (line.rstrip("\r\n").split(separator) for line in lines[1:])
    )
    if swallowed or (len(lines) > 1 and "".join(lines).count('"') % 2):
        return "has a quotation mark that may never be closed: a cell runs over lines that look like rows"
    return ""


def _separator(line: str) -> str:
    return max(",;\t|", key=line.count)


def _is_header(row: Sequence[str]) -> bool:
    return all(len(cell) <= _LONGEST_NAME and "\n" not in cell for cell in row)


def _named(header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    record: dict[str, str] = {}
    for position, cell in enumerate(row):
        name = header[position].strip() if position < len(header) else ""
        if name in record and name.casefold() == FIELD:
            name += " " * position  # a second mark, which counts as much as the first
        elif not name or name in record:
            name = f"column {position + 1}"
        record[name] = cell
    return record
