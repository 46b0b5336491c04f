"""The known values of an index: a trie of their forms, letter by letter, and whose they are.

A place in the trie is named by the keyed hash of the letters that lead to it: that of the place before it,
mixed with the next letter. So the trie is a set of such names (``filters.GramSet``, 4.3 bytes each), and
neither its shape nor any letter can be read from it without the key. A stranger is taken for a place
once in 10**8 tries, and for a value once in 10**16.

Arrays: ``values.nodes.*`` the places, ``values.ends.*`` those where values end (under a second hash) with
the numbers of those values; by value number: ``values.entity``, ``values.flags``, ``values.audiences`` (which
set of audiences), ``values.starts`` and ``values.records`` (the documents, numbered over all audiences).

May import: the ground floor and this room. The rule that must stay true: no letter of a value that
was put in is ever missed, and no file holds one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from proxy.grams import MASK, SEED, GramKey
from proxy.index.cipher import Column
from proxy.index.files import PartFiles
from proxy.index.filters import GramSet, Postings
from proxy.values import KnownValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
"""Of this part of an index: raised when a form of any value, or a hash, changes."""

WEAK, COMMON, LONG = 1, 2, 4
"""Bits of ``values.flags``."""

LAST = 1 << 31
"""Added to the number of a value that ends where no other goes on."""

END = 1 << 21
"""Stands for a letter in the hash of a place where a value ends; no code point is so great."""

_REMEMBERED = 200_000
"""Steps in the trie that are remembered, about 20 MB; then they are looked up anew."""


class Hashes:
    """The keyed hash of the trie: one letter after the other, in Python and in numpy alike."""

    def __init__(self, key: GramKey) -> None:
        mixed = key.composer(SEED + 1)
        secret = b"".join(mixed([i, i + 1], 1).to_bytes(8, "little") for i in range(8))
        digest = blake2b(key=secret, digest_size=48, person=b"sluicegate-vals").digest()
        parts = [int.from_bytes(digest[i : i + 8], "little") for i in range(0, 48, 8)]
        self.root = parts[0]
        self._constants = (parts[1], parts[2], parts[3] | 1, parts[4] | 1, parts[5] | 1)

    def mixer(self) -> Callable[[int, int], int]:
        """(hash of a place, code of the next letter) -> hash of the next place."""
        one, two, first, second, third = self._constants

        def mix(place: int, code: int) -> int:
            x = ((place ^ one) * first + (code ^ two) * second) & MASK
            x = ((x ^ (x >> 32)) * third) & MASK
            return x ^ (x >> 29)

        return mix

    def mix_arrays(self, places: NDArray[np.uint64], codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The same for arrays of equal length."""
        import numpy as np

        one, two, first, second, third = (np.uint64(value) for value in self._constants)
        x = (places ^ one) * first + (codes ^ two) * second
        x = (x ^ (x >> np.uint64(32))) * third
        mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(29))
        return mixed


class Node(dict[str, "Node | None"]):
    """A place in the trie (``values.ValueNode``); its next places are looked up when first asked for."""

    __slots__ = ("_hash", "_trie", "depth", "ends", "last")

    def __init__(self, trie: ValueTrie, name: int, depth: int, ends: Sequence[int]) -> None:
        """``ends``: the numbers of values, with ``LAST`` where no value goes on."""
        super().__init__()
        self._trie = trie
        self._hash = name
        self.depth = depth
        self.last = any(end & LAST for end in ends)
        self.ends = tuple(end & ~LAST for end in ends)

    @property
    def names(self) -> Sequence[int]:
        """The keyed hash of the letters that lead here; the same in every index with this key."""
        return (self._hash,)

    def __missing__(self, letter: str) -> Node | None:
        node = self[letter] = self._trie.step(self._hash, letter, self.depth + 1)
        return node


class ValueTrie:
    """The known values of an opened index (``types.ValueIndex``), shared by all answers of a process.

    Which of them are free does not change: see :meth:`freed`.
    """

    def __init__(
        self,
        files: PartFiles,
        about: Mapping[str, Any],
        key: GramKey,
        bounds: Mapping[str, tuple[int, int]],
        name: Callable[[str, int], str],
    ) -> None:
        """``about``: what the manifest says. ``bounds``: the record numbers [first, end) of each audience.
        ``name``: the id of a document, by its audience and its number there."""

        def bare(part: str) -> Any:
            return files.bare(f"values.{part}")

        def column(part: str) -> Column:
            return files.column(f"values.{part}")

        hashes = Hashes(key)
        self._root_hash = hashes.root
        self._mix = hashes.mixer()
        self._nodes = GramSet(bare("nodes.starts"), bare("nodes.remainders"))
        self._ends = Postings(bare("ends.starts"), bare("ends.remainders"), column("ends.positions"))
        self.entities: Sequence[str] = tuple(about["entities"])
        self._sets = tuple(tuple(names) for names in about["audience_sets"])
        self._entity = column("entity")
        self._flags = column("flags")
        self._audiences = column("audiences")
        self._starts = column("starts")
        self._records = column("records")
        self._bounds = bounds
        self._name = name
        self._remembered = 0
        self._free: frozenset[int] = frozenset()
        self._top = Node(self, self._root_hash, 0, ())

    def freed(self, names: frozenset[int]) -> ValueTrie:
        """The same values, but that none ends at the places of these names (:attr:`Node.names`).

        This trie stays as it is, so a walk in it goes on with what it began with.
        """
        made = copy(self)
        made._free = names
        made._remembered = 0
        made._top = Node(made, made._root_hash, 0, ())
        return made

    def __len__(self) -> int:
        return len(self._entity)

    @property
    def root(self) -> Node:
        """Where every value begins. What is remembered hangs on it, and is dropped when it is too much."""
        if self._remembered > _REMEMBERED:
            self._remembered = 0
            self._top = Node(self, self._root_hash, 0, ())
        return self._top

    def step(self, place: int, letter: str, depth: int) -> Node | None:
        """The place after the place of this hash; None where no value goes on so."""
        self._remembered += 1
        name = self._mix(place, ord(letter))
        if not self._nodes.contains(name):
            return None
        self._remembered += 4  # a place takes about as much memory as five steps that lead nowhere
        ends = () if name in self._free else self._ends.places(self._mix(name, END))
        return Node(self, name, depth, ends)

    def value(self, number: int) -> KnownValue:
        """A value by its number. ``IndexError`` where there is none."""
        flags = self._flags[number]
        return KnownValue(
            number=number,
            entity=self.entities[self._entity[number]],
            weak=bool(flags & WEAK),
            common=bool(flags & COMMON),
            long=bool(flags & LONG),
            audiences=self._sets[self._audiences[number]],
            records=self._records.part(*self._starts.part(number, number + 2).tolist()).tolist(),
        )

    def document(self, value: KnownValue, audience: str) -> str:
        """The id of a document of this audience that the value stands in; "" where none is kept."""
        first, end = self._bounds[audience]
        at = bisect_left(value.records, first)
        if at == len(value.records) or value.records[at] >= end:
            return ""
        return self._name(audience, value.records[at] - first)
