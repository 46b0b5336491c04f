"""What a server says while it runs: lines for people, or a JSON object a line for collectors.

May import: the standard library. The rule that must stay true: a line holds no text of an answer: of an error
that nobody expected it tells the kind and the place, never the message, which could repeat what was read.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from proxy.types import Decision

FORMATS = ("text", "json")
REQUESTS = logging.getLogger("sluicegate.requests")
"""One line a request, where lines are JSON."""


class Lines(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        said = f"sluicegate: {record.levelname.lower()}: {_message(record)}"
        return "\n".join([said, *(f"  {frame}" for frame in _frames(record))])


class JsonLines(logging.Formatter):
    """A JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": _message(record),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            line |= fields
        frames = _frames(record)
        if frames:
            line["trace"] = frames
        return json.dumps(line, ensure_ascii=True, default=str)


def configure(form: str) -> None:
    """Say everything in this form on the error stream; requests only as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("sluicegate").setLevel(logging.INFO if form == "json" else logging.WARNING)


def request(decision: Decision) -> None:
    """One line about a request that was decided, or that did not reach the model."""
    if not REQUESTS.isEnabledFor(logging.INFO):
        return
    extra = decision.extra
    fields = {
        "incident": decision.incident,
        "request": extra.get("request"),
        "endpoint": decision.path,
        "role": decision.role,
        "key": decision.key_id,
        "subject": decision.subject,
        "outcome": decision.outcome,
        "fault": extra.get("fault"),
        "rules": sorted({verdict.rule for verdict in decision.verdicts}),
        "received": decision.received,
        "released": decision.released,
        "seconds": round(decision.seconds, 6),
        "first_delivered": decision.first_delivered,
    }
    REQUESTS.info("request", extra={"fields": {name: value for name, value in fields.items() if value}})


def _message(record: logging.LogRecord) -> str:
    """The message; where an error was caught by somebody else, only what kind it was."""
    if record.exc_info and record.exc_info[0] is not None:
        return f"unexpected {record.exc_info[0].__name__} in {record.name}"
    return record.getMessage()


def _frames(record: logging.LogRecord) -> list[str]:
    """Where an error came from, innermost last: files, lines and functions, no values."""
    if not record.exc_info or record.exc_info[2] is None:
        return []
    return [f"{each.filename}:{each.lineno} {each.name}" for each in traceback.extract_tb(record.exc_info[2])]
