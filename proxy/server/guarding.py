"""Guarding an answer that others relay: they send the text so far, and get back what may leave.

A call names its answer (``stream``, ``litellm_call_id``); what was read before is not read again, so the
work is linear in the answer. Everything is said anew in each call, so a call that is repeated, or reaches
another process, has the same result: what is remembered only saves work.

May import: every room and this door. The rules that must stay true: texts come from guards alone; each
answer is recorded once, at its end or when no more has come for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.audit import new_incident
from proxy.errors import RequestError
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.server.relay import Exchange, GuardFault
from proxy.types import Action, Caller, Delta

if TYPE_CHECKING:
    from proxy.dialects.shapes import PlainAnswer, StreamedAnswer
    from proxy.server.state import House

MOST_SESSIONS = 2000
IDLE = 600.0
"""Seconds after which an answer of which nothing more came counts as ended."""

CONTENT = "content"
_WINDOW = 400
"""Characters before the held ones that are read again to see how a text would end."""

_WORD = 4000
"""A run without a blank is read again from its beginning, if that is no further away."""


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


@dataclass(slots=True)
class Text:
    """One text of an answer: how much of it has been read, and what was let go."""

    raw: str = ""
    said: str = ""


class Session:
    """One answer: its guards, and what has come and gone."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.turn = asyncio.Lock()
        self.used = 0.0
        self.ended = False
        self._texts: list[Text] = []

    @property
    def blocked(self) -> bool:
        return bool(self.exchange.blocked)

    @property
    def said(self) -> list[str]:
        """What of each text may leave, as long as nothing more comes."""
        return [text.said for text in self._texts]

    @property
    def held(self) -> list[int]:
        """How many characters of each text are undecided."""
        if self.ended or self.blocked:
            return [0] * len(self._texts)
        return [self._guards.held((number, CONTENT)) for number in range(len(self._texts))]

    @property
    def _guards(self) -> AnswerGuards:
        return self.exchange.guards

    async def read(self, texts: Sequence[str], *, final: bool = False) -> None:
        """Take the texts as they are now. Raises GuardFault."""
        known = [each.raw for each in self._texts]
        grown = len(known) <= len(texts) and all(map(str.startswith, texts, known))
        if not grown or (self.ended and list(texts) != known):
            self._start_again()
        elif self.ended or self.blocked:
            return
        for number, text in enumerate(texts):
            if number == len(self._texts):
                self._texts.append(Text())
            mine = self._texts[number]
            await self._feed(number, text[len(mine.raw) :], final)
            mine.raw = text
        self.ended = final

    def _start_again(self) -> None:
        """Something else came than before: nothing of it counts."""
        self.exchange.guards = self._guards.again()
        self.exchange.blocked.clear()
        self._texts.clear()
        self.ended = False

    async def _feed(self, number: int, piece: str, final: bool) -> None:
        channel = (number, CONTENT)
        reading = await self._guards.feed(
            [Delta(number, CONTENT, piece)] if piece else (), [channel] if final else ()
        )
        if reading.fault:
            self.exchange.failed("fault", reading.fault)
            raise GuardFault(reading.fault)
        self._texts[number].said += reading.texts.get(channel, "")
        self.exchange.blocked |= reading.blocked

    async def calls(self, calls: Sequence[tuple[str, str]]) -> bool:
        """Whether names and arguments of calls may leave as they are: they cannot be redacted here."""
        for number, pair in enumerate(calls):
            for part, text in zip(("name", "arguments"), pair, strict=True):
                channel = (number, f"tool:{number}:{part}")
                guards = self._guards.again()
                reading = await guards.feed([Delta(*channel, text)], [channel])
                if reading.fault:
                    self.exchange.failed("fault", reading.fault)
                    raise GuardFault(reading.fault)
                if reading.blocked or guards.redacted:
                    self.exchange.guards = guards
                    self.exchange.blocked.add(number)
                    return False
        return True

    async def tails(self) -> list[str]:
        """For each text what else would leave if it ended here. Nothing that was read is changed."""
        return [await self._tail(number) for number in range(len(self._texts))]

    async def _tail(self, number: int) -> str:
        text = self._texts[number]
        held = 0 if self.ended or self.blocked else self._guards.held((number, CONTENT))
        if not held:
            return ""
        released = len(text.raw) - held
        start = _before(text.raw, released)
        guards = self._guards.again()
        reading = await guards.feed([Delta(0, CONTENT, text.raw[start:])], [(0, CONTENT)])
        if not reading.fault and not reading.blocked and not _touches(guards, released - start):
            return text.raw[released:]
        guards = self._guards.again()
        reading = await guards.feed([Delta(0, CONTENT, text.raw)], [(0, CONTENT)])
        whole = reading.texts.get((0, CONTENT), "")
        if reading.fault or reading.blocked or not whole.startswith(text.said):
            return ""
        return whole[len(text.said) :]


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


class Sessions:
    """The answers that are being guarded for others, by key, role and name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[tuple[str, str, str], Session] = OrderedDict()

    async def open(self, house: House, caller: Caller, name: str, words: Words) -> Session:
        """The session of an answer; "" names none, and is always a new one. Raises GuardFault."""
        self.forget(self._clock() - IDLE)
        key = (caller.key_id, caller.role, name)
        session = self._sessions.get(key) if name else None
        if session is None or (words.own and session.exchange.request.own_words(()) != words.own):
            if session is not None:
                self._sessions.pop(key, None)
                _record(session)
            session = await _made(house, caller, words)
            if name:
                self._sessions[key] = session
                while len(self._sessions) > MOST_SESSIONS:
                    _record(self._sessions.popitem(last=False)[1])
        session.used = self._clock()
        if name:
            self._sessions.move_to_end(key)
        return session

    def end(self, session: Session) -> None:
        """An answer is whole: record it. What comes of it again has the same result and is not recorded."""
        _record(session)

    def forget(self, before: float = float("inf")) -> None:
        """Record the answers of which nothing has come since."""
        while self._sessions:
            key, session = next(iter(self._sessions.items()))
            if session.used > before:
                return
            del self._sessions[key]
            _record(session)


async def _made(house: House, caller: Caller, words: Words) -> Session:
    firewall = house.firewall
    exchange = Exchange(
        incident=new_incident(),
        caller=caller,
        path="/guard",
        request=words,
        guards=await firewall.guards(caller, words),
        record=house.record,
    )
    house.opened(exchange)
    return Session(exchange)


def _record(session: Session) -> None:
    if session.exchange.outcome != "fault":
        session.exchange.ended_well()
    session.exchange.close()


def lesser_role(firewall: Firewall, caller: Caller, wanted: object) -> Caller:
    """The caller in another role, which a gateway may ask for those behind it: one that may read less.

    Raises RequestError (403) for any other.
    """
    if wanted is None or wanted == caller.role:
        return caller
    roles = firewall.policy.roles
    if isinstance(wanted, str) and wanted in roles:
        own, lesser = firewall.policy.role(caller.role), roles[wanted]
        if set(lesser.clearance) < set(own.clearance):
            return Caller(caller.key_id, wanted)
    raise RequestError(
        "This key cannot speak for that role.", status=403, code="role_not_allowed", param="role"
    )
