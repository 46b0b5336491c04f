"""Which server answers: weights, names, failover, and the one retry before the first byte."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.errors import UpstreamError
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.router import Route, Router, Server
from proxy.upstreams.scripted import CUT, Raw, Reply, Said, Says, ScriptedUpstream

PATH = "/chat/completions"
NOWHERE = "http://127.0.0.1:1/v1"
BUSY = Raw([b"{}"], status=503, headers={})
WRONG = Raw([b"{}"], status=400, headers={})


@asynccontextmanager
async def servers(*scripts: list[Reply]) -> AsyncIterator[tuple[list[ScriptedUpstream], list[Server]]]:
    """Scripted servers and a client of each."""
    ups = [ScriptedUpstream(Says(Said(f"from {n}"))) for n in range(len(scripts))]
    made: list[Server] = []
    try:
        for up, script in zip(ups, scripts, strict=True):
            await up.__aenter__()
            up.script(*script)
            made.append(Server(OpenAIUpstream(up.url)))
        yield ups, made
    finally:
        for server in made:
            await server.client.close()
        for up in ups:
            await up.__aexit__(None, None, None)


async def ask(router: Router, *, stream: bool = True, model: str = "m") -> bytes:
    async with router.open(PATH, {"model": model, "stream": stream}, stream=stream) as answer:
        if not stream:
            return str(await answer.json()).encode()
        return b"".join([data async for data in answer.stream()])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("first", [Raw([CUT]), Raw([0.05, CUT])])
async def test_one_retry_before_the_first_byte(stream: bool, first: Reply) -> None:
    """A server that hangs up before it has said anything is asked once more, and only once."""
    async with servers([first], [first, first]) as (ups, (once, twice)):
        assert b"from" in b"".join([await ask(Router(default=once), stream=stream)]) or stream
        assert len(ups[0].received) == 2
        with pytest.raises(UpstreamError):
            await ask(Router(default=twice), stream=stream)
        assert len(ups[1].received) == 2


async def test_no_retry_after_the_first_byte() -> None:
    """An answer of which something has come is never begun again."""
    async with servers([Raw([b"data: {", CUT])]) as (ups, (server,)):
        with pytest.raises(UpstreamError):
            await ask(Router(default=server))
        assert len(ups[0].received) == 1


async def test_a_refusal_is_not_asked_for_twice() -> None:
    """A request that a server finds wrong is wrong; one that is busy is not pressed."""
    for reply in (WRONG, BUSY):
        async with servers([reply]) as (ups, (server,)):
            with pytest.raises(UpstreamError):
                await ask(Router(default=server))
            assert len(ups[0].received) == 1


async def test_failover() -> None:
    """Where a server is busy or gone the next one answers; a wrong request stays wrong."""
    async with servers([BUSY, WRONG], []) as (ups, (first, second)):
        gone = Server(OpenAIUpstream(NOWHERE), weight=1)
        second.weight = 0
        router = Router({"m": Route((first, second))})
        assert b"1" in await ask(router)
        with pytest.raises(UpstreamError) as error:
            await ask(router)
        assert error.value.status == 400
        assert b"1" in await ask(Router({"m": Route((gone, second))}))
        assert len(ups[1].received) == 2
        await gone.client.close()


async def test_a_server_that_is_gone_rests() -> None:
    """After a failed connection a server is asked last for a while."""
    now = [100.0]
    async with servers([], []) as (_ups, (server, _)):
        gone = Server(OpenAIUpstream(NOWHERE), weight=1000)
        server.weight = 0
        router = Router({"m": Route((gone, server))}, clock=lambda: now[0])
        await ask(router)
        assert gone.resting_until > 100
        assert router._order("m")[0] is server
        now[0] = 200.0
        assert router._order("m")[0] is gone
        await gone.client.close()


def test_weights() -> None:
    """Requests are shared by weight; a server of weight 0 is a reserve."""
    heavy, light, none = (Server(OpenAIUpstream(NOWHERE), str(w), w) for w in (9, 3, 0))
    router = Router({"m": Route((none, light, heavy))}, chance=random.Random(7))
    first = Counter(router._order("m")[0].model for _ in range(4000))
    assert 2.6 < first["9"] / first["3"] < 3.4
    assert "0" not in first
    assert all(router._order("m")[-1] is none for _ in range(20))


async def test_names_and_roles() -> None:
    """A model has other names; who may not ask for it does not see it; the server gets its own name."""
    async with servers([], []) as (ups, (server, other)):
        server.model = "real"
        route = Route((server,), ("alias",), frozenset({"staff"}))
        router = Router({"m": route}, other)
        await ask(router, model="alias")
        assert ups[0].received[0].body["model"] == "real"
        assert router.serves("alias", "staff")
        assert not router.serves("m", "public")
        assert router.serves("anything", "public")
        assert await router.models("staff") == ("m", "alias", "scripted")
        assert await router.models("public") == ("scripted",)
        await ask(router, model="else")
        assert ups[1].received[-1].body["model"] == "else"
        alone = Router({"m": route})
        assert not alone.serves("else", "staff")
        with pytest.raises(UpstreamError):
            await ask(alone, model="else")
        await router.close()
