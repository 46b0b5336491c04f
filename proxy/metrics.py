"""Every Prometheus name of Sluicegate, on a registry of its own.

May import: ``proxy.types``. The rule that must stay true: labels come from closed sets. A value that
is not in its set becomes ``other``: never a key, a model, a document, or a text.

Nothing is observed per chunk: a request is observed once, when its ``Decision`` is made.

Every series of the closed sets stands at 0 from the start: Prometheus sees an increase only between two
scrapes of a series that is there, so a burst that brings its own series into being would raise no alert.

Several workers: where ``PROMETHEUS_MULTIPROC_DIR`` names a folder when the process starts,
``prometheus_client`` keeps all values in files there, and ``render`` adds up those of all workers.
The folder must be empty when the server starts; ``worker_ended`` is called for a worker that ended.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from proxy.processes import ProcessesCollector
from proxy.traffic import FIRST, LONG, Traffic
from proxy.types import Action, Decision

OTHER = "other"

ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/models",
    "/v1/guard",
)
PLAIN_PATHS = frozenset(
    {"/healthz", "/readyz", "/openapi.json", "/metrics", "/beta/litellm_basic_guardrail_api"}
)
"""Paths that are no endpoints of a model."""

OUTCOMES = (
    "passed",  # delivered as it came
    "redacted",  # delivered with masks
    "blocked",  # stopped by a verdict
    "held",  # a gateway stopped asking while text was undecided
    "refused",  # the caller's fault: not understood, or not allowed
    "unauthorised",  # no key, or not a good one
    "upstream_error",
    "cancelled",  # the caller went away
    "fault",  # stopped because something of ours failed
)
FAULTS = (
    "scanner",
    "late-finding",
    "chunk",
    "upstream",
    "index",
    "policy",
    "keys",
    "trail",
    "recognizer",
    "relay",
    "scan-time",
    "unhandled",
)
"""Where something of ours failed; the first two are the guard's."""

CLOSED = (
    "late",  # the head of a request did not come in time
    "evicted",  # it waited longest when another connection came and all places were taken
    "overloaded",  # it came when all places were taken by requests
    "head_too_large",
    "framing",  # a body of too many small chunks, or trailers without end
    "pipelined",  # too many requests waited for an earlier one
    "invalid",  # malformed HTTP
    "stuck",  # the client did not take what was sent
)
"""Why a limit closed a client's connection."""

ACTIONS = tuple(action.name.lower() for action in Action)
MODES = ("enforce", "observe")
UNSCANNABLE = ("field", "chunk", "logprobs", "audio", "image", "encrypted")
"""What was dropped from an answer because no scanner can read it."""

GUARD_CALLS = ("passed", "redacted", "blocked", "held", "forbidden", "refused", "limited", "stopped", "gone")
"""How a call of a guard endpoint ended. ``held``: nothing was stopped, some of the text is undecided;
``forbidden``: no right, or not that role; ``stopped``: it could not be checked, or not in time."""

RELOADED = ("policy", "index", "allowed")
RESULTS = ("taken", "refused")
"""What may be new while serving, and what becomes of it."""

_HELD = (0, 1, 2, 4, 6, 8, 10, 12, 15, 20, 25, 32, 48, 64, 96, 128, 256, 512, 1024, 4096)
_RATIO = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_Merge = Literal["livesum", "livemax", "livemin"]


class Metrics:
    """The metrics of one server; threads may share it.

    ``policy`` is the policy's name and version, ``roles`` and ``rules`` are its own and what verdicts
    that come from no rule are called; ``observe``: whether the whole policy only counts; ``version`` is
    the program's.
    """

    def __init__(
        self,
        *,
        roles: Iterable[str] = (),
        rules: Iterable[str] = (),
        policy: tuple[str, str] = ("", ""),
        observe: bool = False,
        version: str = "",
        endpoints: Iterable[str] = ENDPOINTS,
    ) -> None:
        self.registry = CollectorRegistry()
        self._across_workers = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        if not self._across_workers:
            ProcessCollector(registry=self.registry)
        self._endpoints = frozenset(endpoints)
        self.paths = self._endpoints | PLAIN_PATHS
        self.traffic = Traffic(self.registry, self.paths)
        self._roles: frozenset[str] = frozenset()
        self._rules: frozenset[str] = frozenset()
        self._children: dict[tuple[Any, ...], Any] = {}
        self._make()
        for where in FAULTS:  # so that an alert on an increase sees the first one too
            self._child(self._faults, where)
        for labels in product(RELOADED, RESULTS):
            self._child(self._reloads, *labels)
        self._state_up.set(1)
        self._state_seen.set_to_current_time()
        self._upstream_up.set(1)
        self._allowed.set(0)
        self._unread.set(0)
        for why in CLOSED:
            self._child(self._closed_connections, why)
        for what in UNSCANNABLE:
            self._child(self._unscannable, what)
        for family, labels in ((self._held, ("max", "mean")), (self._first, ("upstream", "delivered"))):
            for label in labels:
                self._child(family, label)
        self._child(self._build, version).set(1)
        self._in_force: tuple[str, str] | None = None
        self._opened: str | None = None
        self._roles, self._rules = frozenset(roles), frozenset(rules)
        self._announce()
        if policy != ("", ""):
            self.policy_loaded(*policy, roles=roles, rules=rules, observe=observe)

    def policy_loaded(
        self, name: str, version: str, *, roles: Iterable[str], rules: Iterable[str], observe: bool = False
    ) -> None:
        """A policy comes into force; its roles and rules join the closed sets.

        ``observe``: the whole policy is in observe mode, so nothing is stopped.
        """
        if self._in_force is not None and self._in_force != (version, name):
            self._child(self._policy, *self._in_force).set(0)
        self._in_force = (version, name)
        self._child(self._policy, version, name).set(1)
        self._observing.set(observe)
        self._roles |= frozenset(roles)
        self._rules |= frozenset(rules)
        self.traffic.known(roles=self._roles)
        self._loaded.set_to_current_time()
        self._announce()

    def index_opened(self, documents: int, size: int, built: float, version: str = "") -> None:
        """An index comes into force: its documents, its bytes, and when it was built (epoch seconds)."""
        self._documents.set(documents)
        self._bytes.set(size)
        self._built.set(built)
        if self._opened is not None and self._opened != version:
            self._child(self._index, self._opened).set(0)
        self._opened = version
        self._child(self._index, version).set(1)

    def record(
        self,
        decision: Decision,
        *,
        held_mean: float | None = None,
        hold_seconds: float | None = None,
        scan_seconds: float | None = None,
    ) -> None:
        """Observe one request. None, here and in the decision: not known, so not observed.

        ``held_mean``: held characters, averaged over the answer; not observed where the answer was stopped,
        because its caller does not wait for the rest.
        ``hold_seconds``: the longest that any text was held back. ``scan_seconds``: all scanning.
        """
        endpoint = _closed(decision.path, self._endpoints)
        role = _closed(decision.role, self._roles)
        self._child(self._requests, endpoint, role, _closed(decision.outcome, OUTCOMES)).inc()
        for verdict in decision.verdicts:
            rule = _closed(verdict.rule, self._rules)
            mode = "enforce" if verdict.enforced else "observe"
            self._child(self._verdicts, rule, verdict.action.name.lower(), mode).inc()
        self._request.observe(decision.seconds)
        if decision.received:
            self.traffic.operation(decision.path, decision.seconds, decision.first_upstream)
            self._child(self._held, "max").observe(decision.held_max)
        if decision.outcome not in ("blocked", "fault"):
            self._observe(self._child(self._held, "mean"), held_mean)
        self._observe(self._hold, hold_seconds)
        self._observe(self._scan, scan_seconds)
        self._observe(self._drift, decision.extra.get("drift"))
        self._observe(self._child(self._first, "upstream"), decision.first_upstream)
        self._observe(self._child(self._first, "delivered"), decision.first_delivered)
        if decision.first_upstream is not None and decision.first_delivered is not None:
            self._added.observe(decision.first_delivered - decision.first_upstream)

    def fault(self, where: str) -> None:
        """Something of ours failed, and the answer was stopped for it."""
        self._child(self._faults, _closed(where, FAULTS)).inc()

    def connection_closed(self, why: str) -> None:
        """Count a client's connection that a limit closed."""
        self._child(self._closed_connections, _closed(why, CLOSED)).inc()

    def guard_call(self, role: str, ended: str) -> None:
        """Count one call of a guard endpoint, by the role it was judged as."""
        self._child(self._guard_calls, _closed(role, self._roles), _closed(ended, GUARD_CALLS)).inc()

    def unscannable(self, what: str, count: int = 1) -> None:
        """Parts of an answer were dropped because nothing can scan them."""
        self._child(self._unscannable, _closed(what, UNSCANNABLE)).inc(count)

    def reloaded(self, what: str, result: str) -> None:
        """Something new was taken or refused while serving."""
        self._child(self._reloads, _closed(what, RELOADED), _closed(result, RESULTS)).inc()

    def texts_allowed(self, number: int) -> None:
        """So many texts of the operator's list are in force."""
        self._allowed.set(number)

    def keys_counted(self, by_role: Mapping[str, int]) -> None:
        """Active keys by role."""
        counted = dict.fromkeys((*self._roles, OTHER), 0)
        for role, number in by_role.items():
            counted[_closed(role, self._roles)] += number
        for role, number in counted.items():
            self._child(self._keys, role).set(number)

    def state_seen(self, reached: bool) -> None:
        """Whether the state could just be read, and took what it was told."""
        self._state_up.set(reached)
        if reached:
            self._state_seen.set_to_current_time()

    def records_unread(self, number: int) -> None:
        """Set how many records of the state cannot be read, and are not used."""
        self._unread.set(number)

    def probed(self, documents: int) -> None:
        """The most protected documents that the stopped answers of one key named lately."""
        self._probed.set(documents)

    def upstream_seen(self, reached: bool) -> None:
        """Whether the model server answered just now."""
        self._upstream_up.set(reached)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Counts an answer as in flight while it lasts."""
        self._streams.inc()
        try:
            yield
        finally:
            self._streams.dec()

    def render(self) -> tuple[bytes, str]:
        """What a scrape gets, and its content type."""
        registry = self.registry
        if self._across_workers:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            registry.register(ProcessesCollector(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])))
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def names(self) -> tuple[str, ...]:
        """Every name as it stands in queries, without the suffixes of histograms; sorted."""
        ours = ("sluicegate_", "gen_ai_")
        families = [each for each in self.registry.collect() if each.name.startswith(ours)]
        return tuple(sorted(f"{e.name}_total" if e.type == "counter" else e.name for e in families))

    # --- the inside

    def _make(self) -> None:
        counter, histogram, gauge = self._counter, self._histogram, self._gauge
        self._requests = counter("requests", "Requests, by how they ended.", "endpoint", "role", "outcome")
        self._verdicts = counter("verdicts", "Verdicts of the policy.", "rule", "action", "mode")
        self._faults = counter("faults", "Failures of our own; each stopped an answer.", "where")
        self._closed_connections = counter(
            "connections_closed", "Connections of clients that a limit closed.", "why"
        )
        self._guard_calls = counter("guard_calls", "Calls of the guard endpoints.", "role", "outcome")
        self._unscannable = counter("unscannable", "Parts of answers that were dropped unread.", "what")
        self._held = histogram("held_characters", "Characters held back in an answer.", _HELD, "stat")
        self._hold = histogram("hold_seconds", "The longest that text of an answer was held back.", _SHORT)
        self._scan = histogram("scan_seconds", "Time spent on scanning an answer.", _SHORT)
        self._first = histogram("first_token_seconds", "Time to the first text of an answer.", FIRST, "side")
        self._added = histogram(
            "first_token_added_seconds", "From the model's first text to the caller's.", _SHORT
        )
        self._drift = histogram(
            "drift_ratio", "Share of an answer that the nearest protected document covers.", _RATIO
        )
        self._request = histogram("request_seconds", "Time of a request from end to end.", LONG)
        self._streams = gauge("in_flight_streams", "Answers that are being relayed.", "livesum")
        self._documents = gauge("index_documents", "Documents in the index.", "livemax")
        self._bytes = gauge("index_bytes", "Size of the index.", "livemax")
        self._built = gauge("index_built_timestamp_seconds", "When the index was built.", "livemax")
        self._policy = gauge("policy_info", "1 for the policy in force.", "livemax", "version", "name")
        self._observing = gauge("policy_observing", "1 while the whole policy only observes.", "livemax")
        self._loaded = gauge("policy_loaded_timestamp_seconds", "When the policy was read.", "livemin")
        self._index = gauge("index_info", "1 for the index in force.", "livemax", "version")
        self._reloads = counter("reloads", "What was new while serving.", "what", "result")
        self._allowed = gauge("allowed_texts", "Texts of the operator's list in force.", "livemax")
        self._keys = gauge("keys", "Active keys, by role.", "livemax", "role")
        self._state_up = gauge("state_up", "1 while the state can be read and written to.", "livemin")
        self._state_seen = gauge("state_seen_timestamp_seconds", "When the state last answered.", "livemin")
        self._unread = gauge("state_unread_records", "Records of the state that cannot be read.", "livemax")
        self._upstream_up = gauge("upstream_up", "1 while the model server answers.", "livemin")
        self._probed = gauge(
            "probed_documents",
            "The most documents that stopped answers of one key named in an hour.",
            "livemax",
        )
        self._build = gauge("build_info", "The program's version.", "livemax", "version")

    def _announce(self) -> None:
        """Bring the series of every declared role and rule into being, at 0."""
        for endpoint in self._endpoints:
            self._child(self._requests, endpoint, OTHER, "unauthorised")  # who has no key has no role
            for role, outcome in product(self._roles, OUTCOMES):
                self._child(self._requests, endpoint, role, outcome)
        for role, ended in product(self._roles, GUARD_CALLS):
            self._child(self._guard_calls, role, ended)
        for labels in product(self._rules, ACTIONS, MODES):
            self._child(self._verdicts, *labels)
        for role in (*self._roles, OTHER):
            self._child(self._keys, role)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"sluicegate_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, merge: _Merge, *labels: str) -> Gauge:
        return Gauge(f"sluicegate_{name}", text, labels, registry=self.registry, multiprocess_mode=merge)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"sluicegate_{name}", text, labels, registry=self.registry, buckets=buckets)

    def _child(self, family: Any, *labels: str) -> Any:
        """The series of these labels; kept, because looking one up costs more than counting."""
        key = (family, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = family.labels(*labels)
        return child

    @staticmethod
    def _observe(histogram: Any, value: float | None) -> None:
        if value is not None:
            histogram.observe(value)


def worker_ended(pid: int) -> None:
    """Forget the gauges of a worker that ended (its counters stay in the sums)."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _closed(value: str, known: Collection[str]) -> str:
    return value if value in known else OTHER
