"""The answers of text completions, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import Completion

from proxy.errors import UpstreamError
from proxy.types import Cleared
from tests.dialects.test_completions import ask

SECRET = "the secret is 12345"
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
SPELT = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"b": -1.0}], "text_offset": [0]}


def choice(text: str, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    made = {"index": index, "text": text, "finish_reason": finish, "logprobs": None} | more
    return {"id": SECRET, "object": "text_completion", "created": 1, "model": "m", "choices": [made]}


def test_a_whole_answer() -> None:
    """Known fields and cleared text come back; the client's own model reads it."""
    body = choice("Hello", finish="stop", logprobs=SPELT) | {"usage": USAGE, "note": SECRET}
    answer = ask(allow_logprobs=True, logprobs=1).whole(body, "ours", "Stopped.")
    made = answer.write({(0, d.channel): Cleared(d.text) for d in answer.deltas})
    assert (made["choices"][0]["text"], made["choices"][0]["logprobs"]) == ("Hello", SPELT)
    assert (made["usage"], made["id"]) == (USAGE, "cmpl-ours")
    assert Completion.model_validate(made).choices[0].finish_reason == "stop"
    assert "12345" not in str(made)
    assert answer.dropped == ["other"]


def test_logprobs_stay_behind_where_they_are_not_allowed() -> None:
    """A server that sends them unasked is not heard."""
    answer = ask().whole(choice("a", logprobs=SPELT), "ours", "Stopped.")
    assert answer.write({(0, "text"): Cleared("a")})["choices"][0]["logprobs"] is None
    assert answer.dropped == ["logprobs"]


def test_a_block_of_a_whole_answer() -> None:
    """What was let go, the reason, and a refusal beside it."""
    answer = ask(n=2).whole(
        {"choices": [choice(SECRET, n)["choices"][0] for n in (0, 1)]}, "ours", "Stopped."
    )
    first, second = answer.write({(0, "text"): Cleared("the"), (1, "text"): Cleared("fine")}, {0: "inc_1"})[
        "choices"
    ]
    assert (first["text"], first["finish_reason"]) == ("the", "content_filter")
    assert first["refusal"] == "Stopped. (incident inc_1)"
    assert second["text"] == "fine"


def test_a_streamed_answer() -> None:
    """Text as it is let go, then the finish with the held tail; after the finish nothing."""
    answer = ask(stream=True, stream_options={"include_usage": True}).streamed("ours", "Stopped.")
    reading = answer.read(choice("Hello"))
    assert answer.write(reading, {}) == []
    reading = answer.read(choice("", finish="length"))
    assert reading.ended == [(0, "text")]
    (frame,) = answer.write(reading, {(0, "text"): Cleared("Hello")})
    assert (frame.data["choices"][0]["text"], frame.data["choices"][0]["finish_reason"]) == (
        "Hello",
        "length",
    )
    assert answer.read(choice(SECRET)).dropped == ["after_finish"]
    counts = {"choices": [], "usage": {"total_tokens": 3}}
    (frame,) = answer.write(answer.read(counts), {})
    assert (frame.data["usage"], frame.data["id"]) == ({"total_tokens": 3}, "cmpl-ours")


def test_counts_that_nobody_asked_for() -> None:
    """Without include_usage there is no chunk with counts alone."""
    answer = ask(stream=True).streamed("ours", "Stopped.")
    assert answer.write(answer.read({"choices": [], "usage": {"total_tokens": 3}}), {}) == []


def test_a_block_of_a_streamed_answer() -> None:
    """The answer is over when its last choice is blocked."""
    answer = ask(stream=True).streamed("ours", "Stopped.")
    (frame,) = answer.write(answer.read(choice(SECRET)), {(0, "text"): Cleared("the")}, {0: "inc_1"})
    assert frame.data["choices"][0]["finish_reason"] == "content_filter"
    assert answer.over
    with pytest.raises(ValueError, match="over"):
        answer.write(None, {(0, "text"): Cleared("more")})


def test_a_stream_that_ends_early() -> None:
    """Its channels end, its text comes out, and no finish is made up."""
    answer = ask(stream=True).streamed("ours", "Stopped.")
    answer.write(answer.read(choice("Hello")), {})
    reading = answer.cut()
    (frame,) = answer.write(reading, {(0, "text"): Cleared("Hello")})
    assert frame.data["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize(
    "bad",
    [None, {}, {"choices": [7]}, choice("a", 1), {"error": {"message": SECRET}}, choice(7)],  # type: ignore[arg-type]
)
def test_a_body_that_cannot_be_read(bad: object) -> None:
    """Another shape is an error in our words."""
    with pytest.raises(UpstreamError) as error:
        ask().whole(bad, "ours", "Stopped.")
    assert "12345" not in str(error.value)
