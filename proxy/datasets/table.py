"""Comma, semicolon and tab separated values: one record a row, with the header's names (RFC 4180).

May import: the ground floor and its room. The rule that must stay true: every cell of a row is in
its record, also where the header is missing, has too few names, or one name twice.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain

from proxy.datasets.stream import Record, SourceFile
from proxy.types import Skipped

_LONGEST_CELL = 2**31 - 1
_LONGEST_NAME = 64


def read(file: SourceFile) -> Iterator[Record | Skipped]:
    """Yield the rows as objects of strings. Rows without a cell are passed over.

    The separator is a tab for ``.tsv``, else the one that the first line has most of. A first row
    with a cell longer than 64 characters, or of several lines, is taken for data: then, and where
    names are missing, the fields are ``column 1``, ``column 2`` and so on.
    """
    csv.field_size_limit(_LONGEST_CELL)  # the default, 128 KiB, is less than a long answer
    lines = file.text_lines()
    first = next(lines, "")
    rows = csv.reader(chain((first,), lines), delimiter="\t" if file.kind == ".tsv" else _separator(first))
    header: Sequence[str] | None = None
    number = 0
    while True:
        where = f"{file.label}:{rows.line_num + 1}"
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
        if row:
            number += 1
            yield Record(number, where, _named(header or (), row))


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _is_header(row: Sequence[str]) -> bool:
    return all(len(cell) <= _LONGEST_NAME and "\n" not in cell for cell in row)


def _named(header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    record: dict[str, str] = {}
    for position, cell in enumerate(row):
        name = header[position].strip() if position < len(header) else ""
        if not name or name in record:
            name = f"column {position + 1}"
        record[name] = cell
    return record
