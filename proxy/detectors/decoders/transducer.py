"""What a decoder is: raw characters in, decoded characters out, each with the place it came from.

A *decoder* is immutable and says, at a look-out point, whether the text read last looks like its code
(:meth:`Decoder.open`). If so it makes a *transducer*, which reads on, one raw character at a time, and
gives the characters that these decode to. Look-out points lie every :data:`STRIDE` raw characters,
counted from the start of the text, so nothing depends on how the text was cut.

May import: the standard library. The rule that must stay true: what a transducer gives depends on the
characters pushed and on nothing else, and its memory does not grow with the run.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

STRIDE = 8
"""Raw characters from one look-out point to the next."""
BUDGET = 24
"""Raw characters of an encoded run that may be read before its decoder has begun."""
KEEP = 256
"""Raw characters at least that a look-out point can look back over."""

Decoded = tuple[str, int, bool]
"""A decoded character, the offset of the first raw character that carries it, and whether it was encoded."""


class Transducer(Protocol):
    """One code at work on one run."""

    @property
    def pending(self) -> int | None:
        """The offset of the first raw character that was read and whose meaning is not out yet."""
        ...

    def push(self, character: str, offset: int) -> Sequence[Decoded] | None:
        """Read one raw character. None: it does not belong to the code, and the run is over."""
        ...

    def finish(self) -> Sequence[Decoded]:
        """The run is over: what the characters still pending stand for, if anything."""
        ...

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        """Whether the text has gone on without this code for so long that it is no use to go on."""
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """A decoder's wish to read: ``make`` its transducer and replay the text from offset ``start``.

    ``key`` tells apart the openings of one decoder; one that is open already is not opened again.
    """

    key: Hashable
    make: Callable[[], Transducer]
    start: int


@dataclass(frozen=True, slots=True)
class Glance:
    """What is to be seen from a look-out point: the last characters, and the offset after them."""

    tail: str
    read: int

    def offset(self, index: int) -> int:
        """The raw offset of ``tail[index]``, for ``index >= 0``."""
        return self.read - len(self.tail) + index


class Decoder(Protocol):
    """Immutable, shared by all answers."""

    @property
    def name(self) -> str: ...

    @property
    def alone(self) -> bool:
        """Whether it is not asked again while one of its transducers is at work."""
        ...

    @property
    def nests(self) -> bool:
        """Whether what it decodes may be encoded again."""
        ...

    def open(self, glance: Glance) -> Iterable[Opening]:
        """The ways in which the last characters can be read as this code."""
        ...


def is_text(character: str) -> bool:
    """Whether a decoded character belongs to writing: printable, a blank, or a format character."""
    return character.isprintable() or character in "\t\n\r\x0b\x0c\x85\u2028\u2029" or _is_blank(character)


def _is_blank(character: str) -> bool:
    return unicodedata.category(character) in ("Zs", "Cf")


def survives(opening: Opening, glance: Glance) -> bool:
    """Whether the tail from the opening's start to its end can be read as its code."""
    transducer = opening.make()
    first = opening.start - glance.offset(0)
    return all(
        transducer.push(character, offset) is not None
        for offset, character in enumerate(glance.tail[first:], opening.start)
    )


class Endless:
    """Mixed into the transducers that end by themselves, at a character of no meaning to them."""

    __slots__ = ()

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return False


class OneForOne:
    """Mixed into the transducers under which each character stands for one, so that many are read at once.

    ``table``: a character's code to what it stands for; one that is not in it stands for itself.
    """

    __slots__ = ("table",)
    pending = None

    def __init__(self, table: Mapping[int, str]) -> None:
        self.table = table

    def push(self, character: str, offset: int) -> tuple[Decoded, ...]:
        stands = self.table.get(ord(character))
        return ((character, offset, False),) if stands is None else ((stands, offset, True),)

    def finish(self) -> tuple[Decoded, ...]:
        return ()
