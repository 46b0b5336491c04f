"""The fields of streamed chat answers: what is written, what stays behind, what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects.fields import DROPPED
from proxy.errors import UpstreamError
from tests.dialects.chunks import ROLE, SECRET, chunk, say, stream
from tests.dialects.driving import drive


def test_unknown_fields_stay_behind_and_are_named() -> None:
    """No text of an unknown field is in a frame; the report names fields of a closed set only."""
    member = {"index": 0, "id": SECRET, "type": SECRET, "function": {"name": "f", SECRET: SECRET}}
    delta = ROLE | {"content": "ok", "reasoning_details": [{"text": SECRET}], SECRET: SECRET, "audio": SECRET}
    odd = chunk(
        {
            "index": 0,
            "delta": delta | {"tool_calls": [member]},
            "logprobs": {"content": [{"token": SECRET}]},
            "stop_reason": SECRET,
            "token_ids": [1, 2],
            "finish_reason": SECRET,
        },
        id=SECRET, created=SECRET, model=SECRET, system_fingerprint=SECRET, service_tier=SECRET,
        object=SECRET, usage={SECRET: SECRET}, prompt_logprobs=[SECRET], obfuscation="xxxx",
    )  # fmt: skip
    answer = stream()
    dropped = list(answer.read(odd).dropped)
    assert set(dropped) <= DROPPED | {"other"}
    assert {"reasoning_details", "other", "audio", "tool_calls.type", "logprobs"} <= set(dropped)
    assert {"stop_reason", "token_ids", "finish_reason", "created", "model", "usage"} <= set(dropped)
    frames = drive(stream(), [odd])
    assert "12345" not in str(frames)
    assert frames[-1].data["model"] == "asked"
    assert frames[-1].data["id"] == "chatcmpl-ours"
    assert frames[-1].data["choices"][0]["finish_reason"] == "length"


def test_empty_unknown_fields_are_not_reported() -> None:
    """A field that says nothing is no loss: it is not counted."""
    odd = say(ROLE | {"annotations": [], "audio": None}, stop_reason=None, logprobs=None)
    assert list(stream().read(odd | {"prompt_logprobs": None}).dropped) == []


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("stop", "stop"),
        ("tool_calls", "tool_calls"),
        ("eos_token", "stop"),
        ("MAX_TOKENS", "length"),
        ("odd", "length"),
    ],
)
def test_finish_reasons_are_those_of_openai(given: str, written: str) -> None:
    """Reasons that servers have beside OpenAI's become one of OpenAI's."""
    (frame,) = drive(stream(), [say({}, finish=given)])[-1:]
    assert frame.data["choices"][0]["finish_reason"] == written


def test_the_envelope_follows_the_upstream() -> None:
    """The envelope's known fields are passed on; a first chunk without them gets ours."""
    answer = stream()
    given = {"service_tier": "default", "created": 8.0, "model": "asked-0613"}
    (empty,) = answer.write(answer.read({"id": "", "choices": [{"delta": ROLE}]}), {})
    assert (empty.data["id"], empty.data["created"], empty.data["model"]) == ("chatcmpl-ours", 0, "asked")
    (frame,) = answer.write(answer.read(say({}, finish="stop") | given), {})
    assert {name: frame.data[name] for name in given} == given
    assert answer.write(answer.read(chunk(prompt_filter_results=[{"prompt_index": 0}])), {}) == []


def test_logprobs_pass_only_where_they_are_allowed() -> None:
    """Log-probabilities stay behind, but for a caller who was allowed to ask for them."""
    logprobs = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]}
    part = say({"content": "a"}, logprobs=logprobs)
    (frame,) = drive(stream(allow_logprobs=True), [part])
    assert frame.data["choices"][0]["logprobs"] == logprobs | {"refusal": None}
    (frame,) = drive(stream(), [part])
    assert frame.data["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "text",
        {"choices": {}},
        {"choices": ["text"]},
        chunk({"index": 1, "delta": {}}),
        chunk({"index": -1, "delta": {}}),
        chunk({"index": True, "delta": {}}),
        chunk({"index": "0", "delta": {}}),
        say({"content": 7}),
        say({"content": {"text": SECRET}}),
        say({"content": [{"type": "text", "text": 7}]}),
        say({"refusal": [SECRET]}),
        say({"tool_calls": SECRET}),
        say({"tool_calls": [SECRET]}),
        say({"tool_calls": [{"index": 128, "function": {"name": "f"}}]}),
        say({"tool_calls": [{"index": "0", "function": {"name": "f"}}]}),
        say({"tool_calls": [{"index": 0, "function": {"arguments": {"a": SECRET}}}]}),
        {"error": {"message": SECRET}},
        {"object": "error", "message": SECRET},
    ],
    ids=str,
)
def test_a_chunk_that_cannot_be_read_is_an_error(bad: Any) -> None:
    """What has another shape stops the stream, in words that hold nothing of it."""
    answer = stream()
    answer.read(say(ROLE))
    with pytest.raises(UpstreamError) as error:
        answer.read(bad)
    assert "12345" not in str(error.value)
