"""Answers read under limits of time and size, with every way in which they can end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from proxy.errors import UpstreamError
from proxy.upstreams.scripted import CUT, STALL, Raw, Step
from tests.upstreams.asking import BODY, CHAT, SECRET, ask, both, fault


async def test_the_bytes_come_as_they_were_sent() -> None:
    """A streamed answer gives its bytes in order, before it has ended."""
    async with both() as (up, client):
        up.script(Raw([b"data: a\n\n", b"data: \xe4\xb8", STALL]))
        async with client.open(CHAT, BODY, stream=True) as answer:
            assert answer.status == 200
            seen = b""
            async for data in answer.stream():
                seen += data
                if seen.endswith(b"\xb8"):
                    break
        assert seen == b"data: a\n\ndata: \xe4\xb8"


@pytest.mark.parametrize("pieces", [[STALL], [b"data: a\n\n", STALL]], ids=["first byte", "between pieces"])
async def test_a_stalled_answer(pieces: list[Step]) -> None:
    """An answer that stops coming is a 504, and the server is told."""
    async with both(first_byte=0.2, idle=0.05) as (up, client):
        up.script(Raw(pieces))
        error = await fault(client)
        assert (error.status, error.where) == (504, "timeout")
        await asyncio.wait_for(up.received[0].left.wait(), 5)


async def test_a_long_answer_is_not_a_slow_one() -> None:
    """An answer may take longer than the wait between two of its pieces."""
    async with both(idle=1.0) as (up, client):
        up.script(Raw([b"a", 0.4, b"b", 0.4, b"c", 0.4, b"d", 0.4, b"e"]))
        assert await ask(client) == b"abcde"


async def test_a_slow_reader_is_not_a_slow_server() -> None:
    """The time that the reader takes for itself does not count as the server's silence."""
    async with both(idle=0.05) as (up, client):
        up.script(Raw([b"a", 0.0, b"b", 0.0, b"c"]))
        async with client.open(CHAT, BODY, stream=True) as answer:
            seen = b""
            async for data in answer.stream():
                seen += data
                await asyncio.sleep(0.1)
        assert seen == b"abc"


@pytest.mark.parametrize("pieces", [[CUT], [b"data: {", CUT]], ids=["at once", "in an event"])
async def test_an_answer_that_breaks_off(pieces: list[Step]) -> None:
    """A broken connection is an error, not the end of the answer."""
    async with both() as (up, client):
        up.script(Raw(pieces))
        error = await fault(client)
        assert (error.status, error.where) == (502, "broken_off")


async def test_an_answer_above_the_limit() -> None:
    """An answer longer than the limit is an error, for the client's limit and for the reader's."""
    async with both(longest=100) as (up, client):
        up.script(Raw([b"x" * 60, b"x" * 60]), Raw([b"x" * 60]))
        assert (await fault(client)).where == "too_large"
        with pytest.raises(UpstreamError, match="more than 50 bytes"):
            async with client.open(CHAT, BODY) as answer:
                await answer.read(50)


async def test_a_whole_answer_as_json() -> None:
    """A whole answer is read as JSON; what is none is an error without its text."""
    async with both() as (up, client):
        async with client.open(CHAT, BODY | {"stream": False}) as answer:
            assert (await answer.json())["choices"][0]["message"]["content"] == "Hello"
        up.script(Raw([SECRET.encode()]))
        with pytest.raises(UpstreamError, match="not JSON") as error:
            async with client.open(CHAT, BODY) as answer:
                await answer.json()
        assert error.value.__suppress_context__


async def test_bytes_that_come_while_one_waits_are_read_together() -> None:
    """What comes between two reads is one piece; what is there already is not waited for."""
    async with both() as (up, client):
        up.script(Raw([b"a", 0.05, b"b", 0.05, b"c", 0.05, b"d", STALL]))
        async with client.open(CHAT, BODY, stream=True) as answer:
            pieces = answer.stream()
            assert await anext(pieces) == b"a"
            await answer.gather(2.0)
            assert await anext(pieces) == b"bcd"


async def test_the_end_of_an_answer_is_not_waited_for() -> None:
    """An answer that ends while one waits, or has ended before, is read on at once."""
    async with both() as (up, client):
        up.script(Raw([b"a", 0.2, b"b"]))
        async with client.open(CHAT, BODY, stream=True) as answer, asyncio.timeout(30):
            seen = []
            async for data in answer.stream():
                seen.append(data)
                await answer.gather(3600)
            await answer.gather(3600)
        assert seen == [b"a", b"b"]


async def test_waiting_for_bytes_is_no_silence_of_the_server() -> None:
    """The server's time to say more begins when it is asked, not while one lets bytes come."""
    async with both(idle=0.2) as (up, client):
        up.script(Raw([b"a", 0.6, b"b", STALL]))
        async with client.open(CHAT, BODY, stream=True) as answer:
            pieces = answer.stream()
            assert await anext(pieces) == b"a"
            await answer.gather(1.0)
            assert await anext(pieces) == b"b"
            await answer.gather(0.05)
            with pytest.raises(UpstreamError) as raised:
                await anext(pieces)
        assert raised.value.where == "timeout"


async def test_a_reader_that_is_cancelled_while_it_waits() -> None:
    """Leaving while bytes are let come ends the reader and the connection."""
    async with both() as (up, client):
        up.script(Raw([b"a", STALL]))
        waits = asyncio.Event()

        async def read() -> None:
            async with client.open(CHAT, BODY, stream=True) as answer:
                async for _ in answer.stream():
                    waits.set()
                    await answer.gather(3600)

        reading = asyncio.ensure_future(read())
        await asyncio.wait_for(waits.wait(), 30)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.wait_for(up.received[0].left.wait(), 30)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_waits_that_are_due_at_once(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """However short a wait, and however near its end a piece comes, the answer is read whole.

    On the loop that the server runs on too: its timers differ.
    """
    numbers = [b"%04d" % number for number in range(300)]
    steps = [step for number, text in enumerate(numbers) for step in (text, number % 7 / 2000)]

    async def read() -> None:
        async with both(idle=0.4) as (up, client):
            up.script(Raw(steps))
            async with client.open(CHAT, BODY, stream=True) as answer:
                seen = b""
                async for data in answer.stream():
                    seen += data
                    await answer.gather(len(seen) % 5 * 0.0004)
        assert seen == b"".join(numbers)

    run(read())
