"""The caller's own words: what stands in them is no leak.

May import: the ground floor. The rule that must stay true: no run crosses from one text of the caller to
another.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from proxy.grams import GramKey
from proxy.types import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SLICE = 20_000
"""Hashes that are put into a set at a time: other threads wait for the end of each call."""


class Echo:
    """The runs of X units of the caller's own words, worked out when they are first asked for."""

    __slots__ = ("_grams", "_key", "_run", "_seeds", "_view")

    def __init__(self, key: GramKey, run: int, view: View) -> None:
        self._key = key
        self._run = run
        self._view = view
        self._grams: Set[int] | None = None
        self._seeds: Set[int] | None = None

    def contains(self, gram: int) -> bool:
        return gram in (self.grams() if self._grams is None else self._grams)

    def contains_seed(self, seed: int) -> bool:
        """Whether a seed stands in the caller's own words."""
        if not self._view.echo:
            return False
        return seed in (self.seeds() if self._seeds is None else self._seeds)

    def seeds(self) -> Set[int]:
        """All seeds of the texts the caller sent."""
        cache = self._view.cache
        known: Set[int] | None = cache.get("memorised.echo_seeds")
        if known is None:
            found = set[int]()
            for text in self._view.echo:
                _add(found, self._key.text_seeds(text))
            known = cache["memorised.echo_seeds"] = found
        self._seeds = known
        return known

    def grams(self) -> Set[int]:
        """All runs of X units of each text the caller sent (none crosses from one text to another)."""
        cache = self._view.cache
        known: Set[int] | None = cache.get("memorised.echo")
        if known is None:
            key, found = self._key, set[int]()
            for text in self._view.echo:
                _add(found, key.arrays(key.text_seeds(text), self._run))
            known = cache["memorised.echo"] = found
        self._grams = known
        return known


def _add(found: set[int], hashes: NDArray[np.uint64]) -> None:
    for start in range(0, len(hashes), _SLICE):
        found.update(hashes[start : start + _SLICE].tolist())
