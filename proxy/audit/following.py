"""Following a trail while it is written, over rotations, truncation, and a file that does not exist yet."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from proxy.audit.listing import LONGEST
from proxy.audit.reading import rotated
from proxy.audit.verify import Fault
from proxy.errors import ConfigError

_BACK = 1 << 20
"""Bytes before the end at which following begins."""

Entry = tuple[Path, int, bytes]
"""A line: its file, its number, counted from where following began in that file, and its content."""


class Follower:
    """Reads what is appended to a trail. The file that is read stays open, so a rotation loses nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._name = path
        self._rest = b""
        self._number = 0
        self._too_long = False
        self.faults: list[Fault] = []
        """What was no line; whoever reads takes them out."""

    def close(self) -> None:
        """Close the file that is read."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def begin(self) -> list[Entry]:
        """Open the file and return its last lines, up to a megabyte of them; none where there is no file yet.

        Raises ConfigError where the trail is something else than a file, or cannot be read.
        """
        if not self._open(self._path):
            return []
        assert self._file is not None
        size = os.fstat(self._file.fileno()).st_size
        if size > _BACK:
            self._file.seek(size - _BACK)
            self._file.readline(LONGEST)  # the rest of a line that began before
        return list(self._read())

    def poll(self) -> list[Entry]:
        """Return the lines that were written since the last call, in their order. Raises ConfigError."""
        if self._file is None:
            return list(self._read()) if self._open(self._path) else []
        entries = list(self._read())
        here = os.fstat(self._file.fileno())
        if here.st_size < self._file.tell():  # cut to nothing in place, as `logrotate copytruncate` does
            self._end_file()
            self._file.seek(0)
            self._number = 0
            entries += self._read()
        for each in self._newer(here):
            entries += self._read()  # what came between the last reading and the rotation
            self._end_file()
            if self._open(each):
                entries += self._read()
        return entries

    def _newer(self, here: os.stat_result) -> Sequence[Path]:
        """The files after the one that is read, oldest first."""
        found: list[tuple[Path, os.stat_result]] = []
        ours = False
        for each in _files(self._path):
            try:
                status = os.stat(each)
            except OSError:
                continue  # moved on meanwhile: met again the next time
            if os.path.samestat(status, here):
                ours, self._name = True, each
                found.clear()
            else:
                found.append((each, status))
        # One that is gone from the folder was moved or dropped: later files were written to after it.
        return [each for each, status in found if ours or status.st_mtime_ns >= here.st_mtime_ns]

    def _open(self, path: Path) -> bool:
        """Read another file from now on. Return False where it is not there (yet, or any more)."""
        try:
            # Not to wait for a writer where it is a pipe.
            number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ConfigError(f"{path}: the trail cannot be read: {error.strerror or error}") from None
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise ConfigError(f"{path}: not a file; give the file of a trail")
        self.close()
        self._file = os.fdopen(number, "rb")
        self._name, self._number = path, 0
        return True

    def _read(self) -> Iterator[Entry]:
        """Yield the whole lines from here on; what has no end yet waits for it."""
        assert self._file is not None
        while line := self._file.readline(LONGEST):
            self._rest += line
            if not line.endswith(b"\n"):
                if len(self._rest) > LONGEST:
                    self._rest, self._too_long = b"", True
                continue
            self._number += 1
            whole, self._rest = self._rest, b""
            if self._too_long:
                self._too_long = False
                self._fault(f"longer than any line of a trail ({LONGEST} bytes)")
            else:
                yield self._name, self._number, whole

    def _end_file(self) -> None:
        """Note a last line that will never get its end."""
        if self._rest or self._too_long:
            self._number += 1
            self._fault("cut short: the file ends within it")
        self._rest, self._too_long = b"", False

    def _fault(self, what: str) -> None:
        self.faults.append(Fault(self._name, self._number, what))


def _files(path: Path) -> list[Path]:
    """The files of a trail, oldest first; none where the folder is not there."""
    try:
        return [*reversed(rotated(path)), path]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: the trail cannot be read: {error.strerror or error}") from None
