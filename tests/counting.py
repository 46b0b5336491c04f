"""Metrics with small closed sets, a decision and a verdict to count."""

from __future__ import annotations

from typing import Any

from proxy.metrics import Metrics
from proxy.types import Action, Decision, Finding, Span, Verdict


def made(**changes: Any) -> Metrics:
    given: dict[str, Any] = {
        "roles": ("public", "staff"),
        "rules": ("memorised", "no-rule"),
        "policy": ("default", "abc123"),
        "version": "0.1.0",
    }
    return Metrics(**{**given, **changes})


def decision(**changes: Any) -> Decision:
    given: dict[str, Any] = {
        "incident": "inc_0123456789abcdef",
        "time": 0.0,
        "key_id": "key_0123456789ab",
        "role": "public",
        "model": "tuned",
        "path": "/v1/chat/completions",
        "outcome": "passed",
    }
    return Decision(**{**given, **changes})


def verdict(rule: str, action: Action = Action.BLOCK, enforced: bool = True) -> Verdict:
    return Verdict(action, rule, Finding("d", "e", Span(0, 1), 0), enforced)


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"sluicegate_{name}", labels)
