"""Decisions for people: the recent ones of a trail that fit a filter, and the lines that are no records.

What is read may be damaged or hostile: a line is at most ``LONGEST`` bytes, every field has the type that it
is used as, and only the fields of :class:`Row` leave here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from proxy.audit.lines import INCIDENT
from proxy.audit.reading import decoded, opened, pieces
from proxy.audit.verify import Fault

LONGEST = 1 << 20
"""Bytes of a line; the trail writes none that comes near it."""
_MOST_FAULTS = 1000
_NAME = 200


@dataclass(frozen=True, slots=True)
class Row:
    """A decision in short. ``rules``: those that were enforced, each once; ``seconds``: how long it took."""

    time: str
    outcome: str
    role: str
    key: str
    model: str
    endpoint: str
    rules: tuple[str, ...]
    actions: tuple[str, ...]
    verdicts: int
    received: int
    released: int
    seconds: float
    subject: str
    incident: str

    @property
    def when(self) -> float:
        """Seconds since the epoch."""
        return _epoch(self.time)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions are wanted; an empty field wants all. ``since``: seconds since the epoch."""

    since: float | None = None
    roles: Collection[str] = ()
    outcomes: Collection[str] = ()
    actions: Collection[str] = ()
    rules: Collection[str] = ()
    keys: Collection[str] = ()

    def fits(self, row: Row) -> bool:
        """Return whether a decision is wanted. Rules and actions are those of verdicts that were enforced."""
        return (
            (self.since is None or row.when >= self.since)
            and (not self.roles or row.role in self.roles)
            and (not self.outcomes or row.outcome in self.outcomes)
            and (not self.keys or row.key in self.keys)
            and (not self.actions or not set(self.actions).isdisjoint(row.actions))
            and (not self.rules or not set(self.rules).isdisjoint(row.rules))
        )


@dataclass(slots=True)
class Listing:
    """Decisions, oldest first, and what could not be read. ``unfinished``: a last line without its end."""

    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    more_faults: int = 0
    unfinished: bool = False

    def fault(self, fault: Fault) -> None:
        """Keep a fault; of too many, only their number."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(fault)
        else:
            self.more_faults += 1


def recent(path: Path, wanted: Wanted, limit: int | None) -> Listing:
    """Read the last ``limit`` decisions that fit, from as many files of the trail as that takes; None: all.

    Raises ConfigError where the trail cannot be read.
    """
    listing = Listing()
    with opened(path) as files:
        for name, file in reversed(files):
            newest = name == path
            left = None if limit is None else limit - len(listing.rows)
            if left is not None and left <= 0:
                break
            rows: deque[Row] = deque(maxlen=left)
            for number, line, whole in lines(file):
                if not whole and newest:
                    listing.unfinished = True  # it may still be being written
                    continue
                rows.extend(row for row in records(line, name, number, listing) if wanted.fits(row))
            listing.rows[:0] = rows
    return listing


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Yield number, content and whether it has its end, for each line from here on.

    A line beyond ``LONGEST`` is cut off there, so that it is no record.
    """
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        whole = line.endswith(b"\n")
        rest = line
        while not whole and len(rest) == LONGEST:
            rest = file.readline(LONGEST)
            whole = rest.endswith(b"\n")
        yield number, line, whole


def records(line: bytes, file: Path, number: int, listing: Listing) -> Iterator[Row]:
    """Yield the decisions in a line; note in ``listing`` what is no record."""
    for record in pieces(line):
        if len(line) >= LONGEST:
            listing.fault(Fault(file, number, f"longer than any line of a trail ({LONGEST} bytes)"))
            return
        fields = decoded(record)
        if fields is None:
            listing.fault(Fault(file, number, "damaged or cut short: it is not a record"))
        elif fields.get("kind", "decision") == "decision":
            row = row_of(fields)
            if row is None:
                listing.fault(Fault(file, number, "a decision with fields of another kind"))
            else:
                yield row


def row_of(fields: Mapping[str, Any]) -> Row | None:
    """Return a decision in short; None where a field is missing or of another type."""
    verdicts = fields.get("verdicts", [])
    texts = [fields.get(name) for name in ("time", "outcome", "role", "key", "model", "path", "incident")]
    numbers = [fields.get(name, 0) for name in ("received", "released", "verdicts_left_out")]
    seconds, subject = fields.get("seconds", 0.0), fields.get("subject", "")
    if (
        not all(isinstance(each, str) for each in (*texts, subject))
        or not all(type(each) is int for each in numbers)
        or not isinstance(seconds, (int, float, type(None)))
        or not isinstance(verdicts, list)
        or not all(isinstance(each, dict) for each in verdicts)
    ):
        return None
    time, outcome, role, key, model, path, incident = (str(each)[:_NAME] for each in texts)
    try:
        _epoch(time)
    except (ValueError, OverflowError):
        return None
    enforced = [each for each in verdicts if each.get("enforced") is True]
    if not INCIDENT.fullmatch(incident) or not all(
        isinstance(each.get(name), str) for each in enforced for name in ("rule", "action")
    ):
        return None
    return Row(
        time=time,
        outcome=outcome,
        role=role,
        key=key,
        model=model,
        endpoint=path,
        rules=tuple(dict.fromkeys(each["rule"][:_NAME] for each in enforced)),
        actions=tuple(dict.fromkeys(each["action"][:_NAME] for each in enforced)),
        verdicts=len(verdicts) + numbers[2],
        received=numbers[0],
        released=numbers[1],
        seconds=float(seconds or 0.0),
        subject=subject[:_NAME],
        incident=incident,
    )


def _epoch(text: str) -> float:
    """Seconds since the epoch of a time in ISO 8601; UTC where it names no zone. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
