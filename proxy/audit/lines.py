"""What a line of the trail says: the fields of a decision, and of a request that has begun.

May import: ``proxy.types``. The rule that must stay true: a line holds no text of an answer or of the
training set; names that could smuggle some (a channel, an extra) are checked.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from proxy.types import Decision, Verdict

MOST_VERDICTS = 200
"""Verdicts on one line; ``verdicts_left_out`` counts the others."""

INCIDENT = re.compile(r"inc_[0-9a-f]{16}")

_LONGEST_NAME = 200
_CHANNEL = re.compile(r"[a-z_]{1,24}(?:[.:/#-](?:[a-z_]{1,24}|[0-9]{1,4})|\[[0-9]{1,4}\]){0,8}")
_LABEL = re.compile(r"[A-Za-z0-9_.:/@+\[\]-]{1,80}")
_UNSAID = "other"


def new_incident() -> str:
    """An id for one request: ``inc_`` and 16 hexadecimal digits, random."""
    return f"inc_{secrets.token_hex(8)}"


def decided(decision: Decision, most: int = MOST_VERDICTS) -> dict[str, Any]:
    """The fields of a decision. ``most``: verdicts; of more, those that did most are kept."""
    line: dict[str, Any] = {
        "time": time_of(decision.time),
        "incident": decision.incident,
        "key": decision.key_id,
        "role": decision.role,
        "model": decision.model[:_LONGEST_NAME],
        "path": decision.path[:_LONGEST_NAME],
        "outcome": decision.outcome,
        "verdicts": _verdicts(decision, most),
        "verdicts_left_out": max(0, len(decision.verdicts) - most),
        "received": decision.received,
        "released": decision.released,
        "held_max": decision.held_max,
        "seconds": _finite(decision.seconds),
        "first_upstream": _finite(decision.first_upstream),
        "first_delivered": _finite(decision.first_delivered),
    }
    if decision.subject:
        line["subject"] = _label(decision.subject)
    if decision.extra:
        line["extra"] = checked(decision.extra)
    return line


def begun(decision: Decision) -> dict[str, Any]:
    """The fields of a request that goes to the model now: who asks for what, as the decision will say."""
    return {
        "time": time_of(decision.time),
        "incident": decision.incident,
        "key": decision.key_id,
        "role": decision.role,
        "model": decision.model[:_LONGEST_NAME],
        "path": decision.path[:_LONGEST_NAME],
    }


def told(verdict: Verdict, longest: int | None = None) -> dict[str, Any]:
    """What may be said of a verdict: which rule, what was found and where, never the text.

    ``longest``: characters of the names of its document and audience, for a line that is kept.
    """
    finding, origin = verdict.finding, verdict.finding.provenance
    return {
        "rule": verdict.rule,
        "action": verdict.action.name.lower(),
        "enforced": verdict.enforced,
        "detector": finding.detector,
        "entity": finding.entity,
        "start": finding.span.start,
        "end": finding.span.end,
        "at": finding.at,
        "origin": finding.origin,
        "score": _finite(finding.score),
        "document": origin.document[:longest] if origin else None,
        "audience": origin.audience[:longest] if origin else None,
        "fingerprint": finding.fingerprint,
    }


def checked(fields: Mapping[str, object]) -> dict[str, object]:
    """Fields from elsewhere: numbers, truth values and short labels pass, anything else does not."""
    return {_label(name): _plain(value) for name, value in fields.items()}


def _verdicts(decision: Decision, most: int) -> list[dict[str, Any]]:
    """The verdicts in their order; of too many, those that did most."""
    numbers: Iterable[int] = range(len(decision.verdicts))
    if len(decision.verdicts) > most:
        by_weight = sorted(numbers, key=lambda n: _weight(decision.verdicts[n]), reverse=True)
        numbers = sorted(by_weight[:most])
    return [_verdict(decision, number) for number in numbers]


def _weight(verdict: Verdict) -> tuple[bool, int]:
    return verdict.enforced, int(verdict.action)


def _verdict(decision: Decision, number: int) -> dict[str, Any]:
    verdict = decision.verdicts[number]
    choice, channel = decision.choices[number] if number < len(decision.choices) else (None, None)
    return told(verdict, _LONGEST_NAME) | {"choice": choice, "channel": _channel(channel)}


def _channel(name: str | None) -> str | None:
    """A channel is named after a field, and a field's name may be the upstream's: it must look like one."""
    return name if name is None or _CHANNEL.fullmatch(name) else _UNSAID


def _label(name: str) -> str:
    return name if _LABEL.fullmatch(name) else _UNSAID


def _plain(value: object) -> object:
    """Numbers, truth values and short labels pass; anything that could be text does not."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return _finite(value)
    return _label(value) if isinstance(value, str) else _UNSAID


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else round(number, 6)


def time_of(seconds: float) -> str:
    """ISO 8601 in UTC, in milliseconds: ``2026-01-02T03:04:05.678Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
