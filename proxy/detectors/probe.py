"""Quick tests whether a text is worth the detector of memorised text at all: of its seeds, without a scanner.

May import: the ground floor. The rule that must stay true: none says no where the scanner would find or hold
something.
"""

from __future__ import annotations

from collections.abc import Sequence

from xxhash import xxh3_64_intdigest

from proxy.grams import SEED_BYTES, GramKey
from proxy.text import UNIT_BYTES
from proxy.types import Select

_EVERY_SECOND = 2 * UNIT_BYTES
_MOSTLY = UNIT_BYTES // 2
"""So many bytes of units a character at least has most text: in two characters at least one is a letter."""


class SeedProbe:
    """For one caller; holds no state of a stream."""

    __slots__ = ("_secret", "_selects", "_strict", "_units")

    def __init__(self, key: GramKey, selects: Sequence[Select], *, strict: bool) -> None:
        """``selects``: the seeds of each protected audience.

        ``strict``: whether a leak budget is smaller than a seed, so that a lone seed holds text.
        """
        self._secret = key.seed
        self._units = key.table.encoded
        self._selects = selects
        self._strict = strict

    def begins(self, text: str, seeds: int = 1) -> bool:
        """Whether a text may begin as protected text does: of its first seeds alone, two units apart.

        ``seeds``: how many one audience must know of those that the text has.
        """
        size = SEED_BYTES + (seeds - 1) * _EVERY_SECOND
        encoded = self._units(text[: size // _MOSTLY])
        if len(encoded) < size:
            encoded = self._units(text)
            if len(encoded) < SEED_BYTES:
                return False
        first = (xxh3_64_intdigest(encoded[:SEED_BYTES], self._secret),)
        for select in self._selects:
            if select(first):
                if seeds == 1:
                    return True
                asked = self._seeds(encoded[:size], _EVERY_SECOND)
                if len(select(asked)) == len(asked):
                    return True
        return False

    def knows(self, text: str) -> bool:
        """Whether a scanner that reads the text from its start may find or hold anything.

        It asks for every second seed, as the scanner does, which lets a lone one go: a match is two
        neighbours, a chain of passages more than one sampled seed.
        """
        if self._strict:
            return True
        encoded = self._units(text)
        seeds = self._seeds(encoded, _EVERY_SECOND)
        for select in self._selects:
            found = select(seeds)
            if len(found) > 1 or (found and self._beside(select, encoded, found[0] * _EVERY_SECOND)):
                return True
        return False

    def goes_on(self, text: str) -> bool:
        """Whether every second seed of the text is one audience's; no where it has none."""
        seeds = self._seeds(self._units(text), _EVERY_SECOND)
        return bool(seeds) and any(len(select(seeds)) == len(seeds) for select in self._selects)

    def _seeds(self, encoded: bytes, step: int) -> list[int]:
        digest, secret = xxh3_64_intdigest, self._secret
        ends = range(SEED_BYTES, len(encoded) + 1, step)
        return [digest(encoded[end - SEED_BYTES : end], secret) for end in ends]

    def _beside(self, select: Select, encoded: bytes, start: int) -> bool:
        """Whether a neighbour of the seed that begins at byte ``start`` is known too."""
        begin, end = max(0, start - UNIT_BYTES), start + SEED_BYTES + UNIT_BYTES
        seeds = self._seeds(encoded[begin:end], UNIT_BYTES)
        return len(select(seeds)) > 1
