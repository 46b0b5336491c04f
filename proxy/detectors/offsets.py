"""Where the last units of a stream came from: the raw offset of each.

Strategy: while nothing matches nobody asks, so pieces are only put aside, and their offsets are worked out
when something begins.

May import: the ground floor. The rule that must stay true: the offsets of the last ``keep`` units can always
be told, and what is kept does not grow with the stream.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.text import UNIT_BYTES, UnitTable

_SLACK = 4096
"""Units kept beyond what a look-back needs, so that trimming is rare."""


class Offsets:
    """The raw offsets of one stream's units; units are counted from 0."""

    __slots__ = ("_aside", "_aside_units", "_keep", "_table", "first", "raw")

    def __init__(self, table: UnitTable, keep: int) -> None:
        """``keep``: how many units a look-back may need."""
        self._table = table
        self._keep = keep
        self._aside: list[tuple[int, str, int]] = []
        """Pieces after ``raw`` that were put aside: raw offset, text, number of units."""
        self._aside_units = 0
        self.first = 0
        """The first unit whose offset is kept."""
        self.raw: list[int] = []
        """``raw[i - first]`` is that of unit i, once :meth:`read` was called for its piece or a later one."""

    def put_aside(self, start: int, piece: str, count: int) -> None:
        """A piece of ``count`` units from raw offset ``start`` on."""
        self._aside.append((start, piece, count))
        self._aside_units += count
        if self._aside_units > self._keep + _SLACK:
            self._forget()

    def read(self, start: int, encoded: Sequence[bytes], count: int) -> list[int]:
        """The same for a piece that matters, given the units of each character: the offsets of its units."""
        raw, encode = self.raw, self._table.__getitem__
        for begin, piece, units in self._aside:
            raw += _of_units(begin, list(map(encode, piece)), units)
        self._aside.clear()
        self._aside_units = 0
        offsets = _of_units(start, encoded, count)
        raw += offsets
        if len(raw) > self._keep + count + _SLACK:
            drop = len(raw) - self._keep - count
            del raw[:drop]
            self.first += drop
        return offsets

    def of(self, unit: int) -> int:
        """The raw offset of a unit."""
        return self.raw[unit - self.first]

    def _forget(self) -> None:
        """Drop what no look-back can need."""
        self.first += len(self.raw)
        self.raw.clear()
        kept = units = 0
        while units < self._keep:
            kept += 1
            units += self._aside[-kept][2]
        self.first += self._aside_units - units
        self._aside = self._aside[-kept:]
        self._aside_units = units


def _of_units(start: int, encoded: Sequence[bytes], count: int) -> list[int]:
    offsets = [offset for offset, units in enumerate(encoded, start) if units]
    if len(offsets) != count:  # some characters have more units than one
        offsets = [o for o, units in enumerate(encoded, start) for _ in range(len(units) // UNIT_BYTES)]
    return offsets
