"""Records of JSON and JSON Lines files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.datasets.json_records import read
from proxy.datasets.stream import Record, SourceFile
from proxy.types import Skipped


@pytest.fixture
def entries(tmp_path: Path) -> Any:
    """Reads a file of the given name and content."""

    def of(content: bytes | str, name: str = "a.jsonl") -> list[Record | Skipped]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with SourceFile(path, name, encoding="utf-8") as file:
            return list(read(file))

    return of


def found(entries: list[Record | Skipped]) -> list[Any]:
    return [entry.value if isinstance(entry, Record) else (entry.where, entry.reason) for entry in entries]


NAMES = ["a.json", "a.jsonl", "a.ndjson"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n \n"])
def test_lines_are_records_whatever_the_name(entries: Any, name: str, end: str) -> None:
    """JSON Lines in a .json file are read as such; blank lines are no records."""
    got = entries(end.join(['{"text": "a"}', '{"text": "b"}', '"c"']), name)
    assert [(record.number, record.value) for record in got] == [
        (1, {"text": "a"}),
        (2, {"text": "b"}),
        (3, "c"),
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_holds_records_whatever_the_name(entries: Any, name: str, indent: int | None) -> None:
    """A JSON list, on one line or on many, is a list of records also in a .jsonl file."""
    assert found(entries(json.dumps([{"a": 1}, "b"], indent=indent), name)) == [{"a": 1}, "b"]


def test_an_object_of_objects_holds_records_with_keys(entries: Any) -> None:
    """Records keyed by id come one by one, each with its key."""
    got = entries('{"u1": {"name": "A"}, "u2": {"name": "B"}}', "a.json")
    assert [(record.number, record.key, record.value) for record in got] == [
        (1, "u1", {"name": "A"}),
        (2, "u2", {"name": "B"}),
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "x"}]},
        {"instruction": "a", "input": {}, "output": "b"},
        {"name": "A", "address": {"city": "B"}},
        {"text": {"a": "b"}, "n": 1},
        {},
    ],
)
def test_a_file_may_hold_a_single_record(entries: Any, record: Any) -> None:
    """An object whose values are not all objects, or of a known shape, is one record."""
    assert found(entries(json.dumps(record, indent=1), "a.json")) == [record]


def test_one_line_of_a_jsonl_file_is_one_record(entries: Any) -> None:
    """An object of objects on the only line of a .jsonl file is a record, not a set of them."""
    assert found(entries('{"a": {"b": "c"}}')) == [{"a": {"b": "c"}}]


def test_the_list_inside_an_object_holds_the_records(entries: Any) -> None:
    """{"version", "data": [...]}: the elements are records, what stands around them is one more."""
    got = entries('{"version": "v2", "audience": "staff", "data": [{"q": "a"}, {"q": "b"}]}', "a.json")
    outer = {"version": "v2", "audience": "staff"}
    assert [(record.value, record.outer) for record in got] == [
        ({"q": "a"}, outer),
        ({"q": "b"}, outer),
        (outer, None),
    ]


def test_splits_and_conversations_inside_an_object(entries: Any) -> None:
    """Lists of objects under several keys hold records; a list of turns is one record."""
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    got = entries(json.dumps({"train": [{"a": 1}, {"a": 2}], "chat-1": turns}), "a.json")
    assert [(record.value, record.key) for record in got] == [
        ({"a": 1}, None),
        ({"a": 2}, None),
        (turns, "chat-1"),
    ]
    assert found(entries(json.dumps(turns), "a.json")) == [turns]


def test_values_one_after_the_other_are_records(entries: Any) -> None:
    """Pretty-printed objects that follow one another, as jq writes them, are read."""
    content = json.dumps({"a": "1"}, indent=2) + "\n" + json.dumps({"a": "2"}, indent=2)
    got = entries(content, "a.json")
    assert [(record.number, record.value) for record in got] == [(1, {"a": "1"}), (2, {"a": "2"})]


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_line_costs_that_line(entries: Any, name: str) -> None:
    """The lines around it are read and keep their numbers."""
    got = entries('{"a": "1"}\n\n{"a": secret\n{"a": "3"}\n', name)
    assert found(got) == [{"a": "1"}, (f"{name}:3", "not valid JSON (column 7)"), {"a": "3"}]
    assert [record.number for record in got if isinstance(record, Record)] == [1, 3]


@pytest.mark.parametrize("name", NAMES)
def test_the_first_line_may_be_the_broken_one(entries: Any, name: str) -> None:
    """A fault in the first line does not hide that the file holds JSON Lines."""
    assert found(entries('{"a": x\n{"a": "2"}\n{"a": "3"}', name)) == [
        (f"{name}:1", "not valid JSON (column 7)"),
        {"a": "2"},
        {"a": "3"},
    ]


def test_a_broken_only_line_is_reported(entries: Any) -> None:
    """Also a file of nothing but a fault says where."""
    assert found(entries('{"a": secret}')) == [("a.jsonl:1", "not valid JSON (column 7)")]
    assert found(entries("secret", "a.json")) == [("a.json:1", "not valid JSON")]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_broken_element_costs_that_element(entries: Any, indent: int | None) -> None:
    """In a list the elements around a broken one are read and keep their numbers."""
    content = json.dumps([{"a": "1"}, {"a": "HERE"}, {"a": "3"}], indent=indent).replace('"HERE"', "secret")
    got = entries(content, "a.json")
    line = 1 if indent is None else 6
    assert found(got) == [{"a": "1"}, (f"a.json:{line}", "not valid JSON"), {"a": "3"}]
    assert [record.number for record in got if isinstance(record, Record)] == [1, 3]


def test_a_broken_member_costs_that_member(entries: Any) -> None:
    """In an object of records likewise."""
    got = entries('{"u1": {"n": "1"},\n "u2": {"n": secret},\n "u3": {"n": "3"}}', "a.json")
    assert found(got) == [{"n": "1"}, ("a.json:2", "not valid JSON"), {"n": "3"}]
    assert [record.key for record in got if isinstance(record, Record)] == ["u1", "u3"]


def test_a_single_broken_record_is_one_fault(entries: Any) -> None:
    """The parts of one broken record are not taken for records."""
    got = entries('{\n"text": "a",\n"meta": {"b": secret},\n"more": "c"\n}', "a.json")
    assert found(got) == [("a.json:3", "not valid JSON")]


def test_a_list_cut_short_is_read_as_far_as_it_goes(entries: Any) -> None:
    """And its end is reported, also where the cut falls between two records."""
    where, reason = (
        "a.json",
        "its outermost bracket is never closed: cut short, or a quote or a bracket is missing",
    )
    assert found(entries('[{"a": "1"},\n{"a": "2"},\n', "a.json")) == [
        {"a": "1"},
        {"a": "2"},
        (where, reason),
    ]
    got = found(entries('[{"a": "1"},\n{"a": "2', "a.json"))
    assert got[0] == {"a": "1"}
    assert got[1][0] == "a.json:2"
    assert got[2] == (where, reason)


@pytest.mark.parametrize("name", NAMES)
def test_too_deep_a_record_costs_that_record(entries: Any, name: str) -> None:
    """5,000 levels in a line or an element are reported, and reading goes on."""
    deep = '{"a":' * 5_000 + "1" + "}" * 5_000
    reason = "nested too deeply (the limit is about 1,000 levels)"
    assert found(entries(f'{{"a": "1"}}\n{deep}\n{{"a": "3"}}', name)) == [
        {"a": "1"},
        (f"{name}:2", reason),
        {"a": "3"},
    ]
    assert found(entries(f'[{{"a": "1"}},\n{deep},\n{{"a": "3"}}]', name)) == [
        {"a": "1"},
        (f"{name}:2", reason),
        {"a": "3"},
    ]


def test_bad_utf8_costs_its_record(entries: Any) -> None:
    """In a line and in an element of a list."""
    assert found(entries(b'{"a": "1"}\n{"a": "\xff"}\n')) == [{"a": "1"}, ("a.jsonl:2", "not valid UTF-8")]
    assert found(entries(b'[{"a": "1"},\n{"a": "\xff"}]', "a.json")) == [
        {"a": "1"},
        ("a.json:2", "not valid UTF-8"),
    ]


def test_marks_and_utf16(entries: Any) -> None:
    """A byte order mark, and UTF-16 with one, change nothing; nor do marks inside joined files."""
    for encoding in ("utf-8-sig", "utf-16"):
        assert found(entries('{"a": "é"}\n{"a": "2"}'.encode(encoding))) == [{"a": "é"}, {"a": "2"}]
    assert found(entries(b'{"a": 1}\n\xef\xbb\xbf{"a": 2}\n')) == [{"a": 1}, {"a": 2}]


def test_a_line_of_ten_megabytes(entries: Any) -> None:
    """Long lines are read like any other."""
    content = json.dumps({"text": "x" * 10_000_000}) + '\n{"text": "y"}\n'
    assert [len(record.value["text"]) for record in entries(content)] == [10_000_000, 1]


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_file_has_no_records(entries: Any, content: str) -> None:
    """Nothing is made up."""
    assert entries(content, "a.json") == []
