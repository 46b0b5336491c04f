"""What the checks of requests share: fields, and the words in a body."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects import asking
from proxy.errors import RequestError

SECRET = "the secret is 12345"


@pytest.mark.parametrize(
    "check",
    [
        lambda: asking.object_body([SECRET]),
        lambda: asking.model({"model": [SECRET]}),
        lambda: asking.model({"model": SECRET * 99}),
        lambda: asking.flag({"stream": SECRET}, "stream"),
        lambda: asking.mapping({"text": SECRET}, "text"),
        lambda: asking.number({"n": SECRET}, "n"),
        lambda: asking.number({"n": 129}, "n"),
        lambda: asking.number({"n": True}, "n"),
    ],
)
def test_a_refusal_repeats_nothing(check: Any) -> None:
    """A wrong field is named; what stood in it is not."""
    with pytest.raises(RequestError) as error:
        check()
    assert "12345" not in str(error.value)


def test_what_is_not_there_has_its_default() -> None:
    """Fields that are absent or null are the usual ones."""
    for body in ({}, {"stream": None, "text": None, "n": None}):
        assert asking.flag(body, "stream") is False
        assert asking.mapping(body, "text") == {}
        assert asking.number(body, "n") == 1


def test_every_string_of_a_value() -> None:
    """Names and texts are found at any depth, in order; content may be a text or parts."""
    assert list(asking.strings({"a": ["b", {"c": "d"}, 1], "e": None})) == ["a", "b", "c", "d", "e"]
    parts = [{"type": "input_text", "text": "a"}, "b", {"type": "image"}]
    assert list(asking.parts(parts)) == ["a", "b"]
    assert list(asking.parts("whole")) == ["whole"]


def test_escapes_are_decoded() -> None:
    """JSON with escapes counts as it stands and decoded; other text once; empty text not at all."""
    assert asking.with_decoded(["", "plain", r'{"a": "\u4e2d"}']) == (
        "plain", r'{"a": "\u4e2d"}', '{"a": "中"}',
    )  # fmt: skip


def test_who_wants_json() -> None:
    """OpenAI's field and the names other servers have for it."""
    assert asking.wants_json({"response_format": {"type": "json_object"}})
    assert asking.wants_json({"guided_json": {}, "json_schema": {"type": "object"}})
    assert not asking.wants_json({"response_format": {"type": "text"}})
