"""Whole answers of many parts cost in proportion to their parts, and have the limits of streams."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from proxy.dialects import DIALECTS
from proxy.dialects.chat_calls import MOST
from proxy.dialects.responses_items import MOST as MOST_ITEMS
from proxy.errors import UpstreamError
from proxy.policy import load_policy
from proxy.server import firewall as firewall_module
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.types import Caller, Delta
from tests.serving import QUESTION
from tests.training import SmallIndex

CHAT, RESPONSES = "/chat/completions", "/responses"


@pytest.fixture(scope="module")
def firewall(small_index: SmallIndex) -> Firewall:
    return Firewall.assemble(load_policy(None), small_index.open())


async def guards(firewall: Firewall, path: str = CHAT, choices: int = 1) -> tuple[Any, AnswerGuards]:
    body = {"model": "m", "messages": QUESTION, "input": "x"} | ({"n": choices} if path == CHAT else {})
    request = DIALECTS[path](body, allow_logprobs=True)
    return request, await firewall.guards(Caller("key_0", "public"), request)


def message(index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant"} | fields, "finish_reason": "stop"}


def call(number: int) -> dict[str, Any]:
    function = {"name": f"f{number}", "arguments": '{"a": 1}'}
    return {"id": f"c{number}", "type": "function", "function": function}


def note(number: int) -> dict[str, Any]:
    return {"type": "url_citation", "url": f"http://a/{number}", "title": "T"}


def part(*notes: dict[str, Any]) -> dict[str, Any]:
    return {"type": "output_text", "text": "word", "annotations": list(notes)}


def item(number: int, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": f"m{number}", "content": list(parts)}


ANSWERS: dict[str, tuple[str, int, Callable[[int], dict[str, Any]]]] = {
    "calls in choices": (
        CHAT,
        16,
        lambda n: {
            "choices": [message(c, tool_calls=[call(i) for i in range(MOST // 16 * n)]) for c in range(16)]
        },
    ),
    "choices": (CHAT, 128, lambda n: {"choices": [message(c, content="word") for c in range(16 * n)]}),
    "parts of content": (
        CHAT,
        1,
        lambda n: {"choices": [message(content=[{"type": "text", "text": "word "}] * (300 * n))]},
    ),
    "notes of items": (
        RESPONSES,
        1,
        lambda n: {"output": [item(i, part(*map(note, range(4)))) for i in range(20 * n)]},
    ),
    "notes of parts": (
        RESPONSES,
        1,
        lambda n: {"output": [item(0, *(part(*map(note, range(4))) for _ in range(20 * n)))]},
    ),
}


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python are executed, those of comprehensions counted each time around."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", ANSWERS)
def test_the_cost_of_an_answer_is_linear(firewall: Firewall, name: str) -> None:
    """1,600 calls took a second: for each the texts of all were gone through."""
    path, choices, make = ANSWERS[name]

    async def answered(body: dict[str, Any]) -> None:
        request, made = await guards(firewall, path, choices)
        answer = request.whole(body, "id", "said")
        ended = list(dict.fromkeys((delta.choice, delta.channel) for delta in answer.deltas))
        reading = await made.whole(answer.deltas, ended)
        assert (reading.fault, reading.blocked) == ("", set())
        answer.write(reading.texts, {})

    def cost(size: int) -> int:
        body = make(size)
        return steps(lambda: asyncio.run(answered(body)))

    cost(1)  # what is made once
    small, large = cost(2), cost(8)
    assert large < 4.6 * small


@pytest.mark.parametrize("number", [MOST, MOST + 1, 1600])
def test_plain_answers_have_the_limit_of_streams(number: int) -> None:
    body = {"model": "m", "messages": QUESTION}
    calls = [call(each) for each in range(number)]
    whole = {"choices": [message(tool_calls=calls)]}
    numbered = [{"index": index, **each} for index, each in enumerate(calls)]
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": numbered}, "finish_reason": None}]}
    request = DIALECTS[CHAT](body, allow_logprobs=False)
    readings: Sequence[Callable[[], object]] = (
        lambda: request.whole(whole, "id", "said"),
        lambda: request.streamed("id", "said").read(chunk),
    )
    for read in readings:
        if number > MOST:
            with pytest.raises(UpstreamError, match="tool call"):
                read()
        else:
            read()


@pytest.mark.parametrize("number", [MOST_ITEMS, MOST_ITEMS + 1])
def test_items_beyond_the_limit_are_an_error(number: int) -> None:
    """They were left out without a word; a stream of as many was an error."""
    request = DIALECTS[RESPONSES]({"model": "m", "input": "x"}, allow_logprobs=False)
    whole = {"output": [item(each, part()) for each in range(number)]}
    stream = request.streamed("id", "said")
    added = "response.output_item.added"
    events = [{"type": added, "output_index": n, "item": each} for n, each in enumerate(whole["output"])]
    readings: Sequence[Callable[[], object]] = (
        lambda: request.whole(whole, "id", "said"),
        lambda: [stream.read(event) for event in events],
    )
    for read in readings:
        if number > MOST_ITEMS:
            with pytest.raises(UpstreamError):
                read()
        else:
            read()


async def test_an_answer_of_too_many_texts_is_a_fault(
    firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text has a guard of its own; one too many stops its choice, and nothing of it leaves."""
    monkeypatch.setattr(firewall_module, "MOST_CHANNELS", 10)
    _, made = await guards(firewall)
    for number in range(10):
        assert (await made.feed([Delta(0, f"c{number}", "word ")])).fault == ""
    reading = await made.feed([Delta(0, "c10", "word ")], [(0, "c10")])
    assert (reading.fault, reading.texts) == ("relay", {})
    assert (await made.feed([Delta(0, "c1", "more ")])).texts == {}


async def test_log_probabilities_of_a_long_answer_come_whole(firewall: Firewall) -> None:
    """Every token of a text that is let go at once, in order, with those that end in the middle of a read."""
    tokens = [f"w{number} " for number in range(3000)]
    spelt = [{"token": token, "logprob": -1.0, "top_logprobs": []} for token in tokens]
    body = {"choices": [message(content="".join(tokens)) | {"logprobs": {"content": spelt}}]}
    request, made = await guards(firewall)
    answer = request.whole(body, "id", "said")
    ended = list(dict.fromkeys((delta.choice, delta.channel) for delta in answer.deltas))
    reading = await made.whole(answer.deltas, ended)
    written = answer.write(reading.texts, {})["choices"][0]["logprobs"]["content"]
    assert [each["token"] for each in written] == tokens
