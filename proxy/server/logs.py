"""Logs of a server: lines for people, or one JSON object a line for collectors.

Invariant: a line holds no text of an answer, no key and no query string. Of an error that nobody foresaw it
has the kind and the place, never the message, which could quote what was read. What a client chose (model,
address) is bounded and has a closed syntax.
"""

from __future__ import annotations

import contextvars
import ipaddress
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from starlette.types import Scope

from proxy.types import Decision

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
REQUESTS = logging.getLogger("sluicegate.requests")
"""One line a request, where lines are JSON."""

_EVENTS = logging.getLogger("sluicegate")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that are asked every few seconds: their requests are logged at level debug."""

_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
_line: contextvars.ContextVar[RequestLine | None] = contextvars.ContextVar("line", default=None)


class Lines(logging.Formatter):
    """Lines for people.

    Control characters are escaped, and further lines indented: no text in a message looks like an event.
    """

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        first, *more = map(escaped, _message(record).split("\n"))
        rest = (f"  {each}" for each in (*more, *_frames(record)))
        return "\n".join([f"sluicegate: {level}{first}", *rest])


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


def configure(form: str, level: str = "info") -> None:
    """Log in this form to the error stream, warnings of Python too.

    ``level`` is for this program. Libraries log warnings, or errors only: what they log at lower levels may
    hold text of an answer.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    chosen = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, chosen))
    _EVENTS.setLevel(chosen)
    REQUESTS.setLevel(chosen if form == "json" else logging.ERROR)
    logging.captureWarnings(True)


def catch_the_rest() -> None:
    """Log errors that nobody caught, in place of a traceback on the error stream. For a process that does
    nothing but serve."""
    logging.raiseExceptions = False  # a line that cannot be written is no reason for a traceback
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def escaped(text: str) -> str:
    """Return the text with everything that a terminal would act on spelt out."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class RequestLine:
    """The line of one HTTP request. While it is entered, decisions on that request are added to it."""

    def __init__(self, scope: Scope, request_id: str) -> None:
        self._scope = scope
        self._id = request_id
        self._fields: dict[str, Any] = {}
        self._token: contextvars.Token[RequestLine | None] | None = None

    def __enter__(self) -> Self:
        self._token = _line.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _line.reset(self._token)

    def add(self, decision: Decision, own: bool) -> bool:
        """Take the fields of a decision, if it is on this request and the first one."""
        if self._fields or not (own or decision.extra.get("request") == self._id):
            return False
        self._fields = _fields(decision)
        return True

    def write(self, path: str, status: int, seconds: float) -> None:
        """Log the request. ``path``: its route template. ``status``: 0 where no response began."""
        level = logging.DEBUG if path in _QUIET else logging.INFO
        if not REQUESTS.isEnabledFor(level):
            return
        method = str(self._scope.get("method", ""))
        fields = {
            "method": method if method in _METHODS else "other",
            "path": path,
            "status": status,
            "client": _client(self._scope),
            "request": self._id,
            "duration": round(seconds, 6),
            **self._fields,
        }
        REQUESTS.log(level, "request", extra={"fields": fields})


def request(decision: Decision, *, own: bool = False) -> None:
    """Log what was decided on a request: in its line where that is still open.

    ``own``: the decision is on the request that is being handled; else it names its request.
    """
    if decision.outcome == "blocked":
        _EVENTS.info("%s", _blocked(decision), extra={"fields": _block_fields(decision)})
    line = _line.get()
    if line is not None and line.add(decision, own):
        return
    REQUESTS.info("decision", extra={"fields": _fields(decision)})


def _fields(decision: Decision) -> dict[str, Any]:
    extra = decision.extra
    fields = {
        "incident": decision.incident,
        "request": extra.get("request"),
        "endpoint": decision.path,
        "role": decision.role,
        "key": decision.key_id,
        "subject": decision.subject,
        "model": model_name(decision.model),
        "outcome": decision.outcome,
        "fault": extra.get("fault"),
        "rules": sorted({verdict.rule for verdict in decision.verdicts}),
        "received": decision.received,
        "released": decision.released,
        "seconds": round(decision.seconds, 6),
        "first_delivered": decision.first_delivered,
    }
    return {name: value for name, value in fields.items() if value}


def _block_fields(decision: Decision) -> dict[str, Any]:
    return {"event": "block", "incident": decision.incident, "role": decision.role, "rules": _rules(decision)}


def _blocked(decision: Decision) -> str:
    rules = ", ".join(_rules(decision)) or "none"
    return f"blocked {decision.incident}: role {decision.role}, rule {rules}, action block"


def _rules(decision: Decision) -> list[str]:
    """The rules that stopped the answer."""
    blocks = (each for each in decision.verdicts if each.enforced and each.action.name == "BLOCK")
    return sorted({verdict.rule for verdict in blocks})


def model_name(given: str) -> str:
    """Return a model's name as a client gave it, if it looks like one; else ``other``: it may be any text."""
    return given if not given or _MODEL.fullmatch(given) else "other"


def _client(scope: Scope) -> str:
    """The client's address. It may come from a forwarding header, so it is checked."""
    client = scope.get("client")
    try:
        return str(ipaddress.ip_address(str(client[0]).partition("%")[0])) if client else ""
    except ValueError:
        return "other"


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


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("sluicegate").error("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and found.exc_type is not SystemExit:
        _uncaught(found.exc_type, found.exc_value, found.exc_traceback)


def _unraisable(found: Any) -> None:
    kind = found.exc_type
    _EVENTS.error("uncaught", exc_info=(kind, found.exc_value or kind(), found.exc_traceback))
