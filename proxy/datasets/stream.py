"""A source file as a stream of bytes and lines: gzip, encodings, and the count of bytes read.

May import: the ground floor only. The rule that must stay true: whatever happens to a file, the
bytes told to ``progress`` add up to its size, once it is closed.
"""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from proxy.datasets.encoding import UTF8, encoding_of
from proxy.datasets.marks import Marks

_BUFFER = 1 << 20
_UNDECODED = "sluicegate.undecoded"


def _undecoded(error: UnicodeError) -> tuple[str, int]:
    """Put a lone surrogate in place of bytes that are no character: as UTF-8 it is a fault of its record."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", max(error.end, error.start + 1)


codecs.register_error(_UNDECODED, _undecoded)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file. ``number`` counts from 1; ``where`` is for messages.

    ``key`` is the key it stood under, in an object of records; ``outer`` the object around the list
    it stood in, which may name an audience for all of them.
    """

    number: int
    where: str
    value: Any
    key: str | None = None
    outer: dict[str, Any] | None = None
    doubt: str = ""
    """Why the fields of the record may not be where its author meant them; "" where there is no doubt."""
    hints: tuple[str, ...] = ()
    """Audiences that something beside the record names; they only narrow its own."""


class SourceFile:
    """An open file of a training set. Use as a context manager; not shared between threads."""

    def __init__(
        self,
        path: Path,
        label: str,
        progress: Callable[[int], None] | None = None,
        marks: Marks | None = None,
        encoding: str | None = None,
    ) -> None:
        """``marks``: how the fields that say whom a record is for are found. ``encoding``: that of a file
        that is not UTF-8; None: its bytes decide."""
        self.path = path
        self.label = label
        self.marks = marks or Marks()
        self.encoding = UTF8
        """The encoding in which the lines were read."""
        self._given = encoding
        self.replaced: list[int] = []
        """Lines, from 1, in which bytes that are not UTF-8 were replaced by :meth:`text_lines`."""
        self._progress = progress
        self._told = 0
        self._buffered: io.BufferedReader | None = None

    @property
    def kind(self) -> str:
        """The suffix that says how to read the file, in lower case, without ``.gz``."""
        return kind_of(self.path)

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._buffered is not None:
            self._buffered.close()
        self.tell_progress(self.path.stat().st_size - self._told)

    def tell_progress(self, count: int) -> None:
        """Count ``count`` more bytes of the file as read."""
        self._told += count
        if self._progress is not None and count > 0:
            self._progress(count)

    def lines(self) -> Iterator[bytes]:
        """The lines as UTF-8 bytes with their ends, without a byte order mark; other encodings are recoded.

        Bytes that are no character arrive as bad UTF-8. Raises ConfigError where the encoding cannot be told.
        """
        self.encoding = encoding_of(self.path, self.label, self._given)
        with self._open() as stream:
            if self.encoding in (UTF8, "utf-8-sig"):
                if self.encoding != UTF8:
                    stream.read(len(codecs.BOM_UTF8))
                yield from stream
                return
            with io.TextIOWrapper(stream, self.encoding, _UNDECODED, newline="\n") as recoded:
                for line in recoded:
                    yield line.encode("utf-8", "surrogatepass")

    def text_lines(self) -> Iterator[str]:
        """The lines as text. Bytes that are not UTF-8 become U+FFFD, which ``replaced`` notes."""
        for number, line in enumerate(self.lines(), 1):
            try:
                yield line.decode()
            except UnicodeDecodeError:
                self.replaced.append(number)
                yield line.decode(errors="replace")

    def _open(self) -> BinaryIO:
        self._buffered = io.BufferedReader(_CountedFile(self.path, self.tell_progress), _BUFFER)
        if self.path.suffix.lower() == ".gz":
            return cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=self._buffered), _BUFFER))
        return self._buffered


class _CountedFile(io.FileIO):
    """A file that tells how many bytes were read from it."""

    def __init__(self, path: Path, count: Callable[[int], None]) -> None:
        super().__init__(path)
        self._count = count

    def readinto(self, buffer: Any, /) -> int:
        size = super().readinto(buffer) or 0
        self._count(size)
        return size

    def readall(self) -> bytes:
        data = super().readall() or b""
        self._count(len(data))
        return data


def kind_of(path: Path) -> str:
    """``.jsonl`` for ``a.jsonl``, ``a.JSONL`` and ``a.jsonl.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
