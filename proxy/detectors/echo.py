"""The caller's own words: what stands in them is no leak.

May import: the ground floor. The rule that must stay true: no run crosses from one text of the caller to
another.
"""

from __future__ import annotations

from proxy.grams import GramKey
from proxy.types import View


class Echo:
    """The runs of X units of the caller's own words, worked out when they are first asked for."""

    def __init__(self, key: GramKey, run: int, view: View) -> None:
        self._key = key
        self._run = run
        self._view = view

    def contains(self, gram: int) -> bool:
        return gram in self.grams()

    def contains_seed(self, seed: int) -> bool:
        """Whether a seed stands in the caller's own words."""
        return bool(self._view.echo) and seed in self.seeds()

    def seeds(self) -> frozenset[int]:
        """All seeds of the texts the caller sent."""
        known: frozenset[int] | None = self._view.cache.get("memorised.echo_seeds")
        if known is None:
            found = set[int]()
            for text in self._view.echo:
                found.update(self._key.seed_array(self._key.codes(text)).tolist())
            known = self._view.cache["memorised.echo_seeds"] = frozenset(found)
        return known

    def grams(self) -> frozenset[int]:
        """All runs of X units of each text the caller sent (none crosses from one text to another)."""
        known: frozenset[int] | None = self._view.cache.get("memorised.echo")
        if known is None:
            key, found = self._key, set[int]()
            for text in self._view.echo:
                seeds = key.seed_array(key.codes(text))
                found.update(key.arrays(seeds, self._run).tolist())
            known = self._view.cache["memorised.echo"] = frozenset(found)
        return known
