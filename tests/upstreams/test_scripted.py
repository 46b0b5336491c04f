"""The scripted server: it says what it was told, streamed and whole, and notes what it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
import pytest

from proxy.sse import SseParser
from proxy.upstreams.scripted import CUT, STALL, Raw, Said, Says, ScriptedUpstream

CHAT = "/chat/completions"


async def post(up: ScriptedUpstream, **body: Any) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.post(up.url + CHAT, json=body) as response:
        return response.status, await response.read()


def events(data: bytes) -> list[Any]:
    parser = SseParser()
    texts = [event.data for event in parser.feed(data) + parser.finish()]
    return [text if text == "[DONE]" else orjson.loads(text) for text in texts]


async def test_a_text_is_cut_into_pieces() -> None:
    """A streamed text comes in pieces of the length asked for, between the role and the finish."""
    async with ScriptedUpstream() as up:
        up.script(Says(Said("Hello 中文", reasoning="Hm"), cut=4))
        status, data = await post(up, stream=True, model="m")
    assert status == 200
    *chunks, done = events(data)
    assert done == "[DONE]"
    said = [(c["choices"][0]["delta"], c["choices"][0]["finish_reason"]) for c in chunks]
    assert said == [
        ({"role": "assistant", "content": ""}, None),
        ({"reasoning_content": "Hm"}, None),
        ({"content": "Hell"}, None),
        ({"content": "o 中文"}, None),
        ({}, "stop"),
    ]
    assert {c["model"] for c in chunks} == {"m"}


async def test_choices_take_turns() -> None:
    """Several choices come mixed, each to its own end, and then the usage."""
    async with ScriptedUpstream() as up:
        up.script(Says(Said("ab"), Said("c", finish="length"), cut=1, usage=True, done=False))
        _, data = await post(up, stream=True, n=2)
    chunks = events(data)
    turns = [(c["choices"][0]["index"], c["choices"][0]["delta"].get("content")) for c in chunks[:-1]]
    assert turns == [(0, ""), (1, ""), (0, "a"), (1, "c"), (0, "b"), (1, None), (0, None)]
    assert chunks[-1]["usage"] == {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}


async def test_the_same_answer_whole() -> None:
    """Without ``stream`` the same script gives one body."""
    said = Said("Hello", reasoning="Hm", refusal="No", calls=[("f", "{}")], finish="tool_calls")
    async with ScriptedUpstream() as up:
        up.script(Says(said, usage=True))
        _, data = await post(up)
    body = orjson.loads(data)
    call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert body["choices"][0]["message"] == {
        "role": "assistant", "content": "Hello", "reasoning_content": "Hm", "refusal": "No",
        "tool_calls": [call],
    }  # fmt: skip
    assert body["usage"]["completion_tokens"] == 7


async def test_calls_come_in_pieces() -> None:
    """A streamed call has its head first, then its arguments."""
    async with ScriptedUpstream() as up:
        up.script(Says(Said(calls=[("f", "{}")], finish=None), cut=1))
        _, data = await post(up, stream=True)
    calls = [c["choices"][0]["delta"].get("tool_calls") for c in events(data)[1:-1]]
    assert [call[0]["function"] for call in calls] == [
        {"name": "f", "arguments": ""}, {"arguments": "{"}, {"arguments": "}"},
    ]  # fmt: skip


async def test_what_was_asked_is_noted() -> None:
    """Method, path, headers and body of each request are kept."""
    async with ScriptedUpstream(Says(Said("x"))) as up:
        await post(up, model="m")
        (received,) = up.received
    assert (received.method, received.path, received.body) == ("POST", "/v1" + CHAT, {"model": "m"})
    assert received.headers["Content-Type"] == "application/json"
    assert not received.left.is_set()


async def test_replies_in_turn_then_the_other_one() -> None:
    """The script is read once; after it the standing reply answers, which may look at the request."""

    def echo(body: Mapping[str, Any]) -> Raw:
        return Raw([orjson.dumps(body["model"])])

    async with ScriptedUpstream(echo) as up:
        up.script(Raw([b"a", b"b"], status=418))
        assert await post(up, model="m") == (418, b"ab")
        assert await post(up, model="m") == (200, b'"m"')
    async with ScriptedUpstream() as up:
        assert (await post(up))[0] == 500


async def test_a_cut_breaks_the_connection() -> None:
    """After a cut the client sees a broken answer, not an end."""
    async with ScriptedUpstream() as up:
        up.script(Raw([b"data: {", CUT]))
        with pytest.raises(aiohttp.ClientError):
            await post(up)


async def test_a_stall_lasts_until_the_client_leaves() -> None:
    """A stalled answer ends when its client goes, and that is noted."""
    async with ScriptedUpstream() as up:
        up.script(Raw([b"data: {", 0.0, STALL]))
        async with aiohttp.ClientSession() as session:
            response = await session.post(up.url + CHAT, json={})
            assert await response.content.readany() == b"data: {"
            assert not up.received[0].left.is_set()
            response.close()
            await up.received[0].left.wait()


async def test_models_are_listed() -> None:
    """The list of models has the names that were set."""
    async with ScriptedUpstream() as up, aiohttp.ClientSession() as session:
        up.models = ("a", "b")
        async with session.get(up.url + "/models") as response:
            assert [model["id"] for model in (await response.json())["data"]] == ["a", "b"]
