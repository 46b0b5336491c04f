"""The closed syntax: nothing that could be prose gets through it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects import fields
from proxy.errors import UpstreamError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
@settings(deadline=None)
def test_an_identifier_has_no_blank_and_an_end(value: Any) -> None:
    """What passes as an identifier is short and has no white space; all else is None."""
    given_out = fields.identifier(value, "id", [])
    assert given_out is None or (
        given_out == value and len(value) <= 64 and value.isascii() and " " not in value
    )


@pytest.mark.parametrize("value", ["a" * 65, "two words", "a\n", "é", "a/b", 7, ["a"], {"a": 1}])
def test_what_is_no_identifier_is_reported(value: Any) -> None:
    """A value of another syntax stays behind and is named."""
    dropped: list[str] = []
    assert fields.identifier(value, "id", dropped) is None
    assert dropped == ["id"]


@given(
    st.dictionaries(st.sampled_from(["prompt_tokens", "prompt_tokens_details", "x"]) | st.text(), JSON) | JSON
)
@settings(deadline=None)
def test_usage_is_numbers_of_known_names(value: Any) -> None:
    """Whatever stands for the usage, what passes is finite numbers under known names."""
    for name, count in (fields.usage(value, []) or {}).items():
        assert name.endswith(("_tokens", "_details"))
        for number in count.values() if isinstance(count, dict) else [count]:
            assert type(number) in (int, float)
            assert 0 <= number <= 2**53


@given(JSON)
@settings(deadline=None)
def test_a_finish_reason_is_one_of_openais(value: Any) -> None:
    """Any value becomes one of the five reasons, or none where there is none."""
    assert fields.finish_reason(value, []) in {*fields.FINISH_REASONS, None}
    assert (fields.finish_reason(value, []) is None) == (value is None or value == "")


@given(
    st.dictionaries(st.sampled_from(["id", "created", "model", "system_fingerprint", "service_tier"]), JSON)
)
@settings(deadline=None)
def test_an_envelope_holds_no_prose(value: dict[str, Any]) -> None:
    """No string of an envelope has a blank in it, and id, time and model are always there."""
    made = fields.envelope(value, "kind", "ours", "model", [])
    assert {"id", "object", "created", "model"} <= set(made)
    assert not any(" " in text or len(text) > 128 for text in made.values() if isinstance(text, str))
    assert type(made["created"]) is int


def test_names_of_fields_are_reported_from_a_closed_set() -> None:
    """A field whose name we do not know counts as ``other``: its name could be text."""
    dropped: list[str] = []
    fields.left_behind(
        {"known": 1, "audio": {"a": 1}, "the secret": 1, "empty": []}, frozenset({"known"}), dropped
    )
    assert dropped == ["audio", "other"]


def test_text_parts_only() -> None:
    """Of a list of parts the text parts are read, and each other part is reported."""
    dropped: list[str] = []
    parts = [
        {"type": "text", "text": "a"},
        {"type": "audio", "data": "b"},
        "c",
        {"type": "text", "text": "d"},
    ]
    assert list(fields.said("content", parts, dropped)) == [("content", "a"), ("content", "d")]
    assert dropped == ["content.part", "content.part"]


@pytest.mark.parametrize("read", [fields.mapping, fields.items, fields.text])
def test_null_is_empty_and_another_type_is_an_error(read: Any) -> None:
    """JSON's null stands for nothing; a number stands for no text, array or object."""
    assert not read(None, "it")
    with pytest.raises(UpstreamError, match="it is not"):
        read(7, "it")


@pytest.mark.parametrize("index", [-1, 2, True, "0", 0.0, None])
def test_a_choice_that_was_not_asked_for_is_an_error(index: Any) -> None:
    """Only the choices of the request are read: each has its guards."""
    with pytest.raises(UpstreamError, match="not asked for"):
        fields.choice_index({"index": index}, 2)
    assert fields.choice_index({}, 1) == 0
