"""How much one subject may ask: requests a minute, and answers at the same time.

``MemoryLimits`` counts in this process; where several processes serve one subject, each has its own count.
What counts for all of them (in a shared store) need only be another ``Limits``.

May import: the standard library. The rule that must stay true: a place that was given is given back once,
however the answer ends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

_MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """``per_minute``: requests, all of which may come at once; ``concurrent``: answers. None: no limit."""

    per_minute: int | None = None
    concurrent: int | None = None

    @property
    def unlimited(self) -> bool:
        return self.per_minute is None and self.concurrent is None


class Admission(NamedTuple):
    """Whether a request may go on. ``limit`` and ``remaining`` count requests (None: no limit); ``reset``:
    seconds until all are there again; ``retry_after``: seconds to wait, where it may not."""

    allowed: bool
    limit: int | None = None
    remaining: int = 0
    reset: float = 0.0
    retry_after: float = 0.0
    reason: str = ""

    def headers(self) -> Mapping[str, str]:
        """The headers that OpenAI's clients know."""
        said: dict[str, str] = {}
        if self.limit is not None:
            said = {
                "x-ratelimit-limit-requests": str(self.limit),
                "x-ratelimit-remaining-requests": str(self.remaining),
                "x-ratelimit-reset-requests": f"{self.reset:.3f}s",
            }
        if not self.allowed:
            said["retry-after"] = str(max(1, math.ceil(self.retry_after)))
        return said


class Limits(Protocol):
    """Counts what each subject asks; an id stands for a subject, or for all subjects of a key."""

    async def admit(self, key_id: str, limit: Limit, cost: int = 1) -> Admission:
        """Take ``cost`` requests and one place of an id, or say when to come again."""
        ...

    async def release(self, key_id: str) -> None:
        """Give the place of an admitted request back."""
        ...


@dataclass(slots=True)
class _Count:
    tokens: float
    at: float
    running: int = 0


class MemoryLimits:
    """``Limits`` in this process: a bucket of tokens and a count of places for each key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, _Count] = {}
        self._forget_at = _MOST_KEYS

    async def admit(self, key_id: str, limit: Limit, cost: int = 1) -> Admission:
        now = self._clock()
        most = limit.per_minute
        count = self._counts.get(key_id)
        if count is None:
            self._forget(now)
            count = self._counts[key_id] = _Count(float(most or 0), now)
        if limit.concurrent is not None and count.running >= limit.concurrent:
            return Admission(False, None, 0, 0.0, 1.0, "concurrent")
        if most is None:
            count.running += 1
            return Admission(True)
        rate = most / 60
        count.tokens = min(float(most), count.tokens + (now - count.at) * rate)
        count.at = now
        if count.tokens < cost:
            wait = (cost - count.tokens) / rate
            return Admission(False, most, 0, (most - count.tokens) / rate, wait, "requests")
        count.tokens -= cost
        count.running += 1
        return Admission(True, most, int(count.tokens), (most - count.tokens) / rate)

    async def release(self, key_id: str) -> None:
        count = self._counts.get(key_id)
        if count is not None and count.running > 0:
            count.running -= 1

    def _forget(self, now: float) -> None:
        """Forget ids that have been silent for more than a minute: their buckets are full.

        Next at twice what is left, so that a flood of new ids does not make each one cost a pass.
        """
        if len(self._counts) >= self._forget_at:
            self._counts = {
                key: count for key, count in self._counts.items() if count.running or now - count.at < 60
            }
            self._forget_at = max(_MOST_KEYS, 2 * len(self._counts))
