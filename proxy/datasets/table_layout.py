"""Find how a table is laid out: its separator, where its header is, and which columns mark an audience.

The invariant: a table whose first lines name an audience is never read as one that names none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.datasets.marks import Marks

HEAD = 20
"""Lines at the beginning of a table in which its header is looked for."""

_USUAL = ",;\t|"
_RARE = "^~:\x01\x1e\x1f§¦"
_LONGEST_NAME = 64
_MOST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is read. ``header`` () means that it has none, or none that is recognised."""

    separator: str
    header: tuple[str, ...] = ()
    marked: tuple[int, ...] = ()
    """The places of the audience in a row."""
    skipped: int = 0
    """Rows before the header."""
    in_header: bool = True
    """Whether the header is a row of the table."""
    doubt: str = ""
    """Why no row can be trusted to be for whom it says; "" where there is no such doubt."""


def layout_of(lines: Sequence[str], marks: Marks, separator: str = "") -> Layout:
    """Return the layout of a table that begins with ``lines``. ``separator``: the one that the file names.

    The separator is the one that the first line has most of, unless another one makes the name of a mark
    a cell of its own.
    """
    usual = separator or (max(_USUAL, key=lines[0].count) if lines else ",")
    rows = list(_rows(lines, usual))
    first = rows[0] if rows else []
    for separators in (usual, _USUAL, _RARE if len(first) == 1 else ""):
        found = [each for cut in separators if (each := _with_marks(lines, cut, marks)) is not None]
        if found:
            return min(found, key=lambda each: (each.skipped, -len(each.header)))
    if (place := _place_of_audiences(rows, marks)) is not None:
        names = [f"column {number}" for number in range(1, len(first) + 1)]
        names[place] = marks.name
        return Layout(usual, tuple(names), (place,), in_header=False)
    doubt = ""
    if len(first) == 1 and any(map(marks.is_mark, first[0].split())):
        doubt = "names an audience in its first line, and its columns cannot be told apart"
    return Layout(usual, tuple(first) if is_names(first) else (), doubt=doubt)


def is_names(row: Sequence[str]) -> bool:
    """Return whether a first row can be names of columns rather than data."""
    return all(len(cell) <= _LONGEST_NAME and "\n" not in cell for cell in row)


def is_header(row: Sequence[str], marks: Marks) -> bool:
    """Return whether a row after the first looks like names of columns, a mark among them."""
    cells = [cell.strip() for cell in row if cell.strip()]
    return (
        len(cells) > 1
        and any(map(marks.is_mark, cells))
        and len(set(cells)) == len(cells)
        and all(len(cell) <= _LONGEST_NAME and len(cell.split()) <= _MOST_WORDS for cell in cells)
        and not any(cell.replace(".", "").isdigit() for cell in cells)
    )


def places(row: Sequence[str], marks: Marks) -> tuple[int, ...]:
    """Return the places of the marks in a header."""
    return tuple(place for place, name in enumerate(row) if marks.is_mark(name))


def _rows(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    rows = csv.reader(lines, delimiter=separator)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            continue
        if row:
            yield row


def _with_marks(lines: Sequence[str], separator: str, marks: Marks) -> Layout | None:
    """Return the layout under a separator, where it shows a header with a mark."""
    rows = list(_rows(lines, separator))
    for number, row in enumerate(rows):
        found = places(row, marks)
        if not found or len(row) < 2:
            continue
        if number:
            following = rows[number + 1] if number + 1 < len(rows) else []
            told_apart = len(row) != len(rows[0]) or any(
                place < len(following) and marks.order.knows(following[place]) for place in found
            )
            if not (is_header(row, marks) and told_apart):
                continue
        return Layout(separator, tuple(row), found, number)
    return None


def _place_of_audiences(rows: Sequence[Sequence[str]], marks: Marks) -> int | None:
    """Return the column that holds nothing but names of audiences, the first row included."""
    if marks.field is not None or not marks.name or len(rows) < 2:
        return None
    for place, cell in enumerate(rows[0]):
        cells = [row[place] for row in rows if place < len(row)]
        if len(rows[0]) > 1 and cell.strip() and all(map(marks.order.knows, cells[:-1] or cells)):
            return place
    return None
