"""Where things are: the settings of one server. What is allowed stands in the policy, not here.

May import: ``proxy.errors``. The rule that must stay true: the settings hold no secret but by name;
keys come from the environment of each process.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

SETTINGS_VARIABLE = "SLUICEGATE_SETTINGS"
"""How the parent of several workers hands them its settings."""

MAX_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """Paths and addresses. ``policy`` None: the packaged default. ``trail`` None: beside the state."""

    index: Path
    upstream: str
    state: Path
    policy: Path | None = None
    trail: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    metrics_port: int | None = None
    workers: int = 1
    max_body: int = MAX_BODY

    def to_json(self) -> str:
        return json.dumps(
            {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}
        )

    @classmethod
    def from_json(cls, text: str) -> Settings:
        data = json.loads(text)
        for name in ("index", "state", "policy", "trail"):
            if data.get(name) is not None:
                data[name] = Path(data[name])
        return cls(**data)

    @property
    def trail_path(self) -> Path:
        return self.trail or self.state.with_name(self.state.stem + ".trail.jsonl")
