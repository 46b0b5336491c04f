"""What is in force: policy, index and detectors, and the guards of one answer made from them.

May import: every room. The rules that must stay true: a channel gets its guard before its first
character is read; a choice that was stopped gives no more text, on any of its channels.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

from proxy.detectors import Parts, build
from proxy.detectors.known_values import KnownValuesDetector
from proxy.detectors.memorised import MemorisedDetector
from proxy.detectors.memorised_stream import MemorisedScanner
from proxy.detectors.payload import PayloadDetector
from proxy.detectors.pii import PiiDetector
from proxy.dialects.shapes import Channel, Request
from proxy.errors import ConfigError
from proxy.guard import StreamGuard, joined
from proxy.index import StoredIndex
from proxy.jsontext import JsonCells
from proxy.policy import Numbers, Policy
from proxy.server.marks import Marks
from proxy.server.offload import STEPS, in_thread, prepared
from proxy.server.unhandled import place_of
from proxy.server.verifying import Trust
from proxy.types import Action, Caller, Cleared, Delta, Detector, Finding, Step, Verdict, View

MOST_CHANNELS = 8192
"""Texts of one answer that are guarded, each with scanners of its own. An answer of more is a fault."""

_log = logging.getLogger("sluicegate")
_SLICE = 4096
"""Characters scanned before other answers get their turn."""

MUCH_ECHO = 50_000
"""Characters of a request's texts from which everything that may go through them runs in a thread."""


@dataclass(frozen=True, slots=True)
class Firewall:
    """The policy, the index and the detectors in force. Immutable: a reload makes a new one."""

    policy: Policy
    index: StoredIndex
    detectors: tuple[Detector, ...]
    reader: Executor | None = None
    """Where guards read, when a detector takes milliseconds: one thread, so that no two read at once."""

    trust: Trust = field(default_factory=Trust)
    """Of the index: every firewall with the same opened index has the same one."""

    @property
    def marks(self) -> Marks:
        """Return what names matches in the trail."""
        return Marks(self.index.key, self.index.version)

    @classmethod
    def assemble(cls, policy: Policy, index: StoredIndex, trust: Trust | None = None) -> Firewall:
        """``trust``: of an index that serves already. Raises ConfigError where the policy asks for what the
        index was not built for."""
        if policy.exempt_run != index.exempt_run:
            raise ConfigError(
                f"{policy.source}: exempt_run is {policy.exempt_run}, but the index was built with "
                f"{index.exempt_run}; build it again with --policy {policy.source}, or change the policy"
            )
        detectors = build(parts_of(policy, index), policy.enabled)
        slow = any(isinstance(detector, PiiDetector) and detector.slow for detector in detectors)
        reader = ThreadPoolExecutor(1, "guards") if slow else None
        return cls(policy, index, detectors, reader, Trust() if trust is None else trust)

    async def guards(self, caller: Caller, request: Request, *, large: bool = False) -> AnswerGuards:
        """The guards for the answer to one request. ``large``: its body is, see ``offload.LARGE``."""
        role = self.policy.role(caller.role)
        echo = await prepared(large, request.own_words, role.echo)
        view = self.policy.view(caller.role, echo, self.index.audiences)
        if sum(map(len, echo)) > MUCH_ECHO and view.protected:
            for detector in self.detectors:
                if isinstance(detector, MemorisedDetector | KnownValuesDetector | PayloadDetector):
                    await prepared(True, detector.prepare, view)
        return AnswerGuards(self, caller.role, view, request, role.hold)


def parts_of(policy: Policy, index: StoredIndex) -> Parts:
    """What detectors are made of under a policy. Raises ConfigError where models cannot be opened."""
    recognize = None
    if policy.enabled(PiiDetector.name) and policy.detectors[PiiDetector.name].get("ner"):
        from proxy.recognizers.sentences import sentence_reader  # opens networks: only where asked for

        recognize = sentence_reader()

    @cache  # asked for each channel of each answer, and the same as long as the policy is in force
    def stops(role: str, detector: str, entity: str) -> bool:
        return policy.stops(role, detector, entity, index.audiences)

    return Parts(index, stops=stops, roles=tuple(policy.roles), recognize=recognize)


@dataclass(slots=True)
class Reading:
    """What the guards made of some text: what may go out, and which choices they stopped."""

    texts: dict[Channel, Cleared] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    fault: str = ""


class AnswerGuards:
    """One guard for each channel of each choice of one answer, and what they have seen."""

    def __init__(self, firewall: Firewall, role: str, view: View, request: Request, ceiling: int) -> None:
        self._firewall = firewall
        self._role = role
        self._view = view
        self._request = request
        self._ceiling = ceiling
        self._reader = firewall.reader
        if self._reader is None and sum(map(len, view.echo)) > MUCH_ECHO:
            self._reader = STEPS  # scanners go through the request's texts when they first need to
        self._guards: dict[Channel, StreamGuard] = {}
        self._finished: set[Channel] = set()
        self._stopped: set[int] = set()
        self._held_since: dict[Channel, float] = {}
        self._held_sum = self._held_sampled = 0
        self._numbers = Numbers()
        self._memorised: list[MemorisedScanner] = []
        self.scan_seconds = 0.0
        self.hold_seconds = 0.0

    async def feed(self, deltas: Sequence[Delta], ended: Sequence[Channel] = ()) -> Reading:
        """Read texts, and end those channels that will get no more."""
        reading = Reading()
        for delta in deltas:
            channel = (delta.choice, delta.channel)
            for start in range(0, len(delta.text), _SLICE):
                if start:
                    await asyncio.sleep(0)
                await self._step(channel, delta.text[start : start + _SLICE], reading)
                if reading.fault:
                    return reading
        for channel in ended:
            await self._step(channel, None, reading)
            if reading.fault:
                return reading
        return reading

    async def whole(self, deltas: Sequence[Delta], ended: Sequence[Channel]) -> Reading:
        """Read a whole answer, channel by channel: each is ended before the next one of its choice."""
        texts: dict[Channel, Cleared] = {}
        reading = Reading()
        by_channel: dict[Channel, list[Delta]] = {}
        for delta in deltas:
            by_channel.setdefault((delta.choice, delta.channel), []).append(delta)
        for channel in ended:
            part = await self.feed(by_channel.get(channel, ()), [channel])
            texts.update(part.texts)
            reading.blocked |= part.blocked
            if part.fault:
                reading.fault = part.fault
                return reading
        reading.texts = texts
        return reading

    def feed_now(self, deltas: Sequence[Delta], ended: Sequence[Channel] = ()) -> Reading | None:
        """As :meth:`feed`, at once; None where that has to wait: for a thread, or for the turn of others."""
        if self._reader is not None or any(len(delta.text) > _SLICE for delta in deltas):
            return None
        reading = Reading()
        for delta in deltas:
            self._step_now((delta.choice, delta.channel), delta.text, reading)
            if reading.fault:
                return reading
        for channel in ended:
            self._step_now(channel, None, reading)
            if reading.fault:
                return reading
        return reading

    def _step_now(self, channel: Channel, text: str | None, reading: Reading) -> None:
        """Feed one guard, or finish it for None."""
        if self._firewall.trust.fault:
            self._stopped.add(channel[0])
            reading.fault = "index"
            return
        try:
            guard = self._open(channel, text, reading)
            if guard is None:
                return
            began = time.perf_counter()
            step = guard.finish() if text is None else guard.feed(text)
        except Exception as error:
            self._failed(channel, error, reading)
        else:
            self._note(channel, text, guard, step, began, reading)

    def _failed(self, channel: Channel, error: Exception, reading: Reading) -> None:
        """Fail closed: nothing of this step is released, and the choice gives no more text."""
        _log.error("a guard failed: %s", place_of(error))
        self._stopped.add(channel[0])
        reading.fault = "relay"

    async def _step(self, channel: Channel, text: str | None, reading: Reading) -> None:
        """The same, off the event loop where a detector is slow or the request is large."""
        if self._reader is None:
            self._step_now(channel, text, reading)
        else:
            await in_thread(self._reader, self._step_now, channel, text, reading)

    def _open(self, channel: Channel, text: str | None, reading: Reading) -> StreamGuard | None:
        """The guard of a channel; None where it is to read nothing more."""
        if channel[0] in self._stopped:
            return None
        guard = self._guards.get(channel)
        if guard is None:
            if len(self._guards) >= MOST_CHANNELS:
                raise ValueError("too many channels in one answer")
            guard = self._guards[channel] = self._guard(channel[1])
        elif channel in self._finished:
            if text:  # a channel that was ended cannot speak again: its tail has been let go
                self._stopped.add(channel[0])
                reading.fault = "relay"
            return None
        return guard

    def _note(
        self,
        channel: Channel,
        text: str | None,
        guard: StreamGuard,
        step: Step,
        began: float,
        reading: Reading,
    ) -> None:
        """What one step came to."""
        now = time.perf_counter()
        self.scan_seconds += now - began
        if text is None:
            self._finished.add(channel)
        self._note_hold(channel, guard, len(text or ""), now, stopped=step.stopped)
        if step.text:
            reading.texts[channel] = joined(reading.texts.get(channel), step.text)
        if step.stopped:
            self._stopped.add(channel[0])
            if step.fault:
                reading.fault = step.fault
            else:
                reading.blocked.add(channel[0])

    def _guard(self, name: str) -> StreamGuard:
        scanners = [detector.scanner(self._view) for detector in self._firewall.detectors]
        self._memorised += [scanner for scanner in scanners if isinstance(scanner, MemorisedScanner)]
        cells = JsonCells() if self._request.is_json(name) else None
        # No method of this object: a guard that refers back to it would keep both until they are collected.
        policy, role, numbers = self._firewall.policy, self._role, self._numbers
        marks = self._firewall.marks

        def decide(finding: Finding) -> Verdict:
            return policy.decide(marks.of(finding), role, numbers)

        return StreamGuard(scanners, decide, ceiling=self._ceiling, cells=cells)

    def _note_hold(
        self, channel: Channel, guard: StreamGuard, size: int, now: float, *, stopped: bool
    ) -> None:
        held = 0 if stopped else guard.held  # what a stop leaves is dropped, not held
        if not stopped:
            self._held_sum += held * size
            self._held_sampled += size
        since = self._held_since.get(channel)
        if held and since is None:
            self._held_since[channel] = now
        elif since is not None:
            self.hold_seconds = max(self.hold_seconds, now - since)
            if not held:
                del self._held_since[channel]

    # --- for the trail and the metrics -----------------------------------------------------------------

    @property
    def verdicts(self) -> tuple[tuple[Channel, Verdict], ...]:
        """Every verdict with the channel it was made on."""
        return tuple(
            (channel, verdict) for channel, guard in self._guards.items() for verdict in guard.verdicts
        )

    def held(self, channel: Channel) -> int:
        """Characters of a channel that are undecided."""
        guard = self._guards.get(channel)
        return 0 if guard is None or channel[0] in self._stopped else guard.held

    def cleared_of(self, channel: Channel, text: str) -> Cleared | None:
        """Return what has left of a channel's text, made from that text; see ``StreamGuard.cleared_of``.

        None: the channel has had no text.
        """
        guard = self._guards.get(channel)
        return None if guard is None else guard.cleared_of(text)

    def again(self) -> AnswerGuards:
        """Guards that have read nothing, for the same request."""
        return AnswerGuards(self._firewall, self._role, self._view, self._request, self._ceiling)

    @property
    def received(self) -> int:
        return sum(guard.received for guard in self._guards.values())

    @property
    def released(self) -> int:
        """Characters that are decided: delivered, or dropped under a mask."""
        return sum(guard.released for guard in self._guards.values())

    @property
    def held_max(self) -> int:
        return max((guard.held_max for guard in self._guards.values()), default=0)

    @property
    def held_mean(self) -> float:
        """Return the characters held back after each chunk, averaged over the characters of the chunks.

        A chunk that stops its choice is not sampled. Never above ``held_max``.
        """
        return self._held_sum / self._held_sampled if self._held_sampled else 0.0

    @property
    def drift(self) -> tuple[str, float] | None:
        """The document outside the caller's clearance that the answer shares most with, and how much of
        the answer its sampled seeds cover; None where it shares nothing."""
        shares = [drift for scanner in self._memorised if (drift := scanner.drift()) is not None]
        return max(shares, key=lambda share: share[1], default=None)

    @property
    def redacted(self) -> bool:
        return any(v.enforced and v.action is Action.REDACT for _, v in self.verdicts)
