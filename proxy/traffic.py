"""Metrics of HTTP traffic: responses to clients, requests to model servers, tokens.

Invariant: every label is from a closed set. Paths are route templates, models and model servers are those
that the operator's configuration names; anything else is ``other``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import product
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

OTHER = "other"
UPSTREAM_RESULTS = (
    "ok",  # a whole answer, or as much of one as was wanted
    "connect",
    "timeout",
    "status",  # an HTTP status other than 2xx
    "broken_off",
    "answer",  # neither JSON nor a stream, or compressed
    "too_large",
    "cancelled",  # given up by us: the client left, or the answer was stopped
)
"""What became of a request to a model server."""

TOKEN_KINDS = ("prompt", "completion")
STATUSES = (200, 400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 431, 499, 500, 502, 503, 504, 508)
"""The statuses that clients are sent."""

_EXPECTED = (200, 400, 401, 404, 429, 500, 502, 504)
"""Series that exist from the start, so that an alert sees the first increase."""

_ANSWERS = frozenset({"answer", "chunk", "encoding"})
_FIRST_BYTE = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
FIRST = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30)
LONG = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84)
"""Bounds in seconds: to a first text, and of a whole request."""

OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/v1/responses": "generate_content",
}
"""What OpenTelemetry calls them (semantic conventions for generative AI, gen_ai.operation.name)."""

_MOST_TOKENS = 100_000_000
"""A larger count is the model server's error and is not added."""


class Traffic:
    """The series of one registry; threads may share it."""

    def __init__(self, registry: CollectorRegistry, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self._upstreams: frozenset[str] = frozenset()
        self._models: frozenset[str] = frozenset()
        self._roles: frozenset[str] = frozenset()
        self._children: dict[tuple[Any, ...], Any] = {}
        self._responses = Counter(
            "sluicegate_http_responses",
            "HTTP responses to clients.",
            ("path", "status"),
            registry=registry,
        )
        self._requests = Counter(
            "sluicegate_upstream_requests",
            "Requests to model servers, by how they ended.",
            ("upstream", "result"),
            registry=registry,
        )
        self._first_byte = Histogram(
            "sluicegate_upstream_first_byte_seconds",
            "From a request to a model server to the first byte of its answer.",
            ("upstream",),
            registry=registry,
            buckets=_FIRST_BYTE,
        )
        self._tokens = Counter(
            "sluicegate_tokens",
            "Tokens, as the model servers count them.",
            ("kind", "model", "role"),
            registry=registry,
        )
        self._operation = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time of a request from end to end, as OpenTelemetry names it.",
            ("gen_ai_operation_name",),
            registry=registry,
            buckets=LONG,
        )
        self._operation_first = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time to the model's first text, as OpenTelemetry names it.",
            ("gen_ai_operation_name",),
            registry=registry,
            buckets=FIRST,
        )
        for operation in sorted({*OPERATIONS.values()}):
            self._child(self._operation, operation)
            self._child(self._operation_first, operation)
        for path, status in product((*self._paths, OTHER), _EXPECTED):
            self._child(self._responses, path, str(status))

    def known(
        self, *, upstreams: Iterable[str] = (), models: Iterable[str] = (), roles: Iterable[str] = ()
    ) -> None:
        """Add names of the operator's configuration to the closed sets."""
        self._upstreams |= frozenset(upstreams)
        self._models |= frozenset(models)
        self._roles |= frozenset(roles)
        for name in self._upstreams:
            self._child(self._first_byte, name)
            for result in UPSTREAM_RESULTS:
                self._child(self._requests, name, result)
        for labels in product(TOKEN_KINDS, (*self._models, OTHER), self._roles):
            self._child(self._tokens, *labels)

    def response(self, path: str, status: int) -> None:
        """Count a response to a client. ``path``: a route template."""
        shown = str(status) if status in STATUSES else OTHER
        self._child(self._responses, _closed(path, self._paths), shown).inc()

    def upstream(self, name: str, result: str, first_byte: float | None) -> None:
        """Count a request to a model server. ``first_byte``: seconds to the first byte, where one came."""
        server = _closed(name, self._upstreams)
        result = "answer" if result in _ANSWERS else _closed(result, UPSTREAM_RESULTS)
        self._child(self._requests, server, result).inc()
        if first_byte is not None:
            self._child(self._first_byte, server).observe(first_byte)

    def operation(self, path: str, seconds: float, first: float | None) -> None:
        """Observe a request that the model answered with text. ``first``: seconds to the first text."""
        operation = OPERATIONS.get(path)
        if operation is None:
            return
        self._child(self._operation, operation).observe(seconds)
        if first is not None:
            self._child(self._operation_first, operation).observe(first)

    def tokens(self, prompt: int, completion: int, model: str, role: str) -> None:
        """Add the counts of one answer; counts that cannot be are left out."""
        names = (_closed(model, self._models), _closed(role, self._roles))
        for kind, number in zip(TOKEN_KINDS, (prompt, completion), strict=True):
            if 0 <= number <= _MOST_TOKENS:
                self._child(self._tokens, kind, *names).inc(number)

    def _child(self, family: Any, *labels: str) -> Any:
        key = (family, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = family.labels(*labels)
        return child


def usage_of(body: object) -> tuple[int, int] | None:
    """Return the tokens of prompt and completion that an answer or a chunk of one states."""
    if not isinstance(body, dict):
        return None
    counts = body.get("usage")
    if counts is None and isinstance(inner := body.get("response"), dict):
        counts = inner.get("usage")
    if not isinstance(counts, dict):
        return None
    prompt = _count(counts, "prompt_tokens", "input_tokens")
    completion = _count(counts, "completion_tokens", "output_tokens")
    return (prompt, completion) if prompt or completion else None


def _count(counts: dict[Any, Any], *names: str) -> int:
    for name in names:
        value = counts.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
            return value
    return 0


def _closed(value: str, known: Collection[str]) -> str:
    return value if value in known else OTHER
