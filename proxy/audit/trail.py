"""Writing the trail: a file that all workers append to, each its own chain of lines, rotated by size.

A line is written whole, by one ``write`` on a file opened for appending, so workers share a file and what
was written outlives a killed process. A file that was moved away is followed: whoever rotates renames, and
the next line of every worker begins or joins the new file, so the order of a chain stays that of the files.

May import: ``proxy.types``, ``proxy.errors`` and this room. The rules that must stay true: what was not
written whole has raised; a file is dropped only after a line says how far its chains went.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.audit.chain import BEGIN, Chain, split
from proxy.audit.lines import begun, checked, decided, time_of
from proxy.audit.reading import decoded, pieces, rotated
from proxy.errors import ConfigError
from proxy.types import Decision

SIZE = 64 * 1024 * 1024
"""Bytes at which a file of the trail is rotated."""

FILES = 16
"""Rotated files that are kept."""

_LAST = 256 * 1024
"""Bytes at a file's end in which its last line is looked for: more than the longest line."""

_PIPE = 3900
"""Bytes of a decision on a pipe that several workers write to: more than 4096 (PIPE_BUF) would be mixed."""

_MOST_HEADS = 1024
_LOOKS, _LOOK_SECONDS = 10, 0.005
"""How often, and how far apart, the end of a file is looked at before its last line counts as torn."""
_HEAD = re.compile(rb'\{"v":2,"chain":"([0-9a-f]+)","n":([0-9]+),"kind":"([a-z]+)"')


class Trail:
    """Appends lines to a file, mode 0600; with no path it writes nothing. Threads may share one.

    Raises ``ConfigError`` where the file cannot be opened.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        key: bytes = b"",
        sync: bool = False,
        size: int = SIZE,
        files: int = FILES,
    ) -> None:
        """``key``: of the chain (none: a plain hash). ``sync``: wait for the disk after each line (slow, and
        survives a power cut). ``size``: bytes at which a file is rotated. ``files``: how many are kept."""
        self._path = path
        self._chain = Chain(key)
        self._sync = sync
        self._size = size
        self._files = files
        self._lock = threading.RLock()
        self._handle: int | None = None
        self._file = (0, 0)
        self._torn = False
        self._piped = False
        self._closed = False
        self._rotation: threading.Thread | None = None
        self._fault: ConfigError | None = None
        if path is not None:
            with self._lock:
                self._open(path)

    def opened(self, decision: Decision) -> None:
        """Write that a request goes to the model; what it comes to is written later. Raises ConfigError."""
        self._add("opened", begun(decision))

    def record(self, decision: Decision) -> None:
        """Write the decision's line. Raises ``ConfigError`` where it did not get into the file whole."""
        fields, most = decided(decision), len(decision.verdicts)
        while self._piped and most and len(json.dumps(fields)) > _PIPE:
            most //= 2
            fields = decided(decision, most)
        self._add("decision", fields)

    def note(self, what: str, **fields: object) -> None:
        """Write that something changed that decisions are made by, such as the policy. Raises ConfigError."""
        self._add("changed", {"time": time_of(time.time()), "what": what} | checked(fields))

    def check(self) -> None:
        """Raises ConfigError where the last line could not be written and one still cannot."""
        if self._fault is not None:
            self._add("check", {"time": time_of(time.time())})

    def close(self) -> None:
        """End the chain; afterwards nothing is taken."""
        rotation = self._rotation
        if rotation is not None:
            rotation.join()
        with self._lock:
            if self._closed:
                return
            try:
                if self._chain.n:
                    self._write("closed", {"time": time_of(time.time())})
            except ConfigError:
                self._fault = None  # there is nobody left to tell; the chain stays open, which shows
            self._closed = True
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    # --- the inside

    def _add(self, kind: str, fields: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        with self._lock:
            try:
                if not self._chain.n:
                    self._write("begun", self._beginning(self._path))
                self._write(kind, fields)
            except ConfigError as error:
                self._fault = error
                raise
            self._fault = None

    def _beginning(self, path: Path) -> dict[str, Any]:
        """A chain's first line says how it is hashed, and the last line that stood before it."""
        self._follow(path)
        return {
            "time": time_of(time.time()),
            "pid": os.getpid(),
            "hash": "keyed" if self._chain.keyed else "plain",
            "after": self._last(),
        }

    def _last(self) -> list[Any] | None:
        """The last whole line of the file, as ``[chain, number, hash]``."""
        assert self._handle is not None
        found = os.fstat(self._handle)
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            return None
        end = os.pread(self._handle, _LAST, max(0, found.st_size - _LAST))
        for line in reversed(end.splitlines()):
            for record in reversed(pieces(line)):
                parts, fields = split(record), decoded(record)
                if parts is not None and fields is not None:
                    return [fields.get("chain"), fields.get("n"), parts[1]]
        return None

    def _write(self, kind: str, fields: Mapping[str, Any]) -> None:
        path = self._path
        assert path is not None
        size = self._follow(path)
        line, place = self._chain.line(kind, fields)
        try:
            self._append(line)
            self._chain.written(place)
            if self._sync and self._handle is not None:
                os.fsync(self._handle)
        except OSError as error:
            raise self._unwritten(path, error) from None
        if size + len(line) >= self._size:
            self._rotate_soon(path)

    def _append(self, line: bytes) -> None:
        assert self._handle is not None
        whole = b"\n" + line if self._torn else line  # the rest of a torn line must not swallow this one
        written = os.write(self._handle, whole)
        if written != len(whole):
            self._torn = written > 0 or self._torn
            raise OSError(0, f"only {written} of {len(whole)} bytes of a line could be written")
        self._torn = False

    def _follow(self, path: Path) -> int:
        """Begin a new file where the old one was moved away. Gives the file's size; 0 for a pipe."""
        if self._closed:
            raise ConfigError(f"{path}: the trail is closed")
        try:
            found = os.stat(path)
            if self._handle is not None and (found.st_dev, found.st_ino) == self._file:
                return found.st_size if stat.S_ISREG(found.st_mode) else 0
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._unwritten(path, error) from None
        return self._open(path)

    def _open(self, path: Path) -> int:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            found = os.fstat(self._handle)
            self._piped = stat.S_ISFIFO(found.st_mode)
            regular = stat.S_ISREG(found.st_mode) and found.st_size > 0
            self._torn = regular and self._ends_within_a_line(self._handle)
        except OSError as error:
            raise self._unwritten(path, error) from None
        self._file = (found.st_dev, found.st_ino)
        return found.st_size if regular else 0

    @staticmethod
    def _ends_within_a_line(handle: int) -> bool:
        """Whether the last line has no end. One that another process is writing just now gets its end."""
        for attempt in range(_LOOKS):
            size = os.fstat(handle).st_size
            if not size or os.pread(handle, 1, size - 1) == b"\n":
                return False
            if attempt < _LOOKS - 1:
                time.sleep(_LOOK_SECONDS)
        return True

    @staticmethod
    def _unwritten(path: Path, error: OSError) -> ConfigError:
        return ConfigError(f"{path}: the trail cannot be written: {error.strerror or error}")

    # --- rotation

    def _rotate_soon(self, path: Path) -> None:
        """Rotate in a thread of its own: reading the file that is dropped takes a while."""
        if self._rotation is None or not self._rotation.is_alive():
            self._rotation = threading.Thread(target=self._rotate, args=(path,), name="trail", daemon=True)
            self._rotation.start()

    def _rotate(self, path: Path) -> None:
        """Rename every file by one, unless another worker has just done it. What fails is tried again with a
        later line: the file only grows meanwhile."""
        try:
            lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.stat().st_size >= self._size:
                self._drop(path)
                for each in reversed(rotated(path)):
                    number = int(each.name.rpartition(".")[2])
                    each.rename(path.with_name(f"{path.name}.{number + 1}"))
                path.rename(path.with_name(f"{path.name}.1"))
        except (OSError, ConfigError):
            return
        finally:
            os.close(lock)

    def _drop(self, path: Path) -> None:
        """Take away the files that are too many, once a line says how far their chains went."""
        for each in reversed(rotated(path)[max(0, self._files - 1) :]):
            with self._lock:
                heads = _heads(each)
                self._write("dropped", {"time": time_of(time.time()), "file": each.name, "heads": heads})
            each.unlink()


def _heads(path: Path) -> dict[str, list[Any]]:
    """The last line of every chain of a file that has not ended there, and those of files dropped before."""
    carried: dict[str, list[Any]] = {}
    lines: dict[bytes, bytes] = {}
    with path.open("rb") as file:
        for line in file:
            begin = line.rfind(BEGIN)
            match = _HEAD.match(line, max(begin, 0))
            if match is None:
                continue
            lines[match[1]] = line[max(begin, 0) :]
            if match[3] == b"dropped":
                carried |= (decoded(line[max(begin, 0) :]) or {}).get("heads", {})
    heads = dict(list(carried.items())[-_MOST_HEADS:])
    for chain, line in lines.items():
        parts, fields = split(line), decoded(line)
        heads.pop(chain.decode(), None)
        if parts is not None and fields is not None:
            heads[chain.decode()] = [fields["n"], parts[1]]
    return heads
