"""The last units of a stream: their seeds, their longer grams, and where in the raw text each came from.

Strategy. While nothing matches, a piece is put aside as it is and only the seeds that are to be looked up are
hashed; all else is worked out when somebody asks, for the units that a look-back may need. What was worked
out is remembered: neighbouring matches ask for the same grams.

May import: the ground floor. The rules that must stay true: what is told does not depend on how the text was
cut; the last ``keep`` units can always be told, and what is kept does not grow with the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, compress, islice

from xxhash import xxh3_64_intdigest

from proxy.grams import SEED, SEED_BYTES, GramKey, shorter
from proxy.text import UNIT_BYTES

_SLACK = 4096
"""Units kept beyond what a look-back needs, so that trimming is rare."""
_PIECES = 4096
"""Pieces put aside at most."""
_REMEMBERED = 4096
"""Grams of one length that are remembered."""


class Recent:
    """The units of one stream, counted from 0; a gram is named by its length and by the unit after it."""

    def __init__(self, key: GramKey, keep: int, stride: int) -> None:
        """``keep``: how many units a look-back may need. ``stride``: which seeds :meth:`read` gives."""
        self._key = key
        self._secret = key.seed
        self._pieces = key.pieces
        self._keep = keep
        self._stride = stride
        self._step = stride * UNIT_BYTES
        self._most = (keep + _SLACK) * UNIT_BYTES
        self.position = 0
        """Characters read."""
        self._rest = b""
        """The encoded units from the first seed on that was not given yet."""
        self._size = 0
        """Bytes of encoded units read."""
        self._aside: list[tuple[str, bytes]] = []
        self._aside_size = 0
        self._encoded = b""
        """The units before those put aside."""
        self.first = 0
        """The first unit that is kept."""
        self._raw: list[int] = []
        """The raw offset of each unit from ``first`` on, but for those not placed and those put aside."""
        self._raw_end = 0
        """The raw offset where those begin that are not placed."""
        self._unplaced: list[tuple[str, bytes]] = []
        """Pieces whose units are in ``_encoded``, but whose offsets nobody has asked for yet."""
        self._seeds: dict[int, int] = {}
        self._grams: dict[int, dict[int, int]] = {}
        self._mixers: dict[int, Callable[[int, int], int]] = {}

    @property
    def units(self) -> int:
        """Units read."""
        return self._size // UNIT_BYTES

    def read(self, piece: str) -> list[int]:
        """More text: its seeds that end after a multiple of ``stride`` units."""
        encoded = self._pieces[piece]
        size = len(encoded)
        self._aside.append((piece, encoded))
        self._aside_size += size
        self._size += size
        self.position += len(piece)
        data = self._rest + encoded
        digest, secret, step = xxh3_64_intdigest, self._secret, self._step
        seeds = [digest(data[i : i + SEED_BYTES], secret) for i in range(0, len(data) - SEED_BYTES + 1, step)]
        # A seed ends after a multiple of the stride because one does that begins with the stream.
        self._rest = data[step * len(seeds) :] if seeds else data
        if self._aside_size > self._most:
            self._drop_aside()
        elif len(self._aside) > _PIECES:  # many have hardly a unit: signs and blanks
            self._work_out()
            self._place()
        return seeds

    # --- looking back ----------------------------------------------------------------------------------

    def seed(self, end: int) -> int:
        """The seed of the ``SEED`` units before unit ``end``."""
        known = self._seeds.get(end)
        if known is None:
            if self._aside:
                self._work_out()
            at = (end - SEED - self.first) * UNIT_BYTES
            known = xxh3_64_intdigest(self._encoded[at : at + SEED_BYTES], self._secret)
            self._remember(self._seeds, end, known)
        return known

    def seeds(self, begin: int, end: int) -> list[int]:
        """The seeds that end before the units begin, begin + 1, … end - 1, all of them ``SEED`` or more."""
        if self._aside:
            self._work_out()
        encoded, digest, secret = self._encoded, xxh3_64_intdigest, self._secret
        low = (begin - SEED - self.first) * UNIT_BYTES
        high = (end - SEED - self.first) * UNIT_BYTES
        return [digest(encoded[i : i + SEED_BYTES], secret) for i in range(low, high, UNIT_BYTES)]

    def gram(self, length: int, end: int) -> int:
        """The gram of the ``length`` units before unit ``end``; ``GramKey.composer`` makes the same."""
        known = self._grams.get(length)
        if known is None:
            known = self._grams[length] = {}
            self._mixers[length] = self._key.mixer(length)
        gram = known.get(end)
        if gram is None:
            if length == SEED:
                seed = self.seed(end)
                gram = self._mixers[length](seed, seed)
            else:
                part = shorter(length)
                begin = end - length + part
                if part == SEED:
                    gram = self._mixers[length](self.seed(begin), self.seed(end))
                else:
                    gram = self._mixers[length](self.gram(part, begin), self.gram(part, end))
            self._remember(known, end, gram)
        return gram

    def encoded(self, begin: int, end: int) -> bytes:
        """The encoded units [begin, end)."""
        if self._aside:
            self._work_out()
        return self._encoded[(begin - self.first) * UNIT_BYTES : (end - self.first) * UNIT_BYTES]

    def offset(self, unit: int) -> int:
        """The raw offset of a unit."""
        if self._aside:
            self._work_out()
        if self._unplaced:
            self._place()
        return self._raw[unit - self.first]

    def offsets(self, begin: int, end: int) -> list[int]:
        """The raw offsets of the units [begin, end)."""
        if self._aside:
            self._work_out()
        if self._unplaced:
            self._place()
        return self._raw[begin - self.first : end - self.first]

    # --- keeping ---------------------------------------------------------------------------------------

    def _work_out(self) -> None:
        """What was put aside joins the rest, but for what no look-back needs any more."""
        self._drop_aside()
        aside, fresh = self._aside, self._aside_size // UNIT_BYTES
        self._unplaced += aside
        self._encoded += b"".join([units for _, units in aside])
        aside.clear()
        self._aside_size = 0
        surplus = len(self._encoded) // UNIT_BYTES - self._keep - fresh
        if surplus > _SLACK:
            self._place()
            del self._raw[:surplus]
            self._encoded = self._encoded[surplus * UNIT_BYTES :]
            self.first += surplus

    def _place(self) -> None:
        """Work out where the units came from of which only the seeds were asked for so far."""
        counts = self._key.table.counts
        for piece, units in self._unplaced:
            self._raw += _of_units(self._raw_end, counts(piece), len(units) // UNIT_BYTES)
            self._raw_end += len(piece)
        self._unplaced.clear()

    def _drop_aside(self) -> None:
        """Only the last piece and those that hold ``keep`` units before it stay, if all were put aside."""
        need = self._keep * UNIT_BYTES + len(self._aside[-1][1])
        if self._aside_size <= need:
            return
        size = count = 0
        for _, units in reversed(self._aside):
            count += 1
            size += len(units)
            if size >= need:
                break
        dropped = len(self._aside) - count
        gone = chain(self._unplaced, islice(self._aside, dropped))
        self._raw_end += sum(len(piece) for piece, _ in gone)
        self._unplaced.clear()
        del self._aside[:dropped]
        self._aside_size = size
        self.first = (self._size - size) // UNIT_BYTES
        self._raw.clear()
        self._encoded = b""

    @staticmethod
    def _remember(known: dict[int, int], end: int, gram: int) -> None:
        if len(known) >= _REMEMBERED:
            known.clear()
        known[end] = gram


def _of_units(start: int, counts: bytes, units: int) -> list[int]:
    """The raw offset of each of the units of a piece that begins at ``start``.

    ``counts``: how many each of its characters has.
    """
    offsets = list(compress(range(start, start + len(counts)), counts))
    if len(offsets) != units:  # some characters have more than one
        offsets = [offset for offset, count in enumerate(counts, start) for _ in range(count)]
    return offsets
