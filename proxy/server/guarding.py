"""Guard an answer that others relay: they send the text so far, and get back what may leave.

Each call holds the whole text so far. A session remembers how much of it was read, by length and running
keyed hash: what was read before is not read again, so the work is linear in the answer, and a call that is
repeated, or reaches another process, has the same result. The session keeps no text of the answer; what has
left is made again from the text that the call holds.

May import: every room and this door. The invariants: texts come from guards alone; each answer is recorded
once, and a text that does not go on from the one before is another answer.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from proxy.audit import new_incident
from proxy.dialects.shapes import Channel
from proxy.server.firewall import AnswerGuards, Reading
from proxy.server.guard_work import PART, Work
from proxy.server.relay import Exchange, GuardFault, guard_fault
from proxy.types import Action, Caller

if TYPE_CHECKING:
    from proxy.dialects.shapes import PlainAnswer, StreamedAnswer
    from proxy.server.state import House

CONTENT = "content"
_WINDOW = 400
"""Characters before the held ones that are read again to see how a text would end."""

_WORD = 4000
"""A run without a blank is read again from its beginning, if that is no further away."""

_SESSION_BYTES = 4_000
_TEXT_BYTES = 100_000
_OWN_BYTES = 150
"""What a session keeps, as measured: in all, for the scanners of a text, and for each byte of the caller's
own words (the words, and the detectors' hashes of them)."""


@dataclass(frozen=True, slots=True)
class Words:
    """What stands for a request: the model, and the texts that the caller sent."""

    model: str
    own: tuple[str, ...]
    choices: int = 1
    stream: bool = False
    body: dict[str, Any] = field(default_factory=dict)

    def own_words(self, roles: Collection[str]) -> tuple[str, ...]:
        return self.own

    def is_json(self, channel: str) -> bool:
        return channel.endswith(":arguments")

    def streamed(self, answer_id: str, sentence: str) -> StreamedAnswer:
        raise ValueError("no answer is written for it")

    def whole(self, body: object, answer_id: str, sentence: str) -> PlainAnswer:
        raise ValueError("no answer is written for it")


class Running:
    """How much of a text has been read: its length, and a running keyed hash of it."""

    __slots__ = ("_hash", "_key", "length")

    def __init__(self, key: bytes) -> None:
        self.length = 0
        self._key = key
        self._hash = blake2b(key=key)

    def add(self, part: str) -> None:
        self.length += len(part)
        self._hash.update(_encoded(part))

    def goes_on(self, text: str) -> bool:
        """Whether ``text`` begins with what has been read."""
        if len(text) < self.length:
            return False
        begun = blake2b(_encoded(text[: self.length]), key=self._key)
        return secrets.compare_digest(begun.digest(), self._hash.digest())


class Session:
    """One answer: its guards, and how much of it they have read. Use it in its ``turn`` only."""

    def __init__(self, house: House, caller: Caller) -> None:
        self.turn = asyncio.Lock()
        self.used = 0.0
        self.ended = False
        self.spoilt = ""
        """Where the fault was that stopped the answer: it is stopped from then on."""
        self._house = house
        self._caller = caller
        self._key = secrets.token_bytes(32)
        self._exchange: Exchange | None = None
        self._own: bytes | None = None
        self._own_size = 0
        self._texts: list[Running] = []
        self._calls: list[tuple[bytes, Running]] = []
        """The calls that may leave: the name, hashed, and the arguments as they were read last."""
        self._unsure = False
        """A call was ended while a part was read: how much the guards have read is not known."""
        self._complete = True
        """The last call was read to its end."""
        self._whole = False
        """The last call got all that there is, with the tails."""
        self._tails_changed = False

    # --- what is known

    @property
    def begun(self) -> bool:
        return self._exchange is not None

    @property
    def exchange(self) -> Exchange:
        assert self._exchange is not None, "the session has not begun"
        return self._exchange

    @property
    def blocked(self) -> bool:
        return self._exchange is not None and bool(self._exchange.blocked)

    @property
    def kept(self) -> int:
        """The bytes that the session keeps, about."""
        texts = sum(min(_TEXT_BYTES, 20_000 + 160 * each.length) + 10 * each.length for each in self._texts)
        return _SESSION_BYTES + texts + _OWN_BYTES * self._own_size

    @property
    def held(self) -> list[int]:
        """How many characters of each text are undecided."""
        if self.ended or self.blocked:
            return [0] * len(self._texts)
        return [self._guards.held((number, CONTENT)) for number in range(len(self._texts))]

    @property
    def _guards(self) -> AnswerGuards:
        return self.exchange.guards

    def said(self, texts: Sequence[str]) -> list[str]:
        """What of each text may leave, as long as nothing more comes; ``texts`` as they were read last."""
        return [self._guards.cleared_of((n, CONTENT), text) or "" for n, text in enumerate(texts)]

    def new_texts(self, words: Words, texts: Sequence[str], calls: Sequence[tuple[str, str]]) -> int:
        """How many texts and calls are not known yet: those that count as requests.

        A call whose arguments go on is known, as a text that goes on is.
        """
        if self._other_words(words) or not self._goes_on(texts):
            return len(texts) + len(calls)
        known = sum(self._call_goes_on(number, pair) for number, pair in enumerate(calls))
        return len(texts) - len(self._texts) + len(calls) - known

    def _call_goes_on(self, number: int, pair: tuple[str, str]) -> bool:
        if number >= len(self._calls):
            return False
        name, arguments = self._calls[number]
        return name == self._hashed(pair[:1]) and arguments.goes_on(pair[1])

    def _other_words(self, words: Words) -> bool:
        return bool(words.own) and self._own != self._hashed(words.own)

    # --- reading

    async def begin(self, words: Words) -> None:
        """Make the guards, or keep them where the answer goes on. Raises GuardFault."""
        if self._exchange is not None and not self._other_words(words):
            return
        await self._make(words)
        self._own = self._hashed(words.own) if words.own else None
        self._own_size = sum(len(_encoded(each)) for each in words.own)

    async def read(self, texts: Sequence[str], work: Work, *, final: bool = False) -> None:
        """Take the texts as they are now. Raises GuardFault; the answer is stopped then."""
        if self.spoilt and self._goes_on(texts):
            raise GuardFault(self.spoilt)
        if not self._goes_on(texts):
            own = self.exchange.request.own_words(())
            await self._make(Words(self.exchange.request.model, tuple(own)))
        elif self.ended or self.blocked:
            return
        self._complete = self._whole = self._tails_changed = False
        for number, text in enumerate(texts):
            if number == len(self._texts):
                self._texts.append(Running(self._key))
            await self._feed(number, text, final, work)
        self.ended = self._whole = final
        self._complete = True

    async def calls(self, calls: Sequence[tuple[str, str]], work: Work) -> bool:
        """Whether names and arguments of calls may leave as they are: they cannot be redacted here."""
        for number, pair in enumerate(calls):
            if self._call_goes_on(number, pair) and self._calls[number][1].length == len(pair[1]):
                continue  # it was read as it is
            for part, text in zip(("name", "arguments"), pair, strict=True):
                channel = (number, f"tool:{number}:{part}")
                guards = self._guards.again()
                with self._stopping():
                    reading = await work.scan(guards, channel, text, end=True)
                if reading.blocked or guards.redacted:
                    self.exchange.guards = guards
                    self.exchange.blocked.add(number)
                    return False
            arguments = Running(self._key)
            arguments.add(pair[1])
            self._calls[number : number + 1] = [(self._hashed(pair[:1]), arguments)]
        return True

    async def tails(self, texts: Sequence[str], work: Work) -> list[str]:
        """For each text what else would leave if it ended here. Nothing that was read is changed."""
        tails = [await self._tail(number, text, work) for number, text in enumerate(texts)]
        self._whole = True
        self._tails_changed = any(len(tail) != n for tail, n in zip(tails, self.held, strict=True))
        return tails

    async def _tail(self, number: int, text: str, work: Work) -> str:
        channel = (number, CONTENT)
        held = 0 if self.ended or self.blocked else self._guards.held(channel)
        if not held:
            return ""
        released = len(text) - held
        start = _before(text, released)
        guards = self._guards.again()
        with self._stopping():
            reading = await work.scan(guards, (0, CONTENT), text[start:], end=True)
        if not reading.blocked and not _touches(guards, released - start):
            return text[released:]
        with self._stopping():
            reading = await work.scan(self._guards.again(), (0, CONTENT), text, end=True)
        whole, said = reading.texts.get((0, CONTENT), ""), self._guards.cleared_of(channel, text) or ""
        return whole[len(said) :] if not reading.blocked and whole.startswith(said) else ""

    async def _feed(self, number: int, text: str, final: bool, work: Work) -> None:
        mine = self._texts[number]
        for start in range(mine.length, len(text), PART):
            part = text[start : start + PART]
            await self._part((number, CONTENT), part, work)
            mine.add(part)
        if final:
            await self._part((number, CONTENT), None, work)

    async def _part(self, channel: Channel, text: str | None, work: Work) -> None:
        """Feed one part. Where the call is ended meanwhile, what has been read stays unknown."""
        reading = Reading()
        self._unsure = True
        with self._stopping():
            await work.part(self._guards, channel, text, reading)
        self._unsure = False
        self.exchange.blocked |= reading.blocked

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """A fault stops the answer for good: nothing that is held leaves with a later call either."""
        try:
            yield
        except Exception as error:  # fail closed: whatever raises, nothing that is held leaves
            fault = guard_fault(error)
            self._unsure = False
            self.spoilt = fault.where
            self.exchange.failed("fault", fault.where)
            raise fault from None

    # --- one answer after the other

    def record(self) -> None:
        """Record how the answer came out, once. Raises GuardFault where that cannot be written down."""
        if self._exchange is None:
            return
        exchange = self._exchange
        if exchange.outcome != "fault" and not exchange.recorded:
            exchange.ended_well()
            if exchange.outcome == "passed":
                exchange.outcome = self._outcome()
        exchange.close()

    def _outcome(self) -> str:
        """What became of an answer of which nothing was stopped."""
        if not self._complete or not (self._texts or self._calls):
            return "cancelled"  # the client left meanwhile, or only the caller's own words came
        if self._tails_changed:
            return "redacted"
        return "held" if not self._whole and any(self.held) else "passed"

    async def _make(self, words: Words) -> None:
        """Begin an answer; the one before, where there was one, is recorded."""
        house = self._house
        made = Exchange(
            incident=new_incident(),
            caller=self._caller,
            path="/guard",
            request=words,
            guards=await house.firewall.guards(self._caller, words),
            record=house.record,
        )
        self.record()
        house.opened(made)
        self._exchange = made
        self._texts, self._calls = [], []
        self.ended = self._unsure = self._whole = self._tails_changed = False
        self._complete = True
        self.spoilt = ""

    def _goes_on(self, texts: Sequence[str]) -> bool:
        """Whether the texts begin with what has been read, and nothing follows an end."""
        known = self._texts
        if self._exchange is None or self._unsure or len(texts) < len(known):
            return False
        if self.ended and [len(text) for text in texts] != [each.length for each in known]:
            return False
        return all(each.goes_on(text) for each, text in zip(known, texts, strict=False))

    def _hashed(self, texts: Sequence[str]) -> bytes:
        whole = blake2b(key=self._key)
        for text in texts:
            raw = _encoded(text)
            whole.update(len(raw).to_bytes(8, "big") + raw)
        return whole.digest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _before(text: str, released: int) -> int:
    """Where to begin reading again: some characters before, and not within what has no blanks."""
    start = max(0, released - _WINDOW)
    blank = max(text.rfind(" ", max(0, start - _WORD), start), text.rfind("\n", max(0, start - _WORD), start))
    return blank + 1 if blank >= 0 else max(0, start - _WORD)


def _touches(guards: AnswerGuards, released: int) -> bool:
    """Whether anything that would be stopped reaches past ``released``."""
    return any(
        verdict.enforced and verdict.action is not Action.ALLOW and verdict.finding.span.end > released
        for _, verdict in guards.verdicts
    )
