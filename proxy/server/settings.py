"""Where things are: the settings of one server. What is allowed stands in the policy, not here.

May import: the standard library. The rule that must stay true: the settings hold no secret but by name;
keys come from the environment of each process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

MAX_BODY = 16 * 1024 * 1024

GATHER = 0.1
"""Seconds that people still take for at once (Miller 1968; Nielsen 1993); five tokens of a model that says
fifty a second."""

METRICS_PORT = 9464

TRAIL_SIZE = 64 * 1024 * 1024
TRAIL_FILES = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """Paths and addresses. ``policy`` None: the packaged default. ``trail`` None: beside the state.
    ``redis``: the address of the state that replicas share, in place of the file ``state``.
    ``metrics_port``: where operators read ``/metrics`` and ``/readyz`` in full, on ``metrics_host``; None:
    ``/metrics`` is on the clients' port. ``metrics_port_fixed``: False takes another port where it is taken.
    ``trail_size``: bytes at which a file of the trail is rotated; ``trail_files`` are kept.
    ``log_format``: one of ``logs.FORMATS``; ``log_level``: one of ``logs.LEVELS``.
    ``traces``: whether spans go to OpenTelemetry.
    ``upstreams``: the file of the models' servers, in place of ``upstream``. In seconds: ``keep_alive``, the
    silence before a comment; ``gather``, how long pieces of a stream are let come before they are read
    together; ``patience``, how long a caller may take for one event; ``grace``, for answers that go on when
    the server ends; ``head_timeout``, for a request's head to arrive; ``body_timeout``, for its body;
    ``idle_timeout``, between two requests of a connection. ``connections``: the most that a worker keeps.
    ``allow_older``: serve an index that is older than what was served before. ``verify``: when the sums of
    an index are checked, ``before`` it serves or ``later``, while it serves."""

    index: Path
    upstream: str | None
    state: Path
    policy: Path | None = None
    trail: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    metrics_port: int | None = METRICS_PORT
    metrics_host: str = "127.0.0.1"
    metrics_port_fixed: bool = False
    workers: int = 1
    redis: str | None = None
    log_format: str = "text"
    log_level: str = "info"
    traces: bool = False
    upstreams: Path | None = None
    keep_alive: float = 15.0
    gather: float = GATHER
    patience: float = 60.0
    grace: float = 30.0
    head_timeout: float = 10.0
    body_timeout: float = 60.0
    idle_timeout: float = 5.0
    connections: int = 1000
    max_body: int = MAX_BODY
    trail_size: int = TRAIL_SIZE
    trail_files: int = TRAIL_FILES
    allow_older: bool = False
    verify: str = "before"

    def to_json(self) -> str:
        return json.dumps(
            {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}
        )

    @classmethod
    def from_json(cls, text: str) -> Settings:
        data = json.loads(text)
        for name in ("index", "state", "policy", "trail", "upstreams"):
            if data.get(name) is not None:
                data[name] = Path(data[name])
        return cls(**data)

    @property
    def trail_path(self) -> Path:
        return self.trail or self.state.with_name(self.state.stem + ".trail.jsonl")


DEFAULTS: Mapping[str, Any] = {
    each.name: each.default for each in fields(Settings) if each.default is not MISSING
}
"""The default of every setting that has one. The command line takes its own from here."""
