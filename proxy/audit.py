"""The trail: one JSON line for each decision, and finding a line again by its incident.

May import: ``proxy.types`` and ``proxy.errors``. The rule that must stay true: a line holds no text of
an answer or of the training set; names that could smuggle some (a channel, an extra) are checked.

A line is written whole, by one ``write`` on a file opened for appending, so workers share a file. The
fields of a line may grow: readers pass over those they do not know (a hash chain would add one). The
file may be moved away (logrotate); the next line begins a new one.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.errors import ConfigError
from proxy.types import Decision, Verdict

FORMAT = 1
"""The version of a line's fields."""

MOST_VERDICTS = 200
"""Verdicts on one line; ``verdicts_left_out`` counts the others."""

_BEGIN = b'{"v":'
_LONGEST_NAME = 200
_INCIDENT = re.compile(r"inc_[0-9a-f]{16}")
_CHANNEL = re.compile(r"[a-z_]{1,24}(?:[.:/#-](?:[a-z_]{1,24}|[0-9]{1,4})|\[[0-9]{1,4}\]){0,8}")
_LABEL = re.compile(r"[A-Za-z0-9_.:/@+\[\]-]{1,80}")
_UNSAID = "other"


def new_incident() -> str:
    """An id for one request: ``inc_`` and 16 hexadecimal digits, random."""
    return f"inc_{secrets.token_hex(8)}"


class Trail:
    """Appends decisions to a file, mode 0600; with no path it writes nothing.

    Raises ``ConfigError`` where the file cannot be opened. Threads may share one.
    """

    def __init__(self, path: Path | None, *, sync: bool = False) -> None:
        """``sync``: wait for the disk after each line (slow, and survives a power cut)."""
        self._path = path
        self._sync = sync
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._file = (0, 0)
        self._torn = False
        self._closed = False
        if path is not None:
            with self._lock:
                self._open(path)

    def record(self, decision: Decision) -> None:
        """Write the decision's line. Raises ``ConfigError`` where it did not get on the disk whole."""
        if self._path is None:
            return
        line = encode(decision)
        with self._lock:
            self._follow(self._path)
            try:
                self._append(line)
            except OSError as error:
                raise self._fault(self._path, error) from None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def _append(self, line: bytes) -> None:
        assert self._handle is not None
        whole = b"\n" + line if self._torn else line  # the rest of a torn line must not swallow this one
        written = os.write(self._handle, whole)
        if written != len(whole):
            self._torn = written > 0 or self._torn
            raise OSError(0, f"only {written} of {len(whole)} bytes of a line could be written")
        self._torn = False
        if self._sync:
            os.fsync(self._handle)

    def _follow(self, path: Path) -> None:
        """Begin a new file where the old one was moved away."""
        if self._closed:
            raise ConfigError(f"{path}: the trail is closed")
        try:
            found = os.stat(path)
            if self._handle is not None and (found.st_dev, found.st_ino) == self._file:
                return
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._fault(path, error) from None
        self._open(path)

    def _open(self, path: Path) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            found = os.fstat(self._handle)
            regular = stat.S_ISREG(found.st_mode) and found.st_size > 0
            self._torn = regular and os.pread(self._handle, 1, found.st_size - 1) != b"\n"
        except OSError as error:
            raise self._fault(path, error) from None
        self._file = (found.st_dev, found.st_ino)

    @staticmethod
    def _fault(path: Path, error: OSError) -> ConfigError:
        return ConfigError(f"{path}: the trail cannot be written: {error.strerror or error}")


def encode(decision: Decision) -> bytes:
    """The decision's line: one JSON object in ASCII, ended by a newline."""
    line: dict[str, Any] = {
        "v": FORMAT,
        "time": _time(decision.time),
        "incident": decision.incident,
        "key": decision.key_id,
        "role": decision.role,
        "model": decision.model[:_LONGEST_NAME],
        "path": decision.path[:_LONGEST_NAME],
        "outcome": decision.outcome,
        "verdicts": _verdicts(decision),
        "verdicts_left_out": max(0, len(decision.verdicts) - MOST_VERDICTS),
        "received": decision.received,
        "released": decision.released,
        "held_max": decision.held_max,
        "seconds": _finite(decision.seconds),
        "first_upstream": _finite(decision.first_upstream),
        "first_delivered": _finite(decision.first_delivered),
    }
    if decision.extra:
        line["extra"] = {_label(key): _plain(value) for key, value in decision.extra.items()}
    return json.dumps(line, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _verdicts(decision: Decision) -> list[dict[str, Any]]:
    """The verdicts in their order; of too many, those that did most."""
    numbers: Iterable[int] = range(len(decision.verdicts))
    if len(decision.verdicts) > MOST_VERDICTS:
        by_weight = sorted(numbers, key=lambda n: _weight(decision.verdicts[n]), reverse=True)
        numbers = sorted(by_weight[:MOST_VERDICTS])
    return [_verdict(decision, number) for number in numbers]


def _weight(verdict: Verdict) -> tuple[bool, int]:
    return verdict.enforced, int(verdict.action)


def _verdict(decision: Decision, number: int) -> dict[str, Any]:
    verdict = decision.verdicts[number]
    choice, channel = decision.choices[number] if number < len(decision.choices) else (None, None)
    finding = verdict.finding
    provenance = finding.provenance
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
        "document": provenance.document[:_LONGEST_NAME] if provenance else None,
        "audience": provenance.audience[:_LONGEST_NAME] if provenance else None,
        "fingerprint": finding.fingerprint,
        "choice": choice,
        "channel": _channel(channel),
    }


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


def _time(seconds: float) -> str:
    """ISO 8601 in UTC, in milliseconds: ``2026-01-02T03:04:05.678Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def find(path: Path, incident: str) -> Mapping[str, Any] | None:
    """The line of an incident, or None where the file has none.

    Raises ``ConfigError`` where the file cannot be read, the id is none, or the line is damaged.
    """
    if not _INCIDENT.fullmatch(incident):
        raise ConfigError("an incident id is inc_ and 16 digits of 0-9 and a-f, as the refusal shows it")
    damaged = ""
    try:
        for number, line in _lines_with(path, incident.encode()):
            found = _decoded(line)
            if found is None:
                damaged = damaged or f"{path}:{number}: a line about this incident is damaged"
            elif found.get("incident") == incident:
                return found
    except OSError as error:
        raise ConfigError(f"{path}: the trail cannot be read: {error.strerror or error}") from None
    if damaged:
        raise ConfigError(damaged)
    return None


def _lines_with(path: Path, needle: bytes) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if needle in line:
                yield number, line


def _decoded(line: bytes) -> dict[str, Any] | None:
    """A line's object; where the beginning of a torn line stands before it, what follows that."""
    for begin in (0, line.rfind(_BEGIN)):
        try:
            found = json.loads(line[max(begin, 0) :])
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None
