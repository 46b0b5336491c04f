"""Providers of another kind, through the litellm library, against a scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from proxy import sse
from proxy.errors import UpstreamError
from proxy.sse import DONE, SseParser
from proxy.upstreams.litellm import LiteLLMUpstream
from proxy.upstreams.scripted import CUT, Raw, Said, Says, ScriptedUpstream

CHAT = "/chat/completions"
QUESTION = [{"role": "user", "content": "Hi"}]
pytestmark = [
    # The library's own affairs: models it warns about, sockets it leaves to the collector.
    pytest.mark.filterwarnings("ignore"),
]


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[ScriptedUpstream, LiteLLMUpstream]]:
    async with ScriptedUpstream(Says(Said("Hello 你好"), usage=True)) as up:
        yield up, LiteLLMUpstream("openai/their-model", key="sk-theirs", base_url=up.url, **settings)


async def ask(client: LiteLLMUpstream, *, stream: bool, **fields: Any) -> Any:
    body: Mapping[str, Any] = {"model": "ours", "messages": QUESTION, "stream": stream} | fields
    async with client.open(CHAT, body, stream=stream) as answer:
        await answer.begin()
        if not stream:
            return await answer.json()
        return b"".join([data async for data in answer.stream()])


async def test_a_whole_answer() -> None:
    """It comes in OpenAI's shape; the provider got its own name for the model and its own key."""
    async with served() as (up, client):
        body = await ask(client, stream=False)
        assert body["choices"][0]["message"]["content"] == "Hello 你好"
        (received,) = up.received
        assert received.body["model"] == "their-model"
        assert received.headers["Authorization"] == "Bearer sk-theirs"


async def test_a_streamed_answer() -> None:
    """It comes as events in OpenAI's shape, and ends as theirs do."""
    async with served() as (_, client):
        parser = SseParser()
        data = await ask(client, stream=True)
        events = [event.data for event in parser.feed(data)]
        chunks = [orjson.loads(each) for each in events[:-1]]
        said = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
        assert (said, events[-1]) == ("Hello 你好", "[DONE]")


@pytest.mark.parametrize(
    "fields",
    [
        {"api_base": "http://127.0.0.1:1/v1"},
        {"base_url": "http://127.0.0.1:1/v1"},
        {"api_key": "sk-stolen"},
        {"mock_response": "made up"},
        {"custom_llm_provider": "anthropic"},
        {"extra_headers": {"x": "y"}},
        {"fallbacks": ["other"]},
        {"metadata": {"a": "b"}},
    ],
)
async def test_a_caller_cannot_steer_the_library(fields: dict[str, Any]) -> None:
    """Only fields of OpenAI's API reach it: no address, no key, no made-up answer."""
    async with served() as (up, client):
        body = await ask(client, stream=False, **fields)
        assert body["choices"][0]["message"]["content"] == "Hello 你好"
        assert up.received[0].headers["Authorization"] == "Bearer sk-theirs"
        assert set(up.received[0].body) <= {"model", "messages", "stream"}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Raw([b'{"error": {"message": "the secret is 12345"}}'], status=429, headers={}), 429),
        (Raw([b'{"error": {"message": "the secret is 12345"}}'], status=401, headers={}), 502),
        (Raw([b"the secret is 12345"], status=500, headers={}), 502),
    ],
)
async def test_errors_are_in_our_words(reply: Raw, status: int, stream: bool) -> None:
    """Whatever a provider or the library says, the message is ours."""
    async with served() as (up, client):
        up.script(reply)
        with pytest.raises(UpstreamError) as error:
            await ask(client, stream=stream)
        assert "12345" not in str(error.value)
        assert error.value.status == status
        assert error.value.__cause__ is None


async def test_a_stream_that_breaks_off() -> None:
    """What had come is there, and the end is an error."""
    chunk = next(iter(Says(Said("Hello")).chunks()))
    async with served() as (up, client):
        up.script(Raw([b"data: " + orjson.dumps(chunk) + b"\n\n", 0.05, CUT]))
        with pytest.raises(UpstreamError):
            await ask(client, stream=True)


async def test_a_provider_that_is_slow() -> None:
    """Waiting has an end."""
    async with served(first_byte=0.2) as (up, client):
        up.script(Raw([b"", 5.0]))
        with pytest.raises(UpstreamError) as error:
            await ask(client, stream=False)
        assert error.value.status == 504


async def test_paths_and_models() -> None:
    """Embeddings go through it too; a path it has not is an error; its model has one name."""
    vector = {
        "object": "list",
        "data": [{"index": 0, "embedding": [0.5], "object": "embedding"}],
        "model": "m",
    }
    async with served() as (up, client):
        up.script(Raw([orjson.dumps(vector)], headers={"Content-Type": "application/json"}))
        async with client.open("/embeddings", {"model": "m", "input": "a"}, stream=False) as answer:
            await answer.begin()
            assert (await answer.json())["data"][0]["embedding"] == [0.5]
        with pytest.raises(UpstreamError):
            async with client.open("/images", {"model": "m"}, stream=False):
                pass
        assert await client.models() == ("openai/their-model",)
        await client.close()


async def test_no_chunk_is_waited_for() -> None:
    """The library gives a chunk when it is asked: letting more come is over at once, and loses none."""
    steps = [step for each in Says(Said("Hello")).chunks() for step in (sse.encode(orjson.dumps(each)), 0.02)]
    async with served() as (up, client):
        up.script(Raw([*steps, DONE]))
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        async with client.open("/chat/completions", body, stream=True) as answer, asyncio.timeout(60):
            pieces = []
            async for data in answer.stream():
                pieces.append(data)
                await answer.gather(3600)
    assert len(pieces) > 2
    assert pieces[-1] == DONE
