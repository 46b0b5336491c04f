"""Texts that an operator has allowed, as keyed hashes: what of them an index can be told to let pass.

Kept of a text are its runs of X units (those are free wherever they stand, like background), its seeds in
their mixed form (they tell nothing about a document any more), and the places in the trie where known values
in it end: numbers of 64 bits under the key of the index. The text is not kept.

May import: the ground floor and this room; numpy inside functions. The rule that must stay true: what was
hashed under another key, or in runs of another length, frees nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.errors import ConfigError
from proxy.grams import SEED, GramKey
from proxy.types import Contains, Select

VERSION = 1
_HEAD = struct.Struct("<4sBBIII")
_MAGIC = b"SgAl"

LONGEST = 1 << 20
"""Characters of one allowed text."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """What is kept of a text. ``run``: X, the units of a run."""

    run: int
    runs: frozenset[int]
    seeds: frozenset[int]
    values: frozenset[int] = frozenset()

    def to_bytes(self) -> bytes:
        head = _HEAD.pack(_MAGIC, VERSION, self.run, len(self.runs), len(self.seeds), len(self.values))
        numbers = (*sorted(self.runs), *sorted(self.seeds), *sorted(self.values))
        return head + struct.pack(f"<{len(numbers)}Q", *numbers)

    @classmethod
    def from_bytes(cls, data: bytes) -> Hashes:
        """Raises ValueError for anything else than :meth:`to_bytes` makes."""
        try:
            magic, version, run, runs, seeds, values = _HEAD.unpack_from(data)
        except struct.error:
            raise ValueError("not an allowed text") from None
        if magic != _MAGIC or version != VERSION or len(data) != _HEAD.size + 8 * (runs + seeds + values):
            raise ValueError("not an allowed text of this release")
        numbers = struct.unpack_from(f"<{runs + seeds + values}Q", data, _HEAD.size)
        middle = runs + seeds
        return cls(run, *map(frozenset, (numbers[:runs], numbers[runs:middle], numbers[middle:])))


def hashes_of(texts: Iterable[str], key: GramKey, run: int, values: Iterable[int] = ()) -> Hashes:
    """The hashes of some texts, under the key of an index that exempts runs of ``run`` units. ``values``: the
    places where known values in them end (``values.Node.names``).

    Raises ConfigError where there is nothing in them that could be told apart.
    """
    runs: set[int] = set()
    seeds: set[int] = set()
    for text in texts:
        if len(text) > LONGEST:
            raise ConfigError(
                f"the text has {len(text)} characters; at most {LONGEST} can be allowed at once"
            )
        found = key.seed_array(key.codes(text))
        runs.update(key.arrays(found, run).tolist())
        seeds.update(key.arrays(found, SEED).tolist())
    known = frozenset(values)
    if not runs and not known:
        raise ConfigError(
            f"the text has fewer than {run} letters and digits (a Chinese character counts as two) in a row: "
            "too short to be told from others; nothing would be freed"
        )
    return Hashes(run, frozenset(runs), frozenset(seeds), known)


class AllowedTexts:
    """All texts that are allowed, as an index asks for them. Immutable: a change makes a new one."""

    def __init__(self, texts: Sequence[Hashes], key: GramKey, run: int) -> None:
        """Only texts whose runs have ``run`` units count."""
        fitting = [text for text in texts if text.run == run]
        self._runs = frozenset().union(*(text.runs for text in fitting)) if fitting else frozenset()
        self._seeds = frozenset().union(*(text.seeds for text in fitting)) if fitting else frozenset()
        self.values: frozenset[int] = (
            frozenset().union(*(text.values for text in fitting)) if fitting else frozenset()
        )
        self._mix = key.composer(SEED)
        self.texts = len(fitting)

    def runs(self) -> Contains | None:
        """Membership of runs of X units; None where nothing is allowed."""
        return self._runs.__contains__ if self._runs else None

    def seeds(self) -> Select | None:
        """Which seeds stand in an allowed text; None where nothing is allowed."""
        return self._select if self._seeds else None

    def _select(self, seeds: Sequence[int]) -> list[int]:
        known, mix = self._seeds, self._mix
        return [index for index, seed in enumerate(seeds) if mix((seed,), 0) in known]


def either(one: Contains | None, other: Contains | None) -> Contains | None:
    """Membership in one set or the other."""
    if one is None or other is None:
        return one or other
    first, second = one, other
    return lambda gram: first(gram) or second(gram)


def either_selects(one: Select | None, other: Select | None) -> Select | None:
    """Which of some seeds are in one set or the other."""
    if one is None or other is None:
        return one or other
    first, second = one, other
    return lambda seeds: sorted({*first(seeds), *second(seeds)})
