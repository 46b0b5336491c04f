"""Comma and tab separated values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.datasets.stream import Record, SourceFile
from proxy.datasets.table import read
from proxy.types import Skipped


@pytest.fixture
def rows(tmp_path: Path) -> Any:
    """The values of the records of a file of that content."""

    def of(content: bytes | str, name: str = "a.csv") -> list[Any]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with SourceFile(path, name) as file:
            return [entry.value if isinstance(entry, Record) else entry for entry in read(file)]

    return of


@pytest.mark.parametrize(
    ("name", "sign"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t"), ("a.TSV", "\t")]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_rows_become_records(rows: Any, name: str, sign: str, encoding: str) -> None:
    """The header's names, whatever the separator and the encoding."""
    content = f'prompt{sign}response\r\nwer?{sign}"a{sign} ""b""\nc"\r\n\r\n什么{sign}d\r\n'
    assert rows(content.encode(encoding), name) == [
        {"prompt": "wer?", "response": f'a{sign} "b"\nc'},
        {"prompt": "什么", "response": "d"},
    ]


def test_no_cell_is_lost(rows: Any) -> None:
    """Rows longer than the header, and headers with blank or repeated names, keep every cell."""
    assert rows(",text,text\n0,a,b,c\n1\n") == [
        {"column 1": "0", "text": "a", "column 3": "b", "column 4": "c"},
        {"column 1": "1"},
    ]


def test_a_file_without_a_header(rows: Any) -> None:
    """A first row that is no row of names is a record."""
    long = "a sentence of training text that nobody would give to a column as its name"
    assert rows(f"{long},b\nc,d\n") == [
        {"column 1": long, "column 2": "b"},
        {"column 1": "c", "column 2": "d"},
    ]


def test_long_cells(rows: Any) -> None:
    """A cell of a megabyte is read."""
    assert [len(row["text"]) for row in rows("text\n" + "x" * 1_000_000)] == [1_000_000]


def test_records_know_their_lines(tmp_path: Path) -> None:
    """Lines are counted in the file, records in rows."""
    path = tmp_path / "a.csv"
    path.write_text('a,b\n"1\n2",x\n3,y\n')
    with SourceFile(path, "a.csv") as file:
        entries = [entry for entry in read(file) if isinstance(entry, Record)]
    assert [(entry.number, entry.where) for entry in entries] == [(1, "a.csv:2"), (2, "a.csv:4")]


def test_a_row_that_is_none_is_skipped(rows: Any) -> None:
    """A carriage return in the middle of a row costs the row."""
    assert rows("a,b\n1,secret\rx\n3,4\n") == [
        Skipped("a.csv:2", "not a valid row: a quote or a carriage return out of place"),
        {"a": "3", "b": "4"},
    ]


@pytest.mark.parametrize("content", ["", "a,b\n", "\n\n"])
def test_no_rows(rows: Any, content: str) -> None:
    """An empty file and a header alone hold no records."""
    assert rows(content) == []
