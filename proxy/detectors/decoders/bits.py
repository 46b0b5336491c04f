"""Codes whose symbols carry a fixed number of bits: what base64, base32, hex and binary share.

Strategy: the run is read once for each way in which its symbols may fall into groups, since what
stands before it may hide where it begins; readings that are not text end at their first false byte.

May import: ``transducer``, ``charset``. The rule that must stay true: a reading that was opened has
turned every symbol from its start to the look-out point into text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from proxy.detectors.decoders.charset import UTF8, WIDE_CHARSETS, ByteText
from proxy.detectors.decoders.transducer import Decoded, Endless, Glance, Opening, survives

_WARM = 32
"""Symbols that are replayed at most when a reading opens."""
_GAP = 12
"""Characters between two symbols that may be passed over: a line break with what leads the next line."""
_LONG = 64
"""A run of more raw characters than this was looked at before and is now looked at less often."""
_SELDOM = 32
_ENDING = 8
"""Characters that must all belong to a code before it is looked at closely."""
_PREFIXED = 4
"""Symbols that do where each byte has its own prefix: nothing else looks like that."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code of ``bits`` bits a symbol, ``cycle`` symbols to a whole number of bytes."""

    name: str
    values: Mapping[str, int]
    bits: int
    cycle: int
    least: int
    """Symbols that must be there before a reading opens."""
    gaps: str = " \t\r\n>"
    """Characters between symbols that mean nothing."""
    ends: str = ""
    """Characters that end a group early, as the = of base64; the next symbol begins a new one."""
    prefix: str = ""
    """Characters that undo a symbol 0 before them, as the x of 0x48."""
    lenient: bool = False
    """Whether every other character means nothing: a code hidden between the letters of a text."""
    hint: re.Pattern[str] | None = None
    """What the last 16 characters of a run surely match, and words seldom do."""
    ending: re.Pattern[str] = field(init=False)
    """What a tail ends with that may be a run of this code."""

    def __post_init__(self) -> None:
        letters = re.escape("".join((*self.values, self.gaps, self.ends, self.prefix)))
        object.__setattr__(self, "ending", re.compile(f"[{letters}]*"))


class BitRun(Endless):
    """A reading of one run of a code in one charset."""

    __slots__ = ("_accumulator", "_code", "_count", "_first", "_gap", "_text")

    def __init__(self, code: Code, charset: str = UTF8) -> None:
        self._code = code
        self._text = ByteText(charset)
        self._accumulator = self._count = self._gap = 0
        self._first = 0

    @property
    def pending(self) -> int | None:
        if self._text.pending is not None:
            return self._text.pending
        return self._first if self._count else None

    def push(self, character: str, offset: int) -> tuple[Decoded, ...] | None:
        value = self._code.values.get(character)
        if value is None:
            return self._pass(character)
        self._gap = 0
        bits = self._code.bits
        if not self._count:
            self._first = offset
        self._accumulator = self._accumulator << bits | value
        self._count += bits
        if self._count < 8:
            return ()
        self._count -= 8
        byte = self._accumulator >> self._count
        self._accumulator &= (1 << self._count) - 1
        start, self._first = self._first, offset
        return self._text.push(byte, start)

    def finish(self) -> tuple[Decoded, ...]:
        return ()

    def _pass(self, character: str) -> tuple[Decoded, ...] | None:
        """A character that is no symbol."""
        code = self._code
        if character in code.ends:
            self._accumulator = self._count = 0
            return ()
        if character in code.prefix and self._count == code.bits and not self._accumulator:
            self._count = 0
            return ()
        if character in code.gaps or character in code.prefix:
            self._gap += 1
            return () if self._gap <= _GAP else None
        return () if code.lenient else None


def open_run(code: Code, glance: Glance) -> Iterator[Opening]:
    """The readings of the run that the tail ends with, in each grouping and charset."""
    if not code.ending.fullmatch(glance.tail, max(0, len(glance.tail) - _ENDING)):
        return
    if code.hint is not None and not code.hint.match(glance.tail, max(0, len(glance.tail) - 2 * _ENDING)):
        return
    symbols, whole, length, prefixed = _trailing(code, glance)
    least = _PREFIXED if prefixed else code.least
    if len(symbols) < least or (length > _LONG and glance.read % _SELDOM):
        return
    for charsets in ((UTF8,), WIDE_CHARSETS):
        groupings = set()
        for first in _starts(code, least, len(symbols), whole):
            start = symbols[first]
            for charset in charsets:
                opening = Opening((charset, start), partial(BitRun, code, charset), start)
                if first % code.cycle not in groupings and survives(opening, glance):
                    groupings.add(first % code.cycle)
                    yield opening
        if groupings:
            return


def _trailing(code: Code, glance: Glance) -> tuple[list[int], int, int, bool]:
    """The run that the tail ends with: the offsets of its last symbols, how many of these stand in its last
    unbroken part, its length in raw characters (as far as it matters), and whether it has prefixes."""
    tail, symbols, whole, prefixed = glance.tail, list[int](), -1, False
    index = len(tail)
    while index and len(tail) - index <= _LONG:
        index -= 1
        character = tail[index]
        if character in code.values:
            symbols.append(glance.offset(index))
        elif character in code.prefix:
            prefixed = True
        elif character in code.ends or character not in code.gaps:
            index += 1
            break
        elif whole < 0 and symbols:
            whole = len(symbols)
    symbols.reverse()
    return symbols, whole if whole >= 0 else len(symbols), len(tail) - index, prefixed


def _starts(code: Code, least: int, count: int, whole: int) -> Iterator[int]:
    """Numbers of the symbols from which the run may be read, the most telling first.

    The last unbroken part, then all there is, then the fewest symbols that will do: text before
    the run may use the same letters.
    """
    seen = set()
    for size in (min(whole, _WARM), min(count, _WARM), least + code.cycle - 1):
        for first in range(max(0, count - size), max(0, count - size) + code.cycle):
            if first not in seen and count - first >= least:
                seen.add(first)
                yield first
