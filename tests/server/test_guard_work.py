"""What one call of the guard endpoints may cost, in bytes and in scanning time."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import RequestError
from proxy.guard import StreamGuard
from proxy.policy import load_policy
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.server.guard_work import PART, SCAN_TIME, Bounds, Work
from proxy.server.guarding import Words
from proxy.server.relay import GuardFault
from proxy.types import Caller
from tests.training import ADMIN, NOBODY, SmallIndex

CHANNEL = (0, "content")


@pytest.fixture
async def guards(small_index: SmallIndex) -> AnswerGuards:
    firewall = Firewall.assemble(load_policy(None), small_index.open())
    return await firewall.guards(Caller("key_0", "public"), Words("m", ()))


def test_bounds_of_a_call() -> None:
    """Counted in bytes of UTF-8; the caller's own words count too."""
    bounds = Bounds(judged=6, sent=10)
    bounds.check(["abc", "无"], ["abcd"])
    for judged, own in ((["abcd", "无"], []), (["无"], ["abcdefgh"]), (["\ud800" * 3], [])):
        with pytest.raises(RequestError, match="have more than") as refused:
            bounds.check(judged, own)
        assert (refused.value.status, refused.value.code) == (413, "request_too_large")


async def test_parts_change_nothing(guards: AnswerGuards) -> None:
    """The texts of all parts are one text, with one mask, and a block is told."""
    text = f"{'Words and words. ' * 40}{NOBODY} And on it goes."
    whole = await guards.again().feed([], ())
    assert whole.texts == {}
    reading = await Work(Bounds()).scan(guards, CHANNEL, text, end=True)
    assert reading.texts[CHANNEL].count("[REDACTED]") == 1
    assert reading.texts[CHANNEL].endswith(" And on it goes.")
    assert not reading.blocked
    blocked = await Work(Bounds()).scan(guards.again(), CHANNEL, f"{'x ' * PART}{ADMIN}", end=True)
    assert blocked.blocked == {0}


async def test_time_is_counted_over_everything_a_call_scans(guards: AnswerGuards) -> None:
    """Of several texts too; nothing is returned once it is up."""
    work = Work(Bounds(seconds=0.0))
    with pytest.raises(GuardFault, match=SCAN_TIME):
        await work.scan(guards, CHANNEL, "Hello. " * 200)
    assert guards.received == PART
    with pytest.raises(GuardFault, match=SCAN_TIME):
        await work.scan(guards.again(), CHANNEL, "Hello.")


async def test_others_have_their_turn_between_parts(guards: AnswerGuards) -> None:
    """A task that only yields runs about as often as there are parts."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(count())
    await Work(Bounds()).scan(guards, CHANNEL, "Hello. " * 400)
    task.cancel()
    assert turns >= 2800 // PART


async def test_a_guard_that_fails_stops_the_call(
    guards: AnswerGuards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a fault, by its place."""

    def fail(_guard: StreamGuard, _text: str) -> object:
        return StreamGuard._fault(_guard, "", (), "scanner")

    monkeypatch.setattr(StreamGuard, "feed", fail)
    with pytest.raises(GuardFault, match="scanner"):
        await Work(Bounds()).scan(guards, CHANNEL, "Hello.")
