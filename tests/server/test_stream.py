"""The event stream's way to the caller: silence, slow readers, those who leave, and what is closed then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from proxy.server.stream import EventStream

SCOPE: dict[str, Any] = {"type": "http"}


class Caller:
    """Takes what is sent; ``stuck``: never takes an event; ``gone`` is set when it leaves."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.got: list[bytes] = []
        self.start: MutableMapping[str, Any] = {}
        self.stuck = stuck
        self.gone = asyncio.Event()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        elif self.stuck:
            await asyncio.Event().wait()
        else:
            self.got.append(message["body"])

    async def receive(self) -> MutableMapping[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Events:
    """Events with pauses between them; says whether it was closed."""

    def __init__(self, *steps: bytes | float) -> None:
        self.steps = steps
        self.closed = False
        self.taken = 0

    async def __call__(self) -> AsyncGenerator[bytes]:
        try:
            for step in self.steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    self.taken += 1
                    yield step
        finally:
            self.closed = True


async def run(events: Events, caller: Caller, *, first: Any = b"1", **settings: float) -> int:
    """The number of times that the end was told."""
    ended: list[int] = []

    async def end() -> None:
        assert events.closed or not events.taken
        ended.append(1)

    usual = {"keep_alive": 15.0, "patience": 60.0} | settings
    stream = EventStream(first, events(), {"x-a": "b"}, ended=end, **usual)
    async with asyncio.timeout(20):
        await stream(SCOPE, caller.receive, caller.send)
    return len(ended)


async def test_events_arrive_in_order() -> None:
    """The first, the others, and an empty one that ends the answer; headers say what it is."""
    caller, events = Caller(), Events(b"2", b"3")
    assert await run(events, caller) == 1
    assert caller.got == [b"1", b"2", b"3", b""]
    headers = dict(caller.start["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert (headers[b"cache-control"], headers[b"x-accel-buffering"], headers[b"x-a"]) == (
        b"no-cache", b"no", b"b",
    )  # fmt: skip
    assert events.closed


async def test_silence_is_broken_by_comments() -> None:
    """While nothing can be sent comments go out, before the first event too."""
    caller = Caller()
    await run(Events(0.3, b"2"), caller, keep_alive=0.05)
    assert caller.got[0] == b"1"
    comments = [data for data in caller.got if data.startswith(b":")]
    assert len(comments) >= 2
    assert [data for data in caller.got if not data.startswith(b":")] == [b"1", b"2", b""]

    async def late() -> bytes:
        await asyncio.sleep(0.2)
        return b"1"

    caller = Caller()
    await run(Events(), caller, first=asyncio.ensure_future(late()), keep_alive=0.05)
    assert caller.got[0].startswith(b":")
    assert caller.got[-2:] == [b"1", b""]


async def test_who_leaves_closes_the_events() -> None:
    """When the caller leaves nothing more is asked for, and the end is told once."""
    caller, events = Caller(), Events(b"2", 30.0, b"3")
    asyncio.get_running_loop().call_later(0.1, caller.gone.set)
    assert await run(events, caller) == 1
    assert events.closed
    assert events.taken == 1


async def test_who_does_not_read_is_left() -> None:
    """An event that is not taken for too long ends the answer; no other was asked for meanwhile."""
    caller, events = Caller(stuck=True), Events(b"2", b"3")
    assert await run(events, caller, keep_alive=0.05, patience=0.2) == 1
    assert events.taken == 0


async def test_a_failure_is_not_swallowed() -> None:
    """What breaks the events is raised, after all has been closed; a broken connection is no failure."""

    async def broken() -> bytes:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await run(Events(), Caller(), first=asyncio.ensure_future(broken()))
    caller = Caller()

    async def refuse(message: MutableMapping[str, Any]) -> None:
        raise OSError("gone")

    caller.send = refuse  # type: ignore[method-assign]
    assert await run(Events(), caller) == 1


async def test_a_cancelled_answer_closes_everything() -> None:
    """When the server gives up, the events are closed and the end is told."""
    caller, events, told = Caller(), Events(30.0), asyncio.Event()

    async def end() -> None:
        told.set()

    stream = EventStream(b"1", events(), {}, keep_alive=15.0, patience=60.0, ended=end)
    task = asyncio.ensure_future(stream(SCOPE, caller.receive, caller.send))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told.is_set()
    assert events.closed
