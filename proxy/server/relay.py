"""The one exit: upstream -> dialect -> guards -> dialect -> caller. Nothing else writes an answer.

A plain answer goes the same way: its texts are fed to the same guards as deltas and collected again.
The upstream is asked the way the caller asked, so nothing of its own answer is lost.

May import: the ground floor, ``dialects.shapes``, ``server.firewall`` and ``server.gather``; upstream,
request and what is done with the decision are handed to it. The rules that must stay true: a frame is made
of what ``write`` built from cleared text; whatever happens, the decision is recorded, and before the last
event is sent; on a fault nothing that is held leaves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from proxy import sse
from proxy.dialects.shapes import Frame, Request, StreamedAnswer
from proxy.dialects.shapes import Reading as AnswerReading
from proxy.errors import UpstreamError
from proxy.nesting import TooDeep, loads
from proxy.server.firewall import AnswerGuards, Reading
from proxy.server.gather import Gather
from proxy.server.unhandled import place_of
from proxy.traffic import usage_of
from proxy.types import Caller, Decision, Delta

REFUSAL = "This part of the answer was withheld by the content policy."
"""What a caller reads at a block, the same for every cause."""

_FAULT = "The answer was stopped: it could not be checked."
_CALLERS = "invalid_request_error"
_log = logging.getLogger("sluicegate")
_EVENT_LIMIT = 32 * 1024 * 1024
_AT_ONCE = 32
"""Events that are sent together at most, where the upstream sent them together."""


class Answer(Protocol):
    """An upstream's answer whose head has come."""

    def stream(self) -> AsyncIterator[bytes]:
        """Its bytes as they come."""
        ...

    async def gather(self, seconds: float) -> None:
        """Between two pieces: let more come for ``seconds``, to be read together."""
        ...

    async def json(self) -> Any: ...


class Source(Protocol):
    """An upstream: POSTs a body and gives the answer."""

    def open(
        self, path: str, body: Mapping[str, Any], *, stream: bool
    ) -> AbstractAsyncContextManager[Answer]: ...


class Blocked(Exception):
    """The answer was stopped before anything was sent, and the role asks for an error then."""

    def __init__(self, incident: str) -> None:
        super().__init__(incident)
        self.incident = incident


def withheld(incident: str) -> str:
    """What a caller reads who gets an error for a block."""
    return f"The answer was withheld by the content policy (incident {incident})."


class GuardFault(Exception):
    """A guard stopped because something of ours failed. ``where`` is from a closed set."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


def guard_fault(error: Exception) -> GuardFault:
    """Return the error as a fault; one that nobody raised on purpose is logged by its place."""
    if isinstance(error, GuardFault):
        return error
    _log.error("the relay failed: %s", place_of(error))
    return GuardFault("relay")


@dataclass(slots=True)
class Exchange:
    """One request on its way: who asks, what for, through which guards, and what came of it."""

    incident: str
    caller: Caller
    path: str
    request: Request
    guards: AnswerGuards
    record: Callable[[Decision, AnswerGuards, Sequence[str]], None]
    error_on_block: bool = False
    began: float = field(default_factory=time.perf_counter)
    at: float = field(default_factory=time.time)
    first_upstream: float | None = None
    first_delivered: float | None = None
    outcome: str = "cancelled"
    fault: str = ""
    blocked: set[int] = field(default_factory=set)
    dropped: list[str] = field(default_factory=list)
    recorded: bool = False
    begun: bool = False
    """Whether the caller has got the head of the answer: an error can then only be an event."""
    request_id: str = ""
    tokens: tuple[int, int] | None = None
    """Tokens of prompt and completion, as the upstream counts them."""
    gather: float = 0.0
    """Seconds for which pieces of a stream are let come before they are read, to be guarded together."""

    def elapsed(self) -> float:
        return time.perf_counter() - self.began

    def close(self) -> None:
        """Record the decision, once. Raises what the record raises: without a trail nothing goes on."""
        if self.recorded:
            return
        self.recorded = True
        guards = self.guards
        found = guards.verdicts
        decision = Decision(
            incident=self.incident,
            time=self.at,
            key_id=self.caller.key_id,
            role=self.caller.role,
            model=self.request.model,
            path=f"/v1{self.path}",
            outcome=self.outcome,
            verdicts=tuple(verdict for _, verdict in found),
            choices=tuple(channel for channel, _ in found),
            received=guards.received,
            released=guards.released,
            held_max=guards.held_max,
            seconds=self.elapsed(),
            first_upstream=self.first_upstream,
            first_delivered=self.first_delivered,
            extra=self._extra(),
            subject=self.caller.subject if self.caller.subject != self.caller.key_id else "",
        )
        self.record(decision, guards, self.dropped)

    def _extra(self) -> dict[str, Any]:
        """What else the trail tells: where a fault was, and the document that the answer drifts towards."""
        extra: dict[str, Any] = {"fault": self.fault} if self.fault else {}
        if self.request_id:
            extra["request"] = self.request_id
        if self.tokens is not None:
            extra["tokens"] = list(self.tokens)
        drift = self.guards.drift
        if drift is not None:
            extra |= {"drift_document": drift[0], "drift": round(drift[1], 3)}
        return extra

    def ended_well(self) -> None:
        """Say how an answer that was relayed to its end came out."""
        if self.blocked:
            self.outcome = "blocked"
        else:
            self.outcome = "redacted" if self.guards.redacted else "passed"

    def failed(self, outcome: str, where: str) -> None:
        self.outcome, self.fault = outcome, where


async def relay_stream(source: Source, exchange: Exchange) -> AsyncGenerator[bytes]:
    """The caller's event stream. Closing it closes the upstream.

    Raises UpstreamError, Blocked or GuardFault before the first event; later they become an event.
    """
    sent = False
    answer = exchange.request.streamed(f"sg-{exchange.incident}", REFUSAL)
    waiting: list[Frame] = []
    out: list[bytes] = []  # events that have been let go, and not yet been sent
    gather = Gather()

    async def ready(read: AnswerReading, deltas: Sequence[Delta]) -> None:
        frames = await _through(answer, read, deltas, exchange)
        if frames:
            out.extend(_next(frame, exchange) for frame in _sendable(frames, waiting, exchange))

    try:
        async with source.open(exchange.path, exchange.request.body, stream=True) as upstream:
            async for events in _read(upstream.stream()):
                for place, data in enumerate(events, 1):
                    try:
                        read = _chunk(answer, data, exchange)
                    except UpstreamError:
                        await ready(AnswerReading(), gather.rest())  # what came before it
                        if not answer.over:
                            raise
                        break
                    deltas = gather.add(read.deltas, read.ended)
                    if place == len(events):
                        deltas += gather.rest()
                    elif read.deltas and not (deltas or read.ended or read.rest or read.dropped):
                        continue  # all of it waits, and there is nothing else to it
                    await ready(read, deltas)
                    if answer.over:
                        break
                    if len(out) >= _AT_ONCE:
                        sent = True
                        yield _joined(out)
                if out:
                    sent = True
                    yield _joined(out)
                if answer.over:
                    break
                if exchange.gather and exchange.first_delivered is not None:
                    await upstream.gather(exchange.gather)
        if not answer.over:
            await ready(answer.cut(), ())
        out += [_next(frame, exchange) for frame in waiting]
        if out:
            sent = True
            yield _joined(out)
        if not exchange.recorded:
            exchange.ended_well()
            exchange.close()
            yield sse.DONE
    except UpstreamError as error:
        exchange.failed("upstream_error", "upstream")
        if not sent and not out and not exchange.begun:
            raise
        out.append(_last(exchange, answer.failed(str(error), "upstream_error", "upstream_error")))
        yield _joined(out)
    except Blocked as blocked:
        if not exchange.begun:
            raise
        yield _last(exchange, answer.failed(withheld(blocked.incident), "content_filter", _CALLERS))
    except Exception as error:  # fail closed: whatever raises, nothing that is held leaves
        fault = guard_fault(error)
        exchange.failed("fault", fault.where)
        if not sent and not out and not exchange.begun:
            raise fault from None
        out.append(_last(exchange, answer.failed(_FAULT, "guard_fault", "server_error")))
        yield _joined(out)
    finally:
        exchange.close()


def _joined(out: list[bytes]) -> bytes:
    """The events in one piece; the list is empty then."""
    data = out[0] if len(out) == 1 else b"".join(out)
    out.clear()
    return data


def _next(frame: Frame, exchange: Exchange) -> bytes:
    """A frame on the wire; before one that ends the stream the decision is recorded."""
    if frame.last:
        exchange.ended_well()
        exchange.close()
    return _encode(frame)


async def _read(stream: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """The data of the events that come together, up to ``[DONE]`` or the end."""
    parser = sse.SseParser(_EVENT_LIMIT)
    async for piece in stream:
        events = [event.data for event in parser.feed(piece)]
        if len(events) == 1 and events[0][:2] == '{"':  # as most are
            yield events
            continue
        if any(data[0:1] == "[" or data[0:1].isspace() for data in events):
            for place, data in enumerate(events):
                if data.strip() == "[DONE]":
                    yield events[:place]
                    return
        if events:
            yield events
    yield [event.data for event in parser.finish() if event.data.strip() != "[DONE]"]


def _chunk(answer: StreamedAnswer, data: str, exchange: Exchange) -> AnswerReading:
    known = answer.read_again(data)
    if known is not None:
        return known
    try:
        chunk = loads(data)
    except TooDeep:
        raise UpstreamError("The model server's answer is nested too deeply.", where="chunk") from None
    except ValueError:
        raise UpstreamError("The model server's answer is not JSON.", where="chunk") from None
    exchange.tokens = usage_of(chunk) or exchange.tokens
    return answer.read(chunk)


async def _through(
    answer: StreamedAnswer, read: AnswerReading, deltas: Sequence[Delta], exchange: Exchange
) -> list[Frame]:
    """One reading, and the texts whose turn it is, through the guards; the frames that may be sent."""
    if read.dropped:
        exchange.dropped.extend(read.dropped)
    if deltas and exchange.first_upstream is None:
        exchange.first_upstream = exchange.elapsed()
    guards = exchange.guards
    guarded = guards.feed_now(deltas, read.ended)
    if guarded is None:
        guarded = await guards.feed(deltas, read.ended)
    blocked = None
    if guarded.blocked or guarded.fault:
        _check(guarded, exchange)
        blocked = {choice: exchange.incident for choice in guarded.blocked}
    if guarded.texts and exchange.first_delivered is None:
        exchange.first_delivered = exchange.elapsed()
    return answer.write(read, guarded.texts, blocked)


def _check(guarded: Reading, exchange: Exchange) -> None:
    exchange.blocked |= guarded.blocked
    if guarded.fault:
        raise GuardFault(guarded.fault)


def _sendable(frames: Sequence[Frame], waiting: list[Frame], exchange: Exchange) -> list[Frame]:
    """The frames to send now. A role that wants an error on a block gets nothing before the first text."""
    if not exchange.error_on_block or exchange.recorded:
        return list(frames)
    if exchange.first_delivered is None:
        if exchange.blocked:
            exchange.outcome = "blocked"
            raise Blocked(exchange.incident)
        waiting.extend(frames)
        return []
    ready = [*waiting, *frames]
    waiting.clear()
    return ready


def _encode(frame: Frame) -> bytes:
    return sse.encode(orjson.dumps(frame.data), frame.event)


def _last(exchange: Exchange, frame: Frame) -> bytes:
    exchange.close()
    return _encode(frame)


async def relay_plain(source: Source, exchange: Exchange) -> dict[str, Any]:
    """The caller's whole answer. Raises UpstreamError, Blocked or GuardFault."""
    try:
        async with source.open(exchange.path, exchange.request.body, stream=False) as upstream:
            body = await upstream.json()
        exchange.first_upstream = exchange.elapsed()
        exchange.tokens = usage_of(body)
        answer = exchange.request.whole(body, f"sg-{exchange.incident}", REFUSAL)
        exchange.dropped.extend(answer.dropped)
        ended = list(dict.fromkeys((delta.choice, delta.channel) for delta in answer.deltas))
        guarded = await exchange.guards.whole(answer.deltas, ended)
        _check(guarded, exchange)
        if exchange.error_on_block and guarded.blocked:
            exchange.outcome = "blocked"
            raise Blocked(exchange.incident)
        made = answer.write(guarded.texts, {choice: exchange.incident for choice in guarded.blocked})
        exchange.first_delivered = exchange.elapsed()
        exchange.ended_well()
    except UpstreamError:
        exchange.failed("upstream_error", "upstream")
        raise
    except Blocked:
        raise
    except Exception as error:  # fail closed, as above
        fault = guard_fault(error)
        exchange.failed("fault", fault.where)
        raise fault from None
    finally:
        exchange.close()
    return made
