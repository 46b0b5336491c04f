"""Sessions: what is remembered of an answer that others relay, and for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.errors import RequestError
from proxy.server import guarding
from proxy.server.app import open_house
from proxy.server.guarding import IDLE, Session, Sessions, Words, lesser_role
from proxy.server.settings import Settings
from proxy.server.state import House
from proxy.types import Caller
from tests.training import ADMIN, NOBODY, SmallIndex

CALLER = Caller("key_0", "public")
WORDS = Words("m", ())


@pytest.fixture
async def house(small_index: SmallIndex, tmp_path: Path) -> AsyncIterator[House]:
    """A house that nobody has asked anything."""
    where = Settings(index=small_index.path, upstream="http://127.0.0.1:9/v1", state=tmp_path / "s.sqlite")
    made = open_house(where, small_index.environment)
    yield made
    await made.close()


async def session(house: House, name: str = "") -> Session:
    return await house.sessions.open(house, CALLER, name, WORDS)


async def test_the_work_is_linear(house: House) -> None:
    """Each character is read once, and near the end of what has come a bounded number more."""
    text = "The quick brown fox jumps over the lazy dog. " * 100
    one = await session(house)
    for end in range(5, len(text), 5):
        await one.read([text[:end]])
    assert (
        one.exchange.guards.received == len(text[: len(text) - len(text) % 5])
        or one.exchange.guards.received > 4000
    )
    assert one.exchange.guards.received <= len(text)


async def test_the_end_of_every_beginning(house: House) -> None:
    """What a text would be if it ended here is what a guard says that reads it alone and ends."""
    text = f"Well, she said: {NOBODY} That was all, I think."
    one = await session(house)
    for end in range(1, len(text), 7):
        await one.read([text[:end]])
        (tail,) = await one.tails()
        alone = await session(house)
        await alone.read([text[:end]], final=True)
        assert one.said[0] + tail == alone.said[0]


async def test_nothing_more_is_said_after_a_block(house: House) -> None:
    """The text stays as it was let go, and has no tail."""
    one = await session(house)
    await one.read([f"Look: {ADMIN}"])
    said = one.said
    await one.read([f"Look: {ADMIN} and more"])
    assert (one.blocked, one.said, one.held, await one.tails()) == (True, said, [0], [""])


async def test_sessions_end_by_themselves(house: House) -> None:
    """An answer of which nothing more comes is recorded after a while, and forgotten."""
    now = [0.0]
    house.sessions = sessions = Sessions(lambda: now[0])
    one = await session(house, "a")
    await one.read(["Hello"])
    assert await session(house, "a") is one
    now[0] = IDLE + 1
    two = await session(house, "b")
    assert one.exchange.recorded
    assert await session(house, "a") is not one
    assert not two.exchange.recorded
    sessions.forget()
    assert two.exchange.recorded


async def test_there_are_not_too_many(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is recorded and forgotten when there are too many."""
    monkeypatch.setattr(guarding, "MOST_SESSIONS", 2)
    made = [await session(house, name) for name in "abc"]
    assert [each.exchange.recorded for each in made] == [True, False, False]


async def test_names_belong_to_a_key_and_a_role(house: House) -> None:
    """Another key, or another role, does not reach an answer by its name."""
    mine = await session(house, "a")
    for other in (Caller("key_1", "public"), Caller("key_0", "staff")):
        assert await house.sessions.open(house, other, "a", WORDS) is not mine


async def test_other_words_make_another_answer(house: House) -> None:
    """When the caller's own words change, what was read under others does not count."""
    one = await house.sessions.open(house, CALLER, "a", Words("m", ("x",)))
    assert await house.sessions.open(house, CALLER, "a", Words("m", ("x",))) is one
    assert await house.sessions.open(house, CALLER, "a", WORDS) is one
    assert await house.sessions.open(house, CALLER, "a", Words("m", ("y",))) is not one


async def test_lesser_roles(house: House) -> None:
    """Only a role that may read strictly less."""
    admin = Caller("key_0", "admin")
    assert lesser_role(house.firewall, admin, "staff").role == "staff"
    assert lesser_role(house.firewall, admin, None) is admin
    assert lesser_role(house.firewall, admin, "admin") is admin
    for caller, wanted in ((CALLER, "staff"), (admin, "other"), (admin, 7), (admin, ["staff"])):
        with pytest.raises(RequestError):
            lesser_role(house.firewall, caller, wanted)
