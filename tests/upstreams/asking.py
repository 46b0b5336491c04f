"""The scripted server and a client of it, and what the tests of upstreams ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.errors import UpstreamError
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.scripted import Said, Says, ScriptedUpstream

CHAT = "/chat/completions"
BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi 中文"}]}
SECRET = "the secret is 12345"
HELLO = Says(Said("Hello"))


@asynccontextmanager
async def both(**settings: Any) -> AsyncIterator[tuple[ScriptedUpstream, OpenAIUpstream]]:
    """The scripted server and a client of it."""
    async with ScriptedUpstream(HELLO) as up:
        client = OpenAIUpstream(up.url, **settings)
        try:
            yield up, client
        finally:
            await client.close()


async def ask(client: OpenAIUpstream, *, stream: bool = True) -> bytes:
    async with client.open(CHAT, BODY, stream=stream) as answer:
        return await answer.read()


async def fault(client: OpenAIUpstream, *, stream: bool = True) -> UpstreamError:
    with pytest.raises(UpstreamError) as error:
        await ask(client, stream=stream)
    assert "12345" not in str(error.value)
    shown = error.value.__cause__ or (None if error.value.__suppress_context__ else error.value.__context__)
    assert shown is None, "no traceback shows the words of the server"
    return error.value
