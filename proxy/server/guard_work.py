"""Bound what one call of the guard endpoints may cost: texts, bytes and scanning time.

The invariant: a call that meets a bound is never answered "pass"; it is refused or stopped, and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.dialects.shapes import Channel
from proxy.errors import RequestError
from proxy.guard import joined
from proxy.server.firewall import AnswerGuards, Reading
from proxy.server.relay import GuardFault
from proxy.types import Delta

MOST_TEXTS = 2048
MOST_CALLS = 128
PART = 256
"""Characters that are scanned before the call looks whether it should go on (tens of ms at worst)."""

SCAN_TIME = "scan-time"
"""Where the fault was when a call took too long to scan."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """``judged``: bytes of the texts of one call; ``sent``: with the caller's own words, as UTF-8 once the
    JSON is decoded; ``seconds``: scanning for one call."""

    judged: int = 2 * 1024 * 1024
    sent: int = 8 * 1024 * 1024
    seconds: float = 10.0

    def check(self, judged: Sequence[str], own: Sequence[str]) -> None:
        """Raises RequestError (413) where a call holds more than may be looked at."""
        size = sum(map(_bytes, judged))
        if size > self.judged:
            raise _too_large("texts to be judged", self.judged)
        if size + sum(map(_bytes, own)) > self.sent:
            raise _too_large("texts and messages", self.sent)


class Work:
    """The scanning of one call. Not shared between calls."""

    def __init__(self, bounds: Bounds) -> None:
        self._left = bounds.seconds

    async def scan(self, guards: AnswerGuards, channel: Channel, text: str, *, end: bool = False) -> Reading:
        """Read a text part by part. Raises GuardFault where a guard failed or the time is up.

        Between parts other requests have their turn, and a call whose client has gone ends.
        """
        whole = Reading()
        for start in range(0, len(text), PART):
            await self.part(guards, channel, text[start : start + PART], whole)
        if end:
            await self.part(guards, channel, None, whole)
        return whole

    async def part(
        self, guards: AnswerGuards, channel: Channel, text: str | None, whole: Reading
    ) -> None:
        """Read one part, or the end for None, and add what it gave to ``whole``. Raises GuardFault."""
        before = guards.scan_seconds
        deltas = () if text is None else (Delta(*channel, text),)
        reading = await guards.feed(deltas, (channel,) if text is None else ())
        if reading.fault:
            raise GuardFault(reading.fault)
        for each, cleared in reading.texts.items():
            whole.texts[each] = joined(whole.texts.get(each), cleared)
        whole.blocked |= reading.blocked
        self._left -= guards.scan_seconds - before
        if self._left < 0:
            raise GuardFault(SCAN_TIME)
        await asyncio.sleep(0)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _too_large(what: str, most: int) -> RequestError:
    return RequestError(
        f"The {what} of this call have more than {most} bytes.", status=413, code="request_too_large"
    )
