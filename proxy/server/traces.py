"""OpenTelemetry: a span for each request that reached the model, where the operator asks for it.

Off unless it is asked for, and then the packages of the extra ``otel`` are needed. Where spans go is said by
the standard variables (``OTEL_EXPORTER_OTLP_ENDPOINT`` and the like). A caller's ``traceparent`` (W3C Trace
Context) is taken up. Attributes are named after the semantic conventions for generative AI; those that hold
content are never set.

May import: ``proxy.errors``, ``proxy.types``, ``proxy.metrics``; opentelemetry inside functions. The rule
that must stay true: a span holds what the trail holds at most, so no text.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from proxy import __version__
from proxy.errors import ConfigError
from proxy.traffic import OPERATIONS
from proxy.types import Decision

_PARENT: ContextVar[str] = ContextVar("traceparent", default="")
_FAILED = frozenset({"fault", "upstream_error", "cancelled"})


class Parent:
    """ASGI middleware that remembers a request's ``traceparent`` for its span."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
            _PARENT.set(given[:200].decode("latin-1"))
        await self._app(scope, receive, send)


class Traces:
    """Makes spans of decisions. ``exporter``: where they go; by default over OTLP, in a thread of its own."""

    def __init__(self, exporter: Any = None) -> None:
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

            if exporter is None:
                from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

                processor: Any = BatchSpanProcessor(OTLPSpanExporter())
            else:
                processor = SimpleSpanProcessor(exporter)
        except ModuleNotFoundError:
            raise ConfigError(
                "--traces: OpenTelemetry is not installed; install sluicegate with the extra 'otel'"
            ) from None
        resource = Resource.create({"service.name": "sluicegate", "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("sluicegate", __version__)

    def request(self, decision: Decision) -> None:
        """The span of a request, from when it came to now."""
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        operation = OPERATIONS.get(decision.path, "other")
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "http.route": decision.path if decision.path in OPERATIONS else "other",
            "sluicegate.incident": decision.incident,
            "sluicegate.role": decision.role,
            "sluicegate.outcome": decision.outcome,
            "sluicegate.rules": sorted({verdict.rule for verdict in decision.verdicts}),
        }
        if decision.first_upstream is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = decision.first_upstream
        failed = decision.outcome in _FAILED
        if failed:
            attributes["error.type"] = decision.outcome
        began = int(decision.time * 1e9)
        span = self._tracer.start_span(
            operation,
            context=TraceContextTextMapPropagator().extract({"traceparent": _PARENT.get()}),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=began,
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(began + int(decision.seconds * 1e9))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
