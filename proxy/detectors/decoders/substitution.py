"""Codes that stand among plain text: what percent-encoding, entities, backslashes and quoted-printable share.

Strategy: plain characters pass through, an escape gives what it stands for, and something that begins like an
escape and is none gives its own characters. So text of which only a few characters are escaped is
read whole. Once opened, a reading goes on for :data:`LINGER` raw characters after the last escape, so
that the next one finds the text before it read.

May import: ``transducer``. The rule that must stay true: no raw character is lost or read twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from proxy.detectors.decoders.transducer import Decoded, Glance

LINGER: Final = 512
WARM: Final = 160
"""Raw characters before the look-out point that a new reading begins with."""


class Substitution(ABC):
    """A reading of one channel with the escapes of one code replaced. Subclasses say what an escape is."""

    __slots__ = ("_bytes", "_bytes_start", "_held", "_held_start", "_last")

    lead = ""
    """The character every escape begins with."""

    def __init__(self) -> None:
        self._held = ""
        self._held_start = 0
        self._bytes = bytearray()
        self._bytes_start = 0
        self._last = -1

    @abstractmethod
    def parse(self, escape: str) -> tuple[int, str | bytes] | None:
        """Read ``escape``, which begins with the lead: (characters it takes, what they stand for).

        None: more is needed. (0, "") when this is no escape. The answer may leave a rest that belongs to
        what follows.
        """

    @property
    def pending(self) -> int | None:
        if self._bytes:
            return self._bytes_start
        return self._held_start if self._held else None

    def push(self, character: str, offset: int) -> Sequence[Decoded]:
        if not self._held:
            if character == self.lead:
                self._held, self._held_start = character, offset
                return ()
            plain = (character, offset, False)
            return [*self._flush(), plain] if self._bytes else (plain,)
        self._held += character
        return self._read(final=False)

    def finish(self) -> Sequence[Decoded]:
        return [*self._read(final=True), *self._flush()]

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return read - self._last > LINGER

    def _read(self, *, final: bool) -> list[Decoded]:
        """Take as many escapes and plain characters off the held text as can be told."""
        out: list[Decoded] = []
        while self._held:
            if self._held[0] != self.lead:
                out += self._flush()
                out.append((self._held[0], self._held_start, False))
                self._drop(1)
                continue
            found = self.parse(self._held)
            if found is None and not final:
                break
            size, value = found or (0, "")
            start, end = self._held_start, self._held_start + size
            if not size:
                out += self._flush()
                out.append((self._held[0], start, False))
                self._drop(1)
                continue
            self._last = end
            self._drop(size)
            if isinstance(value, bytes):
                out += self._byte(value, start)
            elif value:
                out += self._flush()
                out += [(character, start, True) for character in value]
        return out

    def _drop(self, size: int) -> None:
        self._held = self._held[size:]
        self._held_start += size

    def _byte(self, value: bytes, start: int) -> list[Decoded]:
        """Another byte of UTF-8; what turns out not to be UTF-8 is read as Latin-1."""
        out: list[Decoded] = []
        if not self._bytes:
            self._bytes_start = start
        self._bytes += value
        try:
            text = self._bytes.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                return out
            del self._bytes[-1:]
            if self._bytes:
                out += self._flush()
                return out + self._byte(value, start)
            return [(value.decode("latin-1"), start, True)]
        self._bytes.clear()
        return [(character, self._bytes_start, True) for character in text]

    def _flush(self) -> list[Decoded]:
        """The bytes of a character that was never finished."""
        out: list[Decoded] = [
            (character, self._bytes_start, True) for character in self._bytes.decode("latin-1")
        ]
        self._bytes.clear()
        return out


def warm_start(glance: Glance) -> int:
    """Where a new reading begins."""
    return glance.offset(max(0, len(glance.tail) - WARM))
