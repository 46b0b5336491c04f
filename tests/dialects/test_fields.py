"""The closed syntax: nothing that could be prose gets through it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects import fields
from proxy.errors import UpstreamError
from tests.dialects.driving import IDS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


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
def test_an_envelope_holds_nothing_of_the_servers_own(value: dict[str, Any]) -> None:
    """Whatever stands there: the id and the name are ours, the rest a number, a word we know, a hash."""
    made = fields.envelope(value, "kind", IDS, "model", [])
    assert (made.pop("id"), made.pop("object"), made.pop("model")) == ("ours", "kind", "model")
    assert type(made.pop("created")) is int
    assert made.pop("service_tier", "auto") in ("auto", "default", "flex", "priority", "scale", "standard")
    assert re.fullmatch("fp_[0-9a-f]{10}", made.pop("system_fingerprint", "fp_0123456789"))
    assert made == {}


def test_a_fingerprint_tells_only_whether_it_is_the_same() -> None:
    """Another one where the server's is another; what is none is reported."""
    made = [fields.envelope({"system_fingerprint": given}, "kind", IDS, "m", []) for given in ("a", "b", "a")]
    one, two, three = (each["system_fingerprint"] for each in made)
    assert one == three != two
    dropped: list[str] = []
    assert "system_fingerprint" not in fields.envelope({"system_fingerprint": 7}, "kind", IDS, "m", dropped)
    assert dropped == ["system_fingerprint"]


@pytest.mark.parametrize("version", ["2024-08-06", "20240806", "0613", "2407", "001", "v2", "v12"])
def test_a_version_of_the_model_is_named(version: str) -> None:
    """A date or a number behind the name that was asked for is passed on."""
    assert fields.model_name(f"org/m-{version}", "org/m", []) == f"org/m-{version}"


@pytest.mark.parametrize(
    "given", ["other", "m", "org/m-mini", "org/m-2024-08-06-x", "org/m-12345", "org/m-v٣", "org/m:secret"]
)
def test_another_name_of_the_model_is_not_said(given: str) -> None:
    """Where the server calls the model otherwise the caller reads what it asked for; nothing is amiss."""
    dropped: list[str] = []
    assert fields.model_name(given, "org/m", dropped) == "org/m"
    assert dropped == (["model"] if "٣" in given else [])


@pytest.mark.parametrize("given", [7, ["org/m"], "two words", "a" * 257], ids=str)
def test_what_is_no_name_of_a_model_is_reported(given: object) -> None:
    """What stands there and is no name stays behind and is named."""
    dropped: list[str] = []
    assert fields.model_name(given, "org/m", dropped) == "org/m"
    assert dropped == ["model"]


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
