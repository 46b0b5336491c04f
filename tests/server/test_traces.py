"""OpenTelemetry: a span a request, under the caller's own, without content; off unless it is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.server.app import create_app, open_house
from proxy.server.settings import Settings
from proxy.server.traces import Parent, Traces
from tests.cli.running import ROOT, environment
from tests.server.test_logs import DECISION
from tests.training import SmallIndex

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> Any:
    memory = pytest.importorskip(
        "opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="the extra otel is not installed"
    )
    return memory.InMemorySpanExporter()


@pytest.fixture
def traces(exporter: Any) -> Iterator[Traces]:
    made = Traces(exporter)
    yield made
    made.close()


def test_a_span_of_a_request(traces: Traces, exporter: Any) -> None:
    """Named and timed as the conventions say; outcome and rules, and no content."""
    traces.request(DECISION)
    (span,) = exporter.get_finished_spans()
    assert span.name == "chat"
    assert span.end_time - span.start_time == 500_000_000
    assert span.start_time == 1_000_000_000
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "http.route": "/v1/chat/completions",
        "sluicegate.incident": DECISION.incident,
        "sluicegate.role": "public",
        "sluicegate.outcome": "blocked",
        "sluicegate.rules": ("memorised",),
    }
    assert span.resource.attributes["service.name"] == "sluicegate"
    assert span.status.is_ok or span.status.status_code.name == "UNSET"


def test_a_failure_is_marked(traces: Traces, exporter: Any) -> None:
    """What did not end well has an error type; an unknown endpoint is no attribute."""
    traces.request(replace(DECISION, outcome="upstream_error", path="/v1/" + "x" * 50, first_upstream=0.25))
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["error.type"] == "upstream_error"
    assert span.attributes["http.route"] == span.name == "other"
    assert span.attributes["gen_ai.response.time_to_first_chunk"] == 0.25


@pytest.mark.parametrize(
    ("given", "known"), [(PARENT.encode(), True), (b"nonsense", False), (b"\xff" * 500, False), (None, False)]
)
async def test_a_callers_trace_goes_on(
    traces: Traces, exporter: Any, given: bytes | None, known: bool
) -> None:
    """The span is the child of the caller's; what is no traceparent is passed over."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        traces.request(DECISION)

    headers = [] if given is None else [(b"traceparent", given)]
    await Parent(app)({"type": "http", "headers": headers}, None, None)  # type: ignore[arg-type]
    (span,) = exporter.get_finished_spans()
    assert (format(span.context.trace_id, "032x") == TRACE) is known


def test_off_unless_asked_for(small_index: SmallIndex, tmp_path: Path) -> None:
    """A server without ``--traces`` does not even import OpenTelemetry's SDK."""
    script = (
        "import sys; from pathlib import Path; from proxy.server.app import create_app, open_house\n"
        "from proxy.server.settings import Settings\n"
        f"where = Settings(index=Path({str(small_index.path)!r}), upstream='http://127.0.0.1:9/v1', "
        f"state=Path({str(tmp_path / 's.sqlite')!r}))\n"
        f"create_app(open_house(where, {small_index.environment!r}))\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]"
    )
    subprocess.run([sys.executable, "-c", script], env=environment(), cwd=ROOT, timeout=60, check=True)


async def test_asked_for(small_index: SmallIndex, tmp_path: Path) -> None:
    """With ``--traces`` the house has them, and ends them when it is closed."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")
    where = Settings(
        index=small_index.path, upstream="http://127.0.0.1:9/v1", state=tmp_path / "s.sqlite", traces=True
    )
    house = open_house(where, small_index.environment)
    assert house.traces is not None
    assert Parent in [each.cls for each in create_app(house).user_middleware]
    await house.close()
