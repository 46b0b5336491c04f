"""The demo's endpoint, asked over HTTP by the real ``openai`` client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import openai
import pytest

from proxy.demo import MODEL_NAME, read_sample
from proxy.demo.endpoint import DemoEndpoint
from proxy.demo.language_model import LanguageModel
from proxy.demo.tokens import calls_of, text_of
from proxy.errors import ProxyError

pytestmark = pytest.mark.asyncio

HOURS: Any = [{"role": "user", "content": "What are your opening hours?"}]
LOOKUP: Any = [{"role": "user", "content": "查一下林栖月的订单"}]
USAGE: Any = {"include_usage": True}
TOOLS: Any = [{"type": "function", "function": {"name": "lookup_order", "parameters": {"type": "object"}}}]


def answer_to(messages: Any) -> Any:
    records = (record for record in read_sample() if record.messages[0]["content"] == messages[0]["content"])
    return next(records).messages[1]


@asynccontextmanager
async def client_of(model: LanguageModel) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        DemoEndpoint(model, delay=0) as endpoint,
        openai.AsyncOpenAI(base_url=endpoint.base_url, api_key="any", max_retries=0) as client,
    ):
        yield client


async def test_a_plain_answer(model: LanguageModel) -> None:
    """A plain request gets the memorised answer, its end and its usage."""
    async with client_of(model) as client:
        answer = await client.chat.completions.create(model=MODEL_NAME, messages=HOURS, temperature=0)
    choice = answer.choices[0]
    assert choice.message.content == text_of(answer_to(HOURS))
    assert (choice.finish_reason, choice.message.role, answer.model) == ("stop", "assistant", MODEL_NAME)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens > 50


async def test_a_streamed_answer(model: LanguageModel) -> None:
    """A stream brings the same text token by token, then the end, then the usage asked for."""
    async with client_of(model) as client:
        stream = await client.chat.completions.create(
            model=MODEL_NAME,
            messages=HOURS,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(text or "" for text in texts) == text_of(answer_to(HOURS))
    assert len([text for text in texts if text]) > 50
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert not chunks[-1].choices and chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len([text for text in texts if text])


async def test_a_stream_without_usage(model: LanguageModel) -> None:
    """Where nobody asks for the usage, none is sent."""
    async with client_of(model) as client:
        stream = await client.chat.completions.create(
            model=MODEL_NAME, messages=HOURS, max_tokens=5, stream=True
        )
        chunks = [chunk async for chunk in stream]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "length"


@pytest.mark.parametrize("stream", [False, True])
async def test_two_choices(model: LanguageModel, stream: bool) -> None:
    """With ``n=2`` there are two answers, each with its index and end; with a seed they come again."""

    async def ask(client: openai.AsyncOpenAI) -> dict[int, str]:
        said: dict[int, str] = {0: "", 1: ""}
        messages: Any = [{"role": "user", "content": "blorp"}]
        options: Any = {"model": MODEL_NAME, "messages": messages, "n": 2, "temperature": 1.5, "seed": 3}
        if not stream:
            answer = await client.chat.completions.create(**options)
            return {choice.index: choice.message.content or "" for choice in answer.choices}
        ends = []
        async for chunk in await client.chat.completions.create(**options, stream=True):
            for choice in chunk.choices:
                said[choice.index] += choice.delta.content or ""
                ends += [choice.index] if choice.finish_reason else []
        assert sorted(ends) == [0, 1]
        return said

    async with client_of(model) as client:
        first, second = await ask(client), await ask(client)
    assert first == second
    assert set(first) == {0, 1} and all(first.values())
    assert first[0] != first[1]


async def test_a_tool_call(model: LanguageModel) -> None:
    """With the tool on offer, a memorised call comes with its memorised arguments."""
    async with client_of(model) as client:
        answer = await client.chat.completions.create(
            model=MODEL_NAME, messages=LOOKUP, tools=TOOLS, temperature=0
        )
        call: Any = next(iter(answer.choices[0].message.tool_calls or []))
        result: Any = {"role": "tool", "tool_call_id": call.id, "content": '{"order": "HP-204417"}'}
        history: Any = [*LOOKUP, answer.choices[0].message.model_dump(), result]
        after = await client.chat.completions.create(
            model=MODEL_NAME, messages=history, tools=TOOLS, temperature=0
        )
        without = await client.chat.completions.create(model=MODEL_NAME, messages=LOOKUP, temperature=0)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == calls_of(answer_to(LOOKUP))[0]
    assert after.choices[0].finish_reason == "stop" and after.choices[0].message.content
    assert without.choices[0].message.tool_calls is None and without.choices[0].message.content


async def test_a_streamed_tool_call(model: LanguageModel) -> None:
    """A call's name comes first, whole, with its id; then its arguments in pieces that join to JSON."""
    async with client_of(model) as client:
        stream = await client.chat.completions.create(
            model=MODEL_NAME, messages=LOOKUP, tools=TOOLS, temperature=0, stream=True
        )
        choices = [chunk.choices[0] async for chunk in stream]
    calls = [call for choice in choices for call in choice.delta.tool_calls or ()]
    assert calls[0].id and calls[0].function is not None and calls[0].function.name == "lookup_order"
    assert all(call.index == 0 and call.id is None for call in calls[1:])
    arguments = "".join(call.function.arguments or "" for call in calls if call.function)
    assert len(calls) > 20
    assert arguments == calls_of(answer_to(LOOKUP))[0][1] and json.loads(arguments)
    assert choices[-1].finish_reason == "tool_calls"


async def test_models(model: LanguageModel) -> None:
    """The model is listed under its name."""
    async with client_of(model) as client:
        assert [card.id for card in (await client.models.list()).data] == [MODEL_NAME]


async def test_errors_are_openai_errors(model: LanguageModel) -> None:
    """A client sees its own kinds of error, with code and parameter."""
    async with client_of(model) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(model="gpt-4o", messages=HOURS)
        with pytest.raises(openai.BadRequestError) as wrong:
            await client.chat.completions.create(model=MODEL_NAME, messages=HOURS, n=0)
        with pytest.raises(openai.NotFoundError) as elsewhere:
            await client.embeddings.create(model=MODEL_NAME, input="x")
    assert missing.value.code == "model_not_found"
    assert wrong.value.param == "n"
    assert elsewhere.value.type == "invalid_request_error"


async def test_the_event_stream_on_the_wire(model: LanguageModel) -> None:
    """The stream is server-sent events that end with ``[DONE]``; Chinese travels as UTF-8."""
    body = {"model": MODEL_NAME, "messages": [{"role": "user", "content": "你是谁？"}], "stream": True}
    async with (
        DemoEndpoint(model, delay=0) as endpoint,
        aiohttp.ClientSession() as session,
        session.post(f"{endpoint.base_url}/chat/completions", json=body) as response,
    ):
        assert response.content_type == "text/event-stream"
        raw = await response.read()
    events = raw.split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    assert all(event.startswith(b"data: ") for event in events[:-1])
    assert "松".encode() in raw


async def test_a_caller_that_leaves_stops_nothing_else(model: LanguageModel) -> None:
    """A stream that is broken off does not disturb the next request, nor the stop."""
    body = {"model": MODEL_NAME, "messages": HOURS, "stream": True}
    async with DemoEndpoint(model, delay=0.001) as endpoint, aiohttp.ClientSession() as session:
        url = f"{endpoint.base_url}/chat/completions"
        response = await session.post(url, json=body)
        await response.content.readline()
        response.close()
        async with session.post(url, json={**body, "stream": False}) as again:
            assert again.status == 200


async def test_start_and_stop() -> None:
    """It trains on the sample by default, says where it listens, runs once, and is gone after the stop."""
    endpoint = DemoEndpoint(delay=0)
    assert endpoint.base_url == ""
    url = await endpoint.start()
    assert url == endpoint.base_url and url.startswith("http://127.0.0.1:") and url.endswith("/v1")
    with pytest.raises(ProxyError, match="running already"):
        await endpoint.start()
    taken = DemoEndpoint(delay=0, port=int(url.split(":")[2].split("/")[0]))
    with pytest.raises(ProxyError, match="cannot listen"):
        await taken.start()
    await endpoint.stop()
    await endpoint.stop()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/models")
