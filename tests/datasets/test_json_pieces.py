"""Parsing JSON with faults, and telling values apart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.datasets.json_pieces import Broken, elements, parse, values

CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)
LAYOUTS = st.sampled_from([None, 1, 4])


@CALM
@given(JSON)
def test_parse_reads_what_json_writes(value: Any) -> None:
    """Both readers agree on any JSON."""
    assert parse(json.dumps(value).encode()) == value


@CALM
@given(st.lists(JSON, max_size=6), LAYOUTS, st.booleans())
def test_elements_of_a_list_are_its_elements(value: list[Any], indent: int | None, ascii_only: bool) -> None:
    """Brackets, commas and quotes inside strings part nothing."""
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    found = list(elements(data))
    assert [parse(piece.data) for piece in found] == value
    assert all(piece.closed for piece in found)


@CALM
@given(st.dictionaries(st.text(max_size=9), JSON, max_size=6), LAYOUTS)
def test_elements_of_an_object_are_its_members(value: dict[str, Any], indent: int | None) -> None:
    """Each member comes as an object of one key."""
    found = [parse(piece.data) for piece in elements(json.dumps(value, indent=indent).encode())]
    assert {key: inner for member in found for key, inner in member.items()} == value


@CALM
@given(st.lists(st.lists(JSON, max_size=3) | st.dictionaries(st.text(max_size=5), JSON, max_size=3)), LAYOUTS)
def test_values_that_follow_one_another_are_told_apart(several: list[Any], indent: int | None) -> None:
    """Concatenated JSON, on lines or not, gives its values."""
    data = "\n".join(json.dumps(value, indent=indent) for value in several).encode()
    assert [parse(piece.data) for piece in values(data)] == several


def test_pieces_know_their_lines() -> None:
    """A piece's line is that of its first sign."""
    assert [(piece.line, piece.data) for piece in elements(b'[\n\n {"a": "\\n"},\n\n2, 3\n]')] == [
        (3, b'{"a": "\\n"}'),
        (5, b"2"),
        (5, b"3\n"),
    ]
    assert [piece.line for piece in values(b"\n{}\n\n[\n]\n\nrest")] == [2, 4, 7]


@pytest.mark.parametrize("data", [b'[{"a": 1}, {"b": ', b'[1, "never closed', b"[[1]"])
def test_a_value_that_is_cut_short_is_not_closed(data: bytes) -> None:
    """The end of the data before the end of the brackets is seen."""
    assert [piece.closed for piece in values(data)] == [False]


def test_a_last_comma_makes_no_element() -> None:
    """Nothing stands behind the last comma."""
    assert [piece.data for piece in elements(b"[1,2,]")] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": NaN, "b": -Infinity, "c": 1e999}', {"a": None, "b": None, "c": None}),
        (b'{"a": "x\\ud800y"}', {"a": "x?y"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_what_writers_add_to_json_is_read(data: bytes, value: Any) -> None:
    """NaN, lone surrogates and a mark in front, which strict readers refuse, cost no record."""
    assert parse(data) == value


@pytest.mark.parametrize("depth", [1_100, 5_000, 400_000])
@pytest.mark.parametrize(("open_", "close"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused_and_not_followed(depth: int, open_: bytes, close: bytes) -> None:
    """No depth exhausts the stack, closed or not."""
    with pytest.raises(Broken, match="nested too deeply"):
        parse(open_ * depth + b"1" + close * depth)
    with pytest.raises(Broken):
        parse(open_ * depth)


@pytest.mark.parametrize(
    ("data", "reason", "line", "column"),
    [
        (b'{"a": secret}', "not valid JSON", 0, 7),
        (b'\n{"a":\n "b", secret}', "not valid JSON", 2, 7),
        (b'{"a": "secret\xff"}', "not valid UTF-8", 0, None),
        (b"[NaN, " + b"9" * 5_000 + b"]", "holds a number with too many digits", 0, None),
        (b"", "not valid JSON", 0, 1),
    ],
)
def test_reasons_give_the_place_and_no_text(data: bytes, reason: str, line: int, column: int | None) -> None:
    """A fault is told by place and kind."""
    with pytest.raises(Broken) as caught:
        parse(data)
    assert (caught.value.reason, caught.value.line, caught.value.column) == (reason, line, column)


def test_a_string_never_closed_is_scanned_once() -> None:
    """A megabyte of escaped quotes behind an open one is told apart in one pass, not in a million."""
    data = b'["' + b'\\"' * 500_000
    assert [len(piece.data) for piece in elements(data)] == [len(data) - 1]
