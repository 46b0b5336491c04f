"""What one worker holds while it serves: settings, firewall, keys, upstream, trail and metrics.

May import: every room and this door. The rule that must stay true: what cannot be recorded is not
delivered: a trail that fails is a fault that stops answers.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

from proxy.audit import Trail, new_incident
from proxy.errors import ProxyError
from proxy.guard import HOLD_EXCEEDED
from proxy.keys import State
from proxy.metrics import UNSCANNABLE, Metrics
from proxy.policy import NO_RULE, UNKNOWN_ENTITY
from proxy.server import logs
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.server.guard_sessions import Sessions
from proxy.server.guard_work import Bounds
from proxy.server.limits import Limits, MemoryLimits
from proxy.server.probing import Probing
from proxy.server.relay import Exchange, GuardFault
from proxy.server.reload import Reloader
from proxy.server.settings import Settings
from proxy.server.shared_limits import SharedLimits
from proxy.server.traces import Traces
from proxy.server.verifying import LaterCheck
from proxy.types import Decision
from proxy.upstreams.router import Router

_log = logging.getLogger("sluicegate")
_UNREACHED = frozenset({"connect", "timeout", "broken_off"})


class House:
    """The parts of one worker. ``firewall`` is replaced as a whole by a reload."""

    def __init__(
        self,
        settings: Settings,
        firewall: Firewall,
        keys: State,
        upstream: Router,
        trail: Trail,
        metrics: Metrics,
    ) -> None:
        self.settings = settings
        self.firewall = firewall
        self.keys = keys
        self.upstream = upstream
        self.trail = trail
        self.metrics = metrics
        self.probing = Probing()
        self.limits: Limits = MemoryLimits()
        self.sessions = Sessions()
        self.guard_bounds = Bounds()
        self.traces: Traces | None = None
        self._silent: dict[str, bool] = {}
        self.reloader: Reloader | None = None
        self.check: LaterCheck | None = None
        """Of the index in force, where its sums are checked while it serves."""
        self.policy_in_force()
        self.index_in_force()

    def policy_in_force(self) -> None:
        """Tell the metrics which policy decides."""
        policy = self.firewall.policy
        self.metrics.policy_loaded(
            policy.name,
            policy.version,
            roles=policy.roles,
            rules=[*(rule.id for rule in policy.rules), NO_RULE, UNKNOWN_ENTITY, HOLD_EXCEEDED],
            observe=policy.observe,
        )

    def index_in_force(self) -> None:
        """Tell the metrics which index is asked."""
        manifest = self.firewall.index.manifest
        self.metrics.index_opened(
            manifest.documents, manifest.index_bytes, manifest.built, self.firewall.index.version
        )

    def check_index(self) -> None:
        """Begin to check the sums of the index in force, where that was left for later."""
        if self.check is not None:
            self.check.start(partial(self._distrust, self.firewall), share=self.settings.workers)

    def _distrust(self, firewall: Firewall, fault: str) -> None:
        """Stop every answer by this index: one of its files is not what was built."""
        firewall.trust.fault = fault  # first: all else may fail
        self.metrics.fault("index")
        _log.error("the index is not what was built, nothing is answered by it: %s", fault)
        try:
            self.trail.note("index_failed", version=firewall.index.version)
        except ProxyError as error:
            self.fault("trail", error)

    def faults(self) -> list[str]:
        """What keeps this worker from answering now; empty when it is ready."""
        found = ["index"] if self.firewall.trust.fault else []
        for name, check in (("state", self.keys.check), ("trail", self.trail.check)):
            try:
                check()
            except ProxyError:
                found.append(name)
        return found

    def details(self) -> dict[str, object]:
        """Return what operators read of this worker's readiness."""
        faults = self.faults()
        serves = self.reloader.serves() if self.reloader is not None else {}
        return {"ready": not faults, "faults": faults, **serves}

    def upstream_answered(self, server: str, result: str, first_byte: float | None) -> None:
        """Count what became of a request to a model server; log when one stops answering, and when it
        answers again."""
        self.metrics.traffic.upstream(server, result, first_byte)
        if result == "cancelled" and first_byte is None:
            return
        reached = result not in _UNREACHED
        if self._silent.get(server, False) == reached:
            self._silent[server] = not reached
            if reached:
                _log.info("model server %s answers again", server)
            else:
                _log.warning("model server %s does not answer (%s)", server, result)

    def fault(self, where: str, error: ProxyError | None = None) -> None:
        """Count a failure of our own, and say it in the log (messages of ours hold no text)."""
        self.metrics.fault(where)
        _log.error("fault in %s: %s", where, error if error is not None else "see the trail")

    def count(self, endpoint: str, role: str, outcome: str) -> None:
        """Count a request that did not reach the model."""
        decision = Decision(new_incident(), time.time(), "", role, "", endpoint, outcome)
        self.metrics.record(decision)
        logs.request(decision, own=True)

    def opened(self, exchange: Exchange) -> None:
        """A request goes to the model: into the trail before. Raises GuardFault where that cannot be."""
        caller, path = exchange.caller, f"/v1{exchange.path}"
        begun = Decision(
            exchange.incident, exchange.at, caller.key_id, caller.role, exchange.request.model, path, "opened"
        )
        try:
            self.trail.opened(begun)
        except ProxyError as error:
            self.fault("trail", error)
            raise GuardFault("trail") from None

    def record(self, decision: Decision, guards: AnswerGuards, dropped: Sequence[str]) -> None:
        """One decision: into the metrics and the trail. Raises GuardFault where it cannot be recorded."""
        for name, count in Counter(dropped).items():
            self.metrics.unscannable(name if name in UNSCANNABLE else "field", count)
        fault = decision.extra.get("fault")
        if decision.first_upstream is not None or decision.outcome == "upstream_error":
            self.metrics.upstream_seen(decision.first_upstream is not None)
        if fault and decision.outcome == "fault":
            self.metrics.fault(str(fault))
        self._note_tokens(decision)
        self.metrics.record(
            decision,
            held_mean=guards.held_mean,
            hold_seconds=guards.hold_seconds,
            scan_seconds=guards.scan_seconds,
        )
        self.probing.note(decision)
        logs.request(decision)
        if self.traces is not None:
            self.traces.request(decision)
        try:
            self.trail.record(decision)
        except ProxyError as error:
            self.fault("trail", error)
            raise GuardFault("trail") from None

    def _note_tokens(self, decision: Decision) -> None:
        tokens = decision.extra.get("tokens")
        if isinstance(tokens, list):
            self.metrics.traffic.tokens(tokens[0], tokens[1], decision.model, decision.role)

    async def close(self) -> None:
        if self.check is not None:
            self.check.close()
        with contextlib.suppress(GuardFault):  # it has been counted
            self.sessions.forget()
        await self.upstream.close()
        if isinstance(self.limits, SharedLimits):
            await self.limits.close()
        if self.traces is not None:
            self.traces.close()
        if self.reloader is not None:
            self.reloader.close()
        self.trail.close()
        self.keys.close()
