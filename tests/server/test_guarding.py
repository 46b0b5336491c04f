"""Sessions of answers that others relay: what they read, what they keep, and what is recorded of them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.server.app import open_house
from proxy.server.guard_work import SCAN_TIME, Bounds, Work
from proxy.server.guarding import Session, Words
from proxy.server.relay import GuardFault
from proxy.server.settings import Settings
from proxy.server.state import House
from proxy.types import Caller, Decision
from tests.training import ADMIN, NOBODY, NOBODY_ZH, SmallIndex

CALLER = Caller("key_0", "public")
WORDS = Words("m", ())


@pytest.fixture
async def house(small_index: SmallIndex, tmp_path: Path) -> AsyncIterator[House]:
    """A house that nobody has asked anything."""
    where = Settings(index=small_index.path, upstream="http://127.0.0.1:9/v1", state=tmp_path / "s.sqlite")
    made = open_house(where, small_index.environment)
    yield made
    await made.close()


@pytest.fixture
def recorded(house: House, monkeypatch: pytest.MonkeyPatch) -> list[Decision]:
    """The decisions that are recorded from now on."""
    found: list[Decision] = []
    record = house.record

    def note(decision: Decision, *rest: Any) -> None:
        found.append(decision)
        record(decision, *rest)

    monkeypatch.setattr(house, "record", note)
    return found


async def begun(house: House, words: Words = WORDS) -> Session:
    session = Session(house, CALLER)
    await session.begin(words)
    return session


def work(seconds: float = 60.0) -> Work:
    return Work(Bounds(seconds=seconds))


async def test_the_work_is_linear(house: House) -> None:
    """Each character is read once, however often the text is sent."""
    text = "The quick brown fox jumps over the lazy dog. " * 100
    one = await begun(house)
    for end in range(5, len(text), 5):
        await one.read([text[:end]], work())
        await one.read([text[:end]], work())
    assert one.exchange.guards.received == len(text[:end])


async def test_the_end_of_every_beginning(house: House) -> None:
    """What a text would be if it ended here is what a guard says that reads it alone and ends."""
    text = f"Well, she said: {NOBODY} That was all, I think."
    one = await begun(house)
    for end in range(1, len(text), 7):
        now = [text[:end]]
        await one.read(now, work())
        (tail,) = await one.tails(now, work())
        alone = await begun(house)
        await alone.read(now, work(), final=True)
        assert one.said(now)[0] + tail == alone.said(now)[0]


async def test_what_has_left_is_made_again_from_the_text(house: House) -> None:
    """With masks, whatever the steps: the same as one whole reading, and it only grows."""
    text = f"First {NOBODY} then, {'after many other words, ' * 30} {NOBODY_ZH} and the end of it."
    alone = await begun(house)
    await alone.read([text], work(), final=True)
    for step in (1, 5, 33, 128, 400):
        one, said = await begun(house), ""
        for end in (*range(step, len(text), step), len(text)):
            await one.read([text[:end]], work(), final=end == len(text))
            assert one.said([text[:end]])[0].startswith(said)
            said = one.said([text[:end]])[0]
        assert said == alone.said([text])[0]
        assert said.count("[REDACTED]") == 2


def texts_within(thing: object) -> list[str]:
    """Every string that an object reaches, but for modules, classes and functions."""
    found: dict[int, str] = {}
    seen: set[int] = set()
    waiting = [thing]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type) or callable(each):
            continue
        seen.add(id(each))
        if isinstance(each, str):
            found[id(each)] = each
        waiting += gc.get_referents(each)
    return list(found.values())


async def test_a_session_keeps_no_text(house: House) -> None:
    """Before, it kept each text twice: 20 streams of 8 MB took 122 MB. Now it keeps lengths and a hash."""
    text = " ".join(f"word{number} stands here" for number in range(2_000))
    one = await begun(house)
    for end in (100, len(text) // 2, len(text)):
        await one.read([text[:end]], work())
    mine = {name: getattr(one, name) for name in one.__dict__ if name not in ("_house", "_exchange")}
    assert max(map(len, texts_within(list(mine.values())))) < 100
    guards = one.exchange.guards
    own = {name: value for name, value in guards.__dict__.items() if name not in ("_firewall", "_view")}
    kept = [each for each in texts_within(list(own.values())) if "stands here" in each]
    assert sum(map(len, kept)) < 8_000 < len(text)


async def test_nothing_more_is_said_after_a_block(house: House) -> None:
    """The text stays as it was let go, and has no tail."""
    one = await begun(house)
    first, more = [f"Look: {ADMIN}"], [f"Look: {ADMIN} and more"]
    await one.read(first, work())
    said = one.said(first)
    await one.read(more, work())
    assert (one.blocked, one.said(more), one.held) == (True, said, [0])
    assert await one.tails(more, work()) == [""]


async def test_another_text_is_another_answer(house: House, recorded: list[Decision]) -> None:
    """Texts that do not go on are recorded each: before, 242 of 245 asked pieces counted as one "passed"."""
    one = await begun(house)
    for number in range(5):
        await one.read([f"Order {number} of the day"], work(), final=True)
        await one.read([f"Look, {number}: {ADMIN}"], work(), final=True)
    one.record()
    assert [each.outcome for each in recorded] == ["passed", "blocked"] * 5
    assert len({each.incident for each in recorded}) == 10


async def test_outcomes_are_told_truthfully(house: House, recorded: list[Decision]) -> None:
    """Undecided text is "held", not "passed"; a tail that would be masked is "redacted"."""
    half = f"Look: {ADMIN[:20]}"
    for texts, final, tails in (
        ([half], False, False), ([half], True, False), ([half], False, True), (["Hello."], False, False),
        ([f"x {NOBODY}"], True, False), ([f"x {ADMIN}"], False, True), ([f"x {NOBODY}"], False, True),
    ):  # fmt: skip
        one = await begun(house)
        await one.read(texts, work(), final=final)
        if tails:
            await one.tails(texts, work())
        one.record()
    only_words = await begun(house, Words("m", ("Hi",)))
    only_words.record()
    only_words.record()  # once is enough
    assert [each.outcome for each in recorded] == [
        "held", "passed", "passed", "passed", "redacted", "blocked", "redacted", "cancelled",
    ]  # fmt: skip


async def test_new_texts_are_those_that_count(house: House) -> None:
    """A text that goes on is known; another one, more of them, and calls with other arguments are new."""
    one = await begun(house)
    assert one.new_texts(WORDS, ["a", "b"], ()) == 2
    await one.read(["a", "b"], work())
    assert one.new_texts(WORDS, ["a", "b"], ()) == 0
    assert one.new_texts(WORDS, ["a and more", "b", "c"], ()) == 1
    assert one.new_texts(WORDS, ["x", "b"], ()) == 2
    assert one.new_texts(WORDS, ["a"], ()) == 1
    assert one.new_texts(Words("m", ("other words",)), ["a", "b"], ()) == 2
    assert one.new_texts(WORDS, ["a", "b"], [("f", "1"), ("f", "1"), ("f", "2")]) == 3
    assert await one.calls([("f", "1")], work())
    assert one.new_texts(WORDS, ["a", "b"], [("f", "1"), ("f", "2")]) == 1
    assert one.new_texts(WORDS, ["a", "b"], [("f", "1 and more")]) == 0
    assert one.new_texts(WORDS, ["a", "b"], [("f", "2")]) == 1
    assert one.new_texts(WORDS, ["a", "b"], [("g", "1")]) == 1


async def test_calls_that_grow_are_read_again(house: House) -> None:
    """A call that was let go is not read again as it is; with more arguments it is, and may be stopped."""
    one = await begun(house)
    await one.read([], work())
    begun_call = ("find", f'{{"q": "{ADMIN[:20]}')
    assert await one.calls([begun_call], work())
    assert await one.calls([begun_call], work(0.0))  # nothing is scanned
    assert not await one.calls([("find", f'{{"q": "{ADMIN}"}}')], work())
    assert one.blocked


async def test_an_error_of_ours_is_a_fault(
    house: House, recorded: list[Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops the answer as a failing scanner does, and is not recorded as anything better."""
    one = await begun(house)

    async def fail(*_arguments: Any) -> Any:
        raise RuntimeError("with text")

    monkeypatch.setattr(one.exchange.guards, "feed", fail)
    for _ in range(2):
        with pytest.raises(GuardFault, match="relay"):
            await one.read(["Hello"], work())
    one.record()
    assert [(each.outcome, each.extra["fault"]) for each in recorded] == [("fault", "relay")]


async def test_time_that_is_up_stops_the_answer_for_good(house: House, recorded: list[Decision]) -> None:
    """No later call of the stream lets anything go, or costs anything; it is a fault, not "passed"."""
    text = "Nothing of interest, said in many words. " * 40
    one = await begun(house)
    for now, seconds in ((text, 0.0), (text, 60.0), (text + "more", 60.0)):
        with pytest.raises(GuardFault, match=SCAN_TIME):
            await one.read([now], work(seconds))
    assert one.exchange.guards.received < len(text)
    one.record()
    assert [(each.outcome, each.extra["fault"]) for each in recorded] == [("fault", SCAN_TIME)]


async def test_time_is_up_between_parts_of_a_tail_and_of_calls(house: House) -> None:
    """All scanning of a call counts: tails and calls too."""
    one = await begun(house)
    now = [f"Look: {ADMIN[:20]}"]
    await one.read(now, work())
    with pytest.raises(GuardFault, match=SCAN_TIME):
        await one.tails(now, work(0.0))
    one = await begun(house)
    with pytest.raises(GuardFault, match=SCAN_TIME):
        await one.calls([("find", '{"q": "x"}')], work(0.0))


async def test_a_call_that_is_cancelled(house: House, recorded: list[Decision]) -> None:
    """It ends between two parts, is not "passed", and the next call goes on from there."""
    text = f"{'Words and words. ' * 200}{NOBODY} The end."
    one = await begun(house)
    task = asyncio.ensure_future(one.read([text], work()))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 < one.exchange.guards.received < len(text)
    left = await begun(house)
    left_task = asyncio.ensure_future(left.read([text], work()))
    await asyncio.sleep(0)
    left_task.cancel()
    await asyncio.gather(left_task, return_exceptions=True)
    left.record()
    assert recorded[-1].outcome == "cancelled"
    await one.read([text], work(), final=True)
    alone = await begun(house)
    await alone.read([text], work(), final=True)
    assert one.said([text]) == alone.said([text])
    assert one.exchange.guards.received == len(text)


async def test_a_call_that_is_cancelled_within_a_part(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not known how much was read, the text is read again from its beginning."""
    text = f"Look: {NOBODY} The end."
    one = await begun(house)
    await one.read([text[:30]], work())
    feed, stuck = one.exchange.guards.feed, asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        reading = await feed(*arguments)
        await stuck.wait()
        return reading

    monkeypatch.setattr(one.exchange.guards, "feed", slow)
    task = asyncio.ensure_future(one.read([text], work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await one.read([text], work(), final=True)
    alone = await begun(house)
    await alone.read([text], work(), final=True)
    assert one.said([text]) == alone.said([text])
    assert one.exchange.guards.received == len(text)
