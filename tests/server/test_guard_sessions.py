"""Named streams: they meet nobody else's, are bounded in number and bytes, and go on or fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.errors import RequestError
from proxy.server.app import open_house
from proxy.server.guard_sessions import IDLE, Caps, Sessions
from proxy.server.guard_work import Bounds, Work
from proxy.server.guarding import Session, Words
from proxy.server.settings import Settings
from proxy.server.state import House
from proxy.types import Caller
from tests.training import ADMIN, SmallIndex

CALLER = Caller("key_0", "public")
WORDS = Words("m", ())


@pytest.fixture
async def house(small_index: SmallIndex, tmp_path: Path) -> AsyncIterator[House]:
    """A house that nobody has asked anything."""
    where = Settings(index=small_index.path, upstream="http://127.0.0.1:9/v1", state=tmp_path / "s.sqlite")
    made = open_house(where, small_index.environment)
    yield made
    await made.close()


async def read(
    house: House, name: str, text: str = "Hello", caller: Caller = CALLER, words: Words = WORDS
) -> Session:
    """One call of a stream."""
    async with house.sessions.using(house, caller, name) as session:
        await session.begin(words)
        await session.read([text], Work(Bounds()))
        return session


async def test_a_name_leads_to_its_session(house: House) -> None:
    """The same key, role and name; a call without a name never meets one."""
    first = await read(house, "a")
    assert await read(house, "a", "Hello there") is first
    assert await read(house, "b") is not first
    assert await read(house, "") is not await read(house, "")


async def test_streams_of_other_keys_and_roles_never_meet(house: House) -> None:
    """Whatever their names, and whatever the ids hold."""
    mine = await read(house, "a")
    others = [Caller("key_1", "public"), Caller("key_0", "staff"), Caller("key_0", "admin")]
    found = [await read(house, "a", caller=each) for each in others]
    assert len({id(each) for each in (mine, *found)}) == 4
    assert [each.exchange.caller.role for each in found] == ["public", "staff", "admin"]


async def test_a_stream_keeps_its_role(house: House) -> None:
    """A stream that is asked about as another role is read again as that role; the first stays as it was."""
    text = f"Look: {ADMIN}"
    assert (await read(house, "a", text)).blocked
    assert not (await read(house, "a", text, Caller("key_0", "admin"))).blocked
    assert (await read(house, "a", text + " and more")).blocked


async def test_streams_end_by_themselves(house: House) -> None:
    """A stream of which nothing more comes is recorded after a while, and forgotten."""
    now = [0.0]
    house.sessions = sessions = Sessions(lambda: now[0])
    one = await read(house, "a")
    now[0] = IDLE + 1
    two = await read(house, "b")
    assert one.exchange.recorded
    assert await read(house, "a") is not one
    assert not two.exchange.recorded
    sessions.forget()
    assert two.exchange.recorded
    assert sessions.kept == 0


async def test_an_evicted_stream_does_not_go_on(house: House) -> None:
    """The oldest is recorded and given up; what comes of it then is an error. Before, it was read anew."""
    house.sessions = Sessions(caps=Caps(sessions=2))
    made = [await read(house, name) for name in "abc"]
    assert [each.exchange.recorded for each in made] == [True, False, False]
    for _ in range(2):
        with pytest.raises(RequestError) as refused:
            await read(house, "a", "Hello there")
        assert (refused.value.status, refused.value.code) == (409, "stream_evicted")
    assert await read(house, "c", "Hello there") is made[2]
    assert await read(house, "a", caller=Caller("key_0", "staff"))  # another stream of that name is not meant


async def test_a_key_with_many_streams_does_not_push_out_others(house: House) -> None:
    """The one that takes most gives way, by number and by bytes."""
    other = Caller("key_", "public")  # comes first in every order but that of what keys take
    house.sessions = Sessions(caps=Caps(sessions=5))
    alone = await read(house, "alone", caller=other)
    for number in range(20):
        await read(house, str(number))
    assert await read(house, "alone", "Hello there", caller=other) is alone
    house.sessions = Sessions(caps=Caps(all=2_000_000))
    alone = await read(house, "alone", caller=other)
    for number in range(20):
        await read(house, str(number), words=Words("m", ("x" * 5_000,)))
    assert await read(house, "alone", "Hello there", caller=other) is alone
    assert house.sessions.kept <= 2_000_000


async def test_a_stream_in_use_is_not_evicted(house: House) -> None:
    """Where all are in use a new one is refused."""
    house.sessions = Sessions(caps=Caps(sessions=1))
    async with house.sessions.using(house, CALLER, "a") as session:
        await session.begin(WORDS)
        with pytest.raises(RequestError) as refused:
            await read(house, "b")
        assert refused.value.status == 429
        assert not session.exchange.recorded
    await read(house, "b")


async def test_a_stream_that_keeps_too_much(house: House) -> None:
    """It is refused and given up, and does not go on; the same text without a name is read."""
    house.sessions = Sessions(caps=Caps(one=1_000_000))
    words = Words("m", ("y" * 20_000,))
    with pytest.raises(RequestError) as refused:
        await read(house, "a", words=words)
    assert (refused.value.status, refused.value.code) == (413, "stream_too_large")
    assert house.sessions.kept == 0
    with pytest.raises(RequestError, match="given up"):
        await read(house, "a")
    await read(house, "", words=words)


async def test_what_is_kept_is_about_what_is_counted(house: House) -> None:
    """It grows with the caller's own words and the number of texts, and returns to nothing."""
    small = (await read(house, "a")).kept
    assert (await read(house, "b", words=Words("m", ("z" * 10_000,)))).kept >= small + 1_000_000
    async with house.sessions.using(house, CALLER, "c") as session:
        await session.begin(WORDS)
        await session.read(["Hi"] * 100, Work(Bounds()))
    assert session.kept > 50 * small
    house.sessions.forget()
    assert house.sessions.kept == 0


async def test_two_calls_of_one_stream_at_the_same_time(house: House) -> None:
    """They take turns, also where the stream is new: one session, one record, the right result for both."""
    text = f"{'Words and words. ' * 60}Look: {ADMIN}"
    found = await asyncio.gather(*(read(house, "a", text[: 200 + 60 * each]) for each in range(20)))
    assert len({id(each) for each in found}) == 1
    last = await read(house, "a", text)
    assert last.blocked
    assert last.exchange.guards.received <= len(text)


async def test_a_call_that_waits_for_a_stream_that_goes(house: House) -> None:
    """A call that was refused before it began leaves no stream behind, and the next one finds none of it."""
    entered = asyncio.Event()

    async def refused_one() -> None:
        async with house.sessions.using(house, CALLER, "a"):
            entered.set()
            await asyncio.sleep(0)
            raise RequestError("limited")

    first = asyncio.ensure_future(refused_one())
    await entered.wait()
    second = await read(house, "a")
    with pytest.raises(RequestError):
        await first
    assert await read(house, "a", "Hello there") is second


async def test_names_of_evicted_streams_are_kept_as_hashes(house: House) -> None:
    """Names come from callers."""
    house.sessions = Sessions(caps=Caps(sessions=1))
    for name in ("a secret name", "another"):
        await read(house, name)
    assert [len(mark) for mark in house.sessions._evicted] == [16]


async def test_other_words_make_another_answer(house: House) -> None:
    """When the caller's own words change, what was read under others does not count."""
    one = await read(house, "a", words=Words("m", ("x",)))
    first = one.exchange
    assert (await read(house, "a", words=Words("m", ("x",)))).exchange is first
    assert (await read(house, "a")).exchange is first
    assert (await read(house, "a", words=Words("m", ("y",)))).exchange is not first
    assert first.recorded
