"""Reading a trail: its files, oldest first, their lines, and the lines about one incident.

Rotated files are ``<trail>.1`` (the newest) and so on. All are opened before the first is read, so that a
rotation meanwhile hides none.

May import: ``proxy.errors`` and this room. The rule that must stay true: a damaged line hides no other.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from proxy.audit.chain import BEGIN
from proxy.audit.lines import INCIDENT
from proxy.errors import ConfigError


def rotated(path: Path) -> list[Path]:
    """The rotated files of a trail, newest first."""
    name = re.compile(re.escape(path.name) + r"\.([1-9][0-9]{0,5})")
    found = []
    for each in path.parent.iterdir():
        match = name.fullmatch(each.name)
        if match is not None:
            found.append((int(match[1]), each))
    return [each for _, each in sorted(found)]


@contextmanager
def opened(path: Path) -> Iterator[list[tuple[Path, BinaryIO]]]:
    """Every file of a trail, oldest first. Raises ConfigError where none can be read."""
    with ExitStack() as stack:
        files: list[tuple[Path, BinaryIO]] = []
        seen: set[tuple[int, int]] = set()
        try:
            # The newest first: a file that is moved on meanwhile is met again, and known by its inode.
            for each in [path, *rotated(path)]:
                if not each.exists() and (each != path or rotated(path)):
                    continue  # moved on meanwhile: it is met again under its next name, or has no successor
                file = stack.enter_context(each.open("rb"))
                status = os.fstat(file.fileno())
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    files.append((each, file))
        except OSError as error:
            raise ConfigError(f"{path}: the trail cannot be read: {error.strerror or error}") from None
        yield files[::-1]


def pieces(line: bytes) -> list[bytes]:
    """The records that stand in one line of a file: one, unless a torn one stands before it."""
    starts = [match.start() for match in re.finditer(re.escape(BEGIN), line)]
    if not starts or starts[0] != 0:
        starts.insert(0, 0)
    ends = [*starts[1:], len(line)]
    return [line[start:end] for start, end in zip(starts, ends, strict=True)]


def decoded(line: bytes) -> dict[str, Any] | None:
    """A record as an object; None where it is damaged."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def find(path: Path, incident: str) -> Mapping[str, Any] | None:
    """The line of an incident, from any file of the trail: its decision, or, where there is none yet, the
    line that says that it was begun (its ``kind`` is ``opened``). None where no line is about it.

    Raises ``ConfigError`` where a file cannot be read, the id is none, or the line is damaged.
    """
    if not INCIDENT.fullmatch(incident):
        raise ConfigError("an incident id is inc_ and 16 digits of 0-9 and a-f, as the refusal shows it")
    damaged, begun = "", None
    with opened(path) as files:
        for name, number, record in _records_with(files[::-1], incident.encode()):
            found = decoded(record)
            if found is None:
                damaged = damaged or f"{name}:{number}: a line about this incident is damaged"
            elif found.get("incident") == incident:
                if found.get("kind", "decision") == "decision":
                    return found
                begun = begun or found
    if damaged:
        raise ConfigError(damaged)
    return begun


def _records_with(files: list[tuple[Path, BinaryIO]], needle: bytes) -> Iterator[tuple[Path, int, bytes]]:
    for name, file in files:
        for number, line in enumerate(file, 1):
            if needle in line:
                for record in pieces(line):
                    if needle in record:
                        yield name, number, record
