"""Whole chat answers: what is read of them, and what is built again."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from proxy.dialects import chat
from proxy.dialects.chat_plain import ChatPlain
from proxy.dialects.fields import DROPPED
from proxy.dialects.shapes import CONTENT_FILTER_RESULTS, Channel
from proxy.errors import UpstreamError
from proxy.types import Cleared, Delta
from tests.dialects.driving import SEAL, unsealed

SECRET = "The secret is 12345 and it is long."


def whole(body: object, n: int = 1, *, allow_logprobs: bool = False) -> ChatPlain:
    asked = {"model": "asked", "n": n, "messages": [{"role": "user", "content": "?"}]}
    request = chat.request(asked, allow_logprobs=allow_logprobs, seal=SEAL)
    return request.whole(body, "ours", "This answer was stopped.")


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    choices = [
        {"index": index, "message": {"role": "assistant"} | message, "finish_reason": "stop"}
        for index, message in enumerate(messages)
    ]
    given = {"id": "chatcmpl-ours", "object": "chat.completion", "created": 7, "model": "asked-001"}
    return given | {"choices": choices} | fields


def let_go(answer: ChatPlain) -> dict[Channel, Cleared]:
    """The texts of an answer that no guard stops."""
    return {(delta.choice, delta.channel): Cleared(delta.text) for delta in answer.deltas}


CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "find", "arguments": '{"a": 1}'}},
    {"id": "call_b", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
    {"id": "call_c", "type": "function", "function": {"name": "stop", "arguments": ""}},
]
MESSAGES: dict[str, dict[str, Any]] = {
    "content": {"content": "Hello", "refusal": None},
    "nothing": {"content": None, "refusal": None},
    "reasoning": {"reasoning_content": "Hm", "reasoning": "Hm", "content": "Hello", "refusal": None},
    "refusal": {"content": None, "refusal": "I cannot"},
    "calls": {"content": "Let me look.", "refusal": None, "tool_calls": CALLS},
    "function": {"content": None, "refusal": None, "function_call": {"name": "f", "arguments": "{}"}},
}


@pytest.mark.parametrize("name", MESSAGES)
def test_an_answer_without_findings_is_not_changed(name: str) -> None:
    """An answer of known fields is the same after it has been read and built again, its ids sealed."""
    given = body(MESSAGES[name], usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    answer = whole(given)
    written = answer.write(let_go(answer))
    given["choices"][0]["logprobs"] = None
    assert unsealed(written) == given
    assert list(answer.dropped) == []
    ChatCompletion.model_validate(written, strict=True)


def test_the_texts_in_their_order() -> None:
    """Each choice's reasoning comes before its content, and its calls come last."""
    message = MESSAGES["reasoning"] | {"refusal": "x", "tool_calls": CALLS[:1]}
    assert list(whole(body(message, {"content": "b"}), 2).deltas) == [
        Delta(0, "reasoning_content", "Hm"), Delta(0, "reasoning", "Hm"), Delta(0, "content", "Hello"),
        Delta(0, "refusal", "x"), Delta(0, "tool:0:name", "find"), Delta(0, "tool:0:arguments", '{"a": 1}'),
        Delta(1, "content", "b"),
    ]  # fmt: skip


def test_only_cleared_text_is_written() -> None:
    """Text that no guard has let go is not in the answer, whatever the upstream's body holds."""
    given = body(MESSAGES["calls"] | {"reasoning": "Hm", "refusal": "x"})
    message = whole(given).write({(0, "content"): Cleared("safe")})["choices"][0]["message"]
    empty = {"name": "", "arguments": ""}
    assert unsealed(message) == {
        "role": "assistant", "content": "safe", "refusal": None,
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": empty},
            {"id": "call_b", "type": "custom", "custom": {"name": "", "input": ""}},
            {"id": "call_c", "type": "function", "function": empty},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("cleared", "content"), [("Let me", "Let me"), ("", None)])
def test_a_blocked_choice(cleared: str, content: str | None) -> None:
    """A blocked choice keeps what was cleared before, refuses, loses its calls; others and the usage stay."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    answer = whole(body(MESSAGES["calls"], {"content": "Hello"}, usage=usage), 2)
    texts = let_go(answer) | {(0, "content"): Cleared(cleared)}
    written = answer.write(texts, {0: "inc-1"})
    assert written["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": content,
                "refusal": "This answer was stopped. (incident inc-1)",
            },
            "logprobs": None,
            "finish_reason": "content_filter",
            "content_filter_results": CONTENT_FILTER_RESULTS,
        },
        {
            "index": 1,
            "message": {"role": "assistant", "content": "Hello", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        },
    ]
    assert written["usage"] == usage
    ChatCompletion.model_validate(written, strict=True)


def test_unknown_fields_stay_behind_and_are_named() -> None:
    """No text of an unknown field is in the answer; the report names fields of a closed set only."""
    call = {"id": SECRET, "type": SECRET, "function": {"name": "f", "arguments": "{}", SECRET: SECRET}}
    message = {"content": "ok", SECRET: SECRET, "annotations": [SECRET], "role": SECRET, "tool_calls": [call]}
    given = body(message, id=SECRET, model=SECRET, prompt_logprobs=[SECRET], usage=SECRET, object=SECRET)
    given["choices"][0] |= {"logprobs": {"content": SECRET}, "stop_reason": SECRET, "finish_reason": SECRET}
    answer = whole(given)
    assert "12345" not in str(answer.write(let_go(answer)))
    assert set(answer.dropped) <= DROPPED | {"other"}
    assert {"logprobs", "stop_reason", "annotations", "model", "other"} <= set(answer.dropped)


def test_logprobs_pass_only_where_they_are_allowed() -> None:
    """Log-probabilities of a whole answer stay behind, but for a caller who may have them."""
    given = body({"content": "a"})
    token = {"token": "a", "logprob": -0.5, "bytes": [97]}
    spelt = {"content": [token | {"top_logprobs": [token]}], "refusal": None}
    given["choices"][0]["logprobs"] = spelt
    for allowed, expected in ((True, spelt), (False, None)):
        answer = whole(given, allow_logprobs=allowed)
        assert answer.write(let_go(answer))["choices"][0]["logprobs"] == expected


@pytest.mark.parametrize(
    "bad",
    [
        None,
        SECRET,
        {},
        {"choices": None},
        {"choices": [SECRET]},
        {"error": {"message": SECRET}},
        body({"content": 7}),
        body({"content": "a"}, {"content": "b"}),
        body({"tool_calls": {}}),
        body({"tool_calls": [{"function": {"name": 7}}]}),
        body({"function_call": SECRET}),
        body() | {"choices": [{"index": 0}, {"index": 0}]},
    ],
    ids=str,
)
def test_a_body_that_cannot_be_read_is_an_error(bad: object) -> None:
    """A body of another shape is an error, in words that hold nothing of it."""
    with pytest.raises(UpstreamError) as error:
        whole(bad)
    assert "12345" not in str(error.value)
