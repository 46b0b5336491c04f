"""The settings of a server: how a parent hands them to its workers, and where the trail lies."""

from __future__ import annotations

import json
from pathlib import Path

from proxy.server.settings import MAX_BODY, Settings

ALL = Settings(
    index=Path("a.idx"),
    upstream="http://127.0.0.1:8000/v1",
    state=Path("/var/lib/state.sqlite"),
    policy=Path("strict"),
    trail=Path("trail.jsonl"),
    host="::1",
    port=1,
    metrics_port=0,
    workers=3,
    max_body=5,
)
LEAST = Settings(index=Path("a.idx"), upstream="http://h/v1", state=Path("state.sqlite"))


def test_workers_get_what_the_parent_had() -> None:
    """JSON and back gives the same settings, paths as paths and what is absent as absent."""
    for settings in (ALL, LEAST):
        text = settings.to_json()
        assert isinstance(json.loads(text), dict)
        assert Settings.from_json(text) == settings


def test_defaults() -> None:
    """Only index, upstream and state must be told; a server listens on this machine alone."""
    assert (LEAST.host, LEAST.port, LEAST.workers, LEAST.max_body) == ("127.0.0.1", 8080, 1, MAX_BODY)
    assert (LEAST.policy, LEAST.trail) == (None, None)
    assert (LEAST.metrics_host, LEAST.metrics_port) == ("127.0.0.1", 9464)


def test_the_trail_lies_beside_the_state() -> None:
    """Unless it is told where: the state's name, and what it is."""
    assert LEAST.trail_path == Path("state.trail.jsonl")
    assert ALL.trail_path == Path("trail.jsonl")
