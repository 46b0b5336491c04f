"""What stands in ``deploy/``: dashboards, rules and the names in their PromQL; and what we export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from proxy.guard import HOLD_EXCEEDED
from proxy.metrics import Metrics
from proxy.policy import NO_RULE, UNKNOWN_ENTITY, load_policy

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yaml"
RULES_TEST = DEPLOY / "prometheus" / "rules_test.yaml"

TARGET_LABELS = frozenset({"job", "instance", "environment"})
"""What Prometheus knows of a target, without the metrics saying so."""

FOREIGN = {
    "up": TARGET_LABELS,
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "role"}),
    "process_cpu_seconds_total": TARGET_LABELS,
    "process_resident_memory_bytes": TARGET_LABELS,
    "process_start_time_seconds": TARGET_LABELS,
    "process_open_fds": TARGET_LABELS,
    "process_max_fds": TARGET_LABELS,
    "vllm:request_success_total": TARGET_LABELS,
}
"""Names that are not ours and may be asked for, with their labels."""


def dashboards() -> dict[str, dict[str, Any]]:
    """Each dashboard by its file's name."""
    folder = DEPLOY / "grafana" / "dashboards"
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels that ask for something: no rows, and no texts."""
    return [panel for panel in board["panels"] if panel["type"] not in ("row", "text")]


def rule_groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return groups


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in rule_groups() for rule in group["rules"] if "alert" in rule}


def recorded() -> dict[str, str]:
    """The expression of each recorded name."""
    return {
        rule["record"]: rule["expr"] for group in rule_groups() for rule in group["rules"] if "record" in rule
    }


@dataclass(frozen=True, slots=True)
class Asked:
    """One PromQL expression and where it stands."""

    where: str
    expr: str
    legend: str = ""
    event: bool = False
    """An annotation: it gives something only where something has happened."""


def asked() -> list[Asked]:
    """Every expression of the dashboards and the rules."""
    return [*asked_by_dashboards(), *asked_by_rules()]


def asked_by_rules() -> Iterator[Asked]:
    for group in rule_groups():
        for rule in group["rules"]:
            yield Asked(f"rules.yaml: {rule.get('alert') or rule['record']}", rule["expr"])


def asked_by_dashboards() -> Iterator[Asked]:
    for name, board in dashboards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Asked(f"{name}: {panel['title']}", target["expr"], target["legendFormat"])
        for note in board["annotations"]["list"]:
            yield Asked(f"{name}: {note['name']}", note["expr"], event=True)


def filled(expr: str, **values: str) -> str:
    """The expression with Grafana's variables filled in: all jobs, roles and rules unless said otherwise."""
    given = {"__rate_interval": "1m", "__range": "1h"} | values
    return re.sub(r"\$(\w+)", lambda found: given.get(found[1], ".*"), expr)


# --- what is exported


@cache
def exported() -> dict[str, dict[str, frozenset[str]]]:
    """Every series name that a server of the default policy exports: its labels and their values."""
    policy = load_policy(None)
    metrics = Metrics(
        roles=policy.roles,
        rules=[*(rule.id for rule in policy.rules), NO_RULE, UNKNOWN_ENTITY, HOLD_EXCEEDED],
        policy=(policy.name, policy.version),
    )
    metrics.index_opened(1, 1, 1.0, "0123456789ab")
    metrics.traffic.known(upstreams=["model:8000"], models=["tuned"])
    found: dict[str, dict[str, set[str]]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                # Prometheus before 3 keeps the bounds as they are written.
                labels.setdefault(label, set()).add(value)
    return {name: {k: frozenset(v) for k, v in labels.items()} for name, labels in found.items()}


def labels_of(name: str) -> frozenset[str] | None:
    """The labels that a series of this name may have; None where there is no such name."""
    if name in exported():
        return frozenset(exported()[name]) | TARGET_LABELS
    if name in FOREIGN:
        return FOREIGN[name]
    expr = recorded().get(name)
    return _labels_of_result(expr) if expr is not None else None


def _labels_of_result(expr: str) -> frozenset[str]:
    """The labels of a recorded expression: those it groups by, or else those of what it is made from."""
    groups = groupings(expr)
    if groups:
        return frozenset().union(*groups)
    if re.match(r"\s*sum\s*\(", expr):
        return frozenset()
    return frozenset().union(*(labels_of(name) or frozenset() for name in names(expr)))


# --- PromQL, as far as it is used here

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^{}]*)\}")
_MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_NAME = re.compile(r"(?<![\w.$])[a-zA-Z_:][\w:]*")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"})


@dataclass(frozen=True, slots=True)
class Matcher:
    """``label operator "value"`` on a series name."""

    name: str
    label: str
    value: str

    @property
    def alternatives(self) -> list[str]:
        """The values it names, where it names any: none where it holds a pattern or a variable."""
        return [] if re.search(r"[$.*+?\[\\(]", self.value) and self.label != "le" else self.value.split("|")


def matchers(expr: str) -> list[Matcher]:
    return [
        Matcher(name, label, value)
        for name, body in _SELECTOR.findall(expr)
        for label, _, value in _MATCHER.findall(body)
    ]


def groupings(expr: str) -> list[frozenset[str]]:
    """The labels of each ``by (...)``, ``on (...)`` and the like."""
    return [
        frozenset(label.strip() for label in body.split(",") if label.strip())
        for body in _GROUPING.findall(_STRING.sub('""', expr))
    ]


def names(expr: str) -> list[str]:
    """The series names that an expression asks for."""
    bare = _STRING.sub('""', expr)
    bare = re.sub(r"\{[^{}]*\}", " ", bare)
    bare = _GROUPING.sub(" ", bare)
    bare = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", bare)
    found = [match for match in _NAME.finditer(bare) if match[0] not in _WORDS]
    return [match[0] for match in found if not bare[match.end() :].lstrip().startswith("(")]
