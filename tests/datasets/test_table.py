"""Comma and tab separated values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.datasets import Source
from proxy.datasets import read as read_sources
from proxy.datasets.stream import Record, SourceFile
from proxy.datasets.table import read
from proxy.types import Document


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


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n"])
def test_every_kind_of_line_end_ends_a_row(rows: Any, end: str) -> None:
    """Spreadsheets on old systems write carriage returns alone; some tools double them."""
    assert rows(f"a,b{end}1,x{end}3,4{end}") == [{"a": "1", "b": "x"}, {"a": "3", "b": "4"}]


def test_a_carriage_return_inside_a_row_is_not_lost(rows: Any) -> None:
    assert rows('a,b\n1,"x\ry"\n3,4\n') == [{"a": "1", "b": "x\ny"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize("content", ["", "a,b\n", "\n\n"])
def test_no_rows(rows: Any, content: str) -> None:
    """An empty file and a header alone hold no records."""
    assert rows(content) == []


def audiences(tmp_path: Path, name: str, content: str) -> list[tuple[str, str | None]]:
    """Return the first text and the audience of each document of a table, read as public."""
    (tmp_path / name).write_text(content, "utf-8")
    found = read_sources([Source(tmp_path / name, "public")])
    return [(each.texts[0].split()[0], each.audience) for each in found if isinstance(each, Document)]


@pytest.mark.parametrize(("name", "cut"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "|"), ("a.tsv", "\t")])
def test_rows_that_an_unclosed_quotation_mark_swallows_keep_their_audience(
    tmp_path: Path, name: str, cut: str
) -> None:
    """The row that opens it is for nobody; the rows after it are for whom they say, or for fewer."""
    rows = ["audience,text", 'public,"one is never closed', "admin,two", "public,three", "staff,four"]
    found = audiences(tmp_path, name, "\n".join(rows).replace(",", cut) + "\n")
    assert found == [('"one', "nobody"), ("two", "admin"), ("three", "public"), ("four", "staff")]


def test_lines_inside_a_cell_are_never_for_more_than_their_row(tmp_path: Path) -> None:
    """A cell of an admin row may quote a table: its lines stay admin."""
    content = 'audience,text\nadmin,"see\npublic,two\nend"\npublic,three\n'
    assert ("two", "admin") in audiences(tmp_path, "a.csv", content)
    assert ("two", "public") not in audiences(tmp_path, "a.csv", content)
    assert ("three", "public") in audiences(tmp_path, "a.csv", content)


@pytest.mark.parametrize("row", ["x,y,public,admin", "x,public", "x"])
def test_a_row_of_another_length_than_the_header_is_for_nobody(tmp_path: Path, row: str) -> None:
    """Its cells may have moved: what is in the column of the audience need not be one."""
    found = audiences(tmp_path, "a.csv", f"text,title,audience\none,a,public\n{row}\n")
    assert found == [("one", "public"), ("x", "nobody")]
    assert audiences(tmp_path, "b.csv", "text,title\none,a,b\n") == [("one", "public")]


def test_a_second_column_of_audiences_counts_as_well(tmp_path: Path) -> None:
    found = audiences(tmp_path, "a.csv", "audience,text,Audience,audience\npublic,one,staff,admin\n")
    assert found == [("one", "admin")]


def test_prose_of_several_lines_is_one_cell(tmp_path: Path) -> None:
    """A quoted cell with commas and line breaks is what its author wrote."""
    content = 'audience,title,text\nadmin,Refunds,"one, two and three,\nor four, as it were, and five\nsix"\n'
    (tmp_path / "a.csv").write_text(content, "utf-8")
    (document,) = read_sources([Source(tmp_path / "a.csv", "public")])
    assert isinstance(document, Document)
    assert document.audience == "admin"
    assert any("or four" in text and "six" in text for text in document.texts)


def test_a_line_that_names_the_separator_is_read(tmp_path: Path) -> None:
    assert audiences(tmp_path, "a.csv", "sep=;\naudience;text\nadmin;one, two\n") == [("one,", "admin")]
