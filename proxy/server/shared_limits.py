"""Limits that several processes share: one count for all workers and replicas.

A place is a lease, given back by time where a process was killed; one that lives renews the leases of its
answers. While the counts cannot be asked each process counts by itself, so a key gets at most its limit at
each of them: requests go on.

May import: ``server.limits`` and ``server.counts``. The rule that must stay true: a place that was given is
given back, by whoever has it or by time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time

from proxy.server.counts import Counts, Taken, Unreachable
from proxy.server.limits import Admission, Limit, Limits, MemoryLimits

LEASE_SECONDS = 60.0
RENEW_SECONDS = 15.0

_PAUSE_SECONDS = 1.0
"""For how long the counts are not asked again after they could not be."""


class SharedLimits:
    """``Limits`` over all processes that count in the same place."""

    def __init__(
        self,
        counts: Counts,
        *,
        alone: Limits | None = None,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        """``alone``: what counts while the counts cannot be asked."""
        self._counts = counts
        self._alone = MemoryLimits() if alone is None else alone
        self._lease = lease_seconds
        self._renew_seconds = renew_seconds
        self._held: dict[str, list[str]] = {}
        """The leases of each key; "" for one that was counted here alone."""
        self._quiet_until = 0.0
        self._renewal: asyncio.Task[None] | None = None

    async def admit(self, key_id: str, limit: Limit, cost: int = 1) -> Admission:
        if limit.unlimited:
            return Admission(True)
        lease = secrets.token_hex(8)
        taken = await self._take(key_id, limit, lease, cost)
        if taken is None:
            admission = await self._alone.admit(key_id, limit, cost)
            lease = ""
        else:
            admission = _admission(limit.per_minute, cost, *taken)
        if admission.allowed:
            self._held.setdefault(key_id, []).append(lease)
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.ensure_future(self._renew())
        return admission

    async def release(self, key_id: str) -> None:
        leases = self._held.get(key_id)
        if not leases:
            return
        lease = leases.pop()
        if not leases:
            del self._held[key_id]
        if not lease:
            await self._alone.release(key_id)
            return
        with contextlib.suppress(Unreachable):  # time gives it back
            await self._counts.give_back(key_id, lease)

    async def close(self) -> None:
        """Give every place back."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        for key_id in list(self._held):
            while key_id in self._held:
                await self.release(key_id)
        await self._counts.close()

    async def _take(self, key_id: str, limit: Limit, lease: str, cost: int) -> Taken | None:
        if time.monotonic() < self._quiet_until:
            return None
        try:
            return await self._counts.take(key_id, limit, lease, self._lease, cost)
        except Unreachable:
            self._quiet_until = time.monotonic() + _PAUSE_SECONDS
            return None

    async def _renew(self) -> None:
        """Renew the leases of answers that still run, until there are none."""
        while self._held:
            await asyncio.sleep(self._renew_seconds)
            ours = {key_id: [lease for lease in leases if lease] for key_id, leases in self._held.items()}
            with contextlib.suppress(Unreachable):
                await self._counts.renew({key: leases for key, leases in ours.items() if leases}, self._lease)


def _admission(most: int | None, cost: int, allowed: bool, tokens: float, reason: str) -> Admission:
    if reason == "concurrent":
        return Admission(False, None, 0, 0.0, 1.0, reason)
    if most is None:
        return Admission(allowed)
    rate = most / 60
    reset = (most - tokens) / rate
    if not allowed:
        return Admission(False, most, 0, reset, (cost - tokens) / rate, reason)
    return Admission(True, most, int(tokens), reset)
