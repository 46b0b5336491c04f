"""What one worker holds while it serves: settings, firewall, keys, upstream, trail and metrics.

May import: every room and this door. The rule that must stay true: what cannot be recorded is not
delivered: a trail that fails is a fault that stops answers.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence

from proxy.audit import Trail, new_incident
from proxy.errors import ProxyError
from proxy.keys import Keys
from proxy.metrics import UNSCANNABLE, Metrics
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.server.relay import GuardFault
from proxy.server.settings import Settings
from proxy.types import Decision
from proxy.upstreams.openai import OpenAIUpstream

_log = logging.getLogger("sluicegate")


class House:
    """The parts of one worker. ``firewall`` is replaced as a whole by a reload."""

    def __init__(
        self,
        settings: Settings,
        firewall: Firewall,
        keys: Keys,
        upstream: OpenAIUpstream,
        trail: Trail,
        metrics: Metrics,
    ) -> None:
        self.settings = settings
        self.firewall = firewall
        self.keys = keys
        self.upstream = upstream
        self.trail = trail
        self.metrics = metrics

    def faults(self) -> list[str]:
        """What keeps this worker from answering now; empty when it is ready."""
        try:
            self.keys.list()
        except ProxyError:
            return ["state"]
        return []

    def fault(self, where: str, error: ProxyError | None = None) -> None:
        """Count a failure of our own, and say it in the log (messages of ours hold no text)."""
        self.metrics.fault(where)
        _log.error("fault in %s: %s", where, error if error is not None else "see the trail")

    def count(self, endpoint: str, role: str, outcome: str) -> None:
        """Count a request that did not reach the model."""
        self.metrics.record(Decision(new_incident(), time.time(), "", role, "", endpoint, outcome))

    def record(self, decision: Decision, guards: AnswerGuards, dropped: Sequence[str]) -> None:
        """One decision: into the metrics and the trail. Raises GuardFault where it cannot be recorded."""
        for name, count in Counter(dropped).items():
            self.metrics.unscannable(name if name in UNSCANNABLE else "field", count)
        fault = decision.extra.get("fault")
        if fault and decision.outcome == "fault":
            self.metrics.fault(str(fault))
        self.metrics.record(
            decision,
            held_mean=guards.held_mean,
            hold_seconds=guards.hold_seconds,
            scan_seconds=guards.scan_seconds,
        )
        try:
            self.trail.record(decision)
        except ProxyError as error:
            self.fault("trail", error)
            raise GuardFault("trail") from None

    async def close(self) -> None:
        await self.upstream.close()
        self.trail.close()
        self.keys.close()
