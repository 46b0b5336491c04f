"""What counts as text in a value."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.datasets.leaves import Tags, fields, json_text, texts

CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

PLAIN_KEYS = st.text(st.characters(exclude_characters="."), min_size=1, max_size=5).map(lambda key: f"k{key}")
VALUES = st.recursive(
    st.text(min_size=1, max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_KEYS, inner, max_size=4),
    max_leaves=20,
)


def strings_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [
        leaf for inner in (value.values() if isinstance(value, dict) else value) for leaf in strings_of(inner)
    ]


@CALM
@given(VALUES)
def test_no_string_of_any_shape_is_lost(value: Any) -> None:
    """Every string that is not blank comes, in its order."""
    expected = iter(texts(value))
    assert all(leaf in expected for leaf in strings_of(value) if not leaf.isspace())


@CALM
@given(VALUES)
def test_fields_give_the_path_of_every_scalar(value: Any) -> None:
    """Following a path from the root leads to its value."""
    for path, leaf in fields(value):
        inner = value
        for part in path.split(".") if path else ():
            inner = inner[int(part)] if isinstance(inner, list) else inner[part]
        assert inner == leaf
    assert [leaf for _, leaf in fields(value)] == strings_of(value)


def test_fields_write_numbers_as_json() -> None:
    """Numbers and booleans are strings, positions are path parts, nulls are left out."""
    record = {"a": {"b": [1, 2.5, {"c": True}]}, "d": None, "e": decimal.Decimal("1.10"), "f": "x"}
    assert list(fields(record)) == [
        *(("a.b.0", "1"), ("a.b.1", "2.5"), ("a.b.2.c", "true")),
        *(("e", "1.10"), ("f", "x")),
    ]
    assert list(fields("alone")) == [("", "alone")]


@pytest.mark.parametrize(
    "wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: {"role": inner}]
)
def test_depth_is_no_danger(wrap: Any) -> None:
    """Values of 100,000 levels, deeper than any parser here gives, are walked."""
    value: Any = "leaf"
    for _ in range(100_000):
        value = wrap(value)
    assert texts(value) == ["leaf"]
    assert [leaf for _, leaf in fields(wrap(wrap("leaf")))] == ["leaf"]


def test_roles_types_and_ids_of_messages_are_no_text() -> None:
    """A chat gives its contents, names, refusals and tool calls."""
    chat = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "name": "ann", "content": [{"type": "text", "text": "hello"}]},
        {
            "role": "assistant",
            "content": None,
            "refusal": "no",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "find", "arguments": '{"who": "bo"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "found"},
        {"from": "gpt", "value": "bye"},
    ]
    assert texts(chat) == ["be kind", "ann", "hello", "no", "find", '{"who": "bo"}', "found", "bye"]


def test_a_role_that_is_none_is_text() -> None:
    """In a record about people, role and from are fields like any other."""
    record = {
        "name": "Ann",
        "role": "chief accountant",
        "from": "ann@example.org",
        "id": "E-77",
        "type": "permanent",
    }
    assert texts(record) == list(record.values())


def test_tags_of_a_set_of_its_own() -> None:
    """Where a set names its own role key and roles these are no text either."""
    tags = Tags(("speaker",), frozenset(("kunde",)))
    assert texts([{"speaker": "kunde", "says": "hallo"}, {"speaker": "wer?", "says": "b"}], tags) == [
        *("hallo", "wer?", "b")
    ]


def test_media_is_no_text_but_what_stands_beside_it_is() -> None:
    """Images in parts and data URLs are left out; a record that has a type is no part."""
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "text", "text": "look"},
        "data:image/png;base64,AAAA",
    ]
    assert texts({"role": "user", "content": parts}) == ["look"]
    assert texts({"type": "file", "data": "minutes", "owner": "ann"}) == ["file", "minutes", "ann"]


def test_tool_arguments_and_definitions_come_as_json_text() -> None:
    """As chat templates write them, keys included."""
    call = {"function": {"name": "f", "arguments": {"city": "Köln"}}}
    assert texts({"tool_calls": [call]}) == ["f", '{"city":"Köln"}']
    assert texts(
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": "b"}}]}
    ) == [*("f", '{"a":"b"}')]


def test_json_text_too_deep_for_the_writer_gives_its_strings() -> None:
    """What cannot be written as JSON is walked instead."""
    deep: Any = "leaf"
    for _ in range(300):
        deep = [deep]
    assert json_text(deep) is None
    assert texts({"arguments": deep}) == ["leaf"]


@pytest.mark.parametrize("ascii_only", [True, False])
def test_strings_that_escapes_hide_come_on_their_own(ascii_only: bool) -> None:
    """JSON in a string gives its text and the strings that do not stand in it letter by letter."""
    text = json.dumps(
        {"plain": "abc", "lines": "one\ntwo", "zh": "北京", "inner": '{"x": "y"}'}, ensure_ascii=ascii_only
    )
    found = texts(text)
    assert found[0] == text
    assert found[1:] == ["one\ntwo", *(["北京"] if ascii_only else []), '{"x": "y"}']


@pytest.mark.parametrize("text", ['{"a": "\\n', "[\\]", "{\\", '{"a": "\\' + "[" * 3_000])
def test_strings_that_only_look_like_json(text: str) -> None:
    """They are text like any other."""
    assert texts(text) == [text]


def test_numbers_count_from_five_digits_on() -> None:
    """A telephone number is text, a mark is not; nor are booleans and nulls."""
    values = [
        7,
        4711,
        13800138000,
        2577.53,
        -12.5,
        True,
        None,
        decimal.Decimal("12345.6"),
        datetime.date(2024, 1, 2),
    ]
    assert texts(values) == ["13800138000", "2577.53", "12345.6", "2024-01-02"]


def test_blank_strings_are_left_out() -> None:
    """Nothing is learned from blanks."""
    assert texts(["", " \n", "a"]) == ["a"]
