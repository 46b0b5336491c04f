"""Decisions and verdicts for whoever needs some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proxy.types import Action, Decision, Finding, Provenance, Span, Verdict


def verdict(rule: str = "r", action: Action = Action.BLOCK, **changes: Any) -> Verdict:
    finding = Finding(
        "memorised",
        "passage",
        Span(12, 40),
        39,
        score=0.987654321,
        provenance=Provenance("hr/people.jsonl:7", "staff"),
        origin=3,
        fingerprint="a1b2c3",
    )
    return Verdict(action, rule, finding, **changes)


def decision(**changes: Any) -> Decision:
    given: dict[str, Any] = {
        "incident": "inc_0123456789abcdef",
        "time": 1767323045.678,
        "key_id": "key_0123456789ab",
        "role": "public",
        "model": "tuned",
        "path": "/v1/chat/completions",
        "outcome": "blocked",
    }
    return Decision(**{**given, **changes})


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of one file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def incidents(path: Path) -> list[str]:
    """Of which incidents a file holds decisions, in order."""
    return [line["incident"] for line in read(path) if line["kind"] == "decision"]
