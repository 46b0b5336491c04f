"""Sets of grams as flat arrays: built with numpy in bulk, asked one gram at a time in the stream.

* :class:`BloomFilter`, a filter of 64-bit words: about 12 bits a gram, one word read a look-up, says
  yes to about one stranger in a hundred. For *holding* only: a false yes holds a little longer.
* :class:`GramSet`, sorted remainders under a directory: 4.3 bytes a gram, 32 bits kept beside the
  directory's, so a false yes is one in 10**8. For deciding.
* :class:`Postings`, the same with a position beside each gram.

May import: the ground floor; numpy inside functions. The rule that must stay true: no filter ever
says no to a gram that was put in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from proxy.index.cipher import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BITS_PER_GRAM = 12
"""Bits of Bloom filter a gram: with four bits set in one word, about 1 % false yes."""

BUCKET = 16
"""Grams in a directory bucket, on average."""

_CHUNK = 1 << 18
"""Grams put into a filter at a time, so that what is worked out on the way stays in the cache."""


@lru_cache(maxsize=1)
def _pairs() -> tuple[int, ...]:
    """Two bits of a word for each value of 12 bits, so that a look-up is two list accesses."""
    return tuple((1 << (v & 63)) | (1 << (v >> 6)) for v in range(4096))


class BloomFilter:
    """A blocked Bloom filter (Putze, Sanders and Singler 2007) with blocks of one 64-bit word.

    The number of words is odd, so that the word does not depend on a gram's low bits alone.
    """

    __slots__ = ("_pairs", "_size", "_words")

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self._words = words.data
        self._size = len(words)
        self._pairs = _pairs()

    def select(self, grams: Sequence[int]) -> list[int]:
        """Indices of those grams that may be in the set, in order."""
        if len(grams) == 1:
            return [0] if self._holds(grams[0]) else []
        words, size, pairs = self._words, self._size, self._pairs
        return [
            index
            for index, gram in enumerate(grams)
            if words[gram % size] >> (gram >> 58) & 1  # one of the four bits: most strangers end here
            and not (pairs[gram >> 52] | pairs[(gram >> 40) & 4095]) & ~words[gram % size]
        ]

    def _holds(self, gram: int) -> bool:
        """The same for one, in half the time."""
        word = self._words[gram % self._size]
        if not word >> (gram >> 58) & 1:
            return False
        return not (self._pairs[gram >> 52] | self._pairs[(gram >> 40) & 4095]) & ~word

    def contains(self, gram: int) -> bool:
        """Whether the gram may be in the set."""
        return self._holds(gram)

    @staticmethod
    def empty(grams: int) -> NDArray[np.uint64]:
        """The words for about ``grams`` distinct grams, all zero, shape (words,)."""
        import numpy as np

        return np.zeros(((grams * BITS_PER_GRAM + 63) // 64) | 1, dtype=np.uint64)

    @staticmethod
    def add(words: NDArray[np.uint64], grams: NDArray[np.uint64]) -> None:
        """Put grams in. ``words`` is changed in place.

        In the order of the words and chunk by chunk: a third of the time that going through memory at
        random takes.
        """
        import numpy as np

        pairs = np.array(_pairs(), dtype=np.uint64)
        half, twelve = np.uint64(12), np.uint64(4095)
        keys = grams % np.uint64(len(words))  # the word in the upper 40 bits, the bits to set in the lower 24
        keys <<= np.uint64(24)
        keys |= grams >> np.uint64(40)
        keys.sort()
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            pattern = pairs[(chunk >> half) & twelve] | pairs[chunk & twelve]
            np.bitwise_or.at(words, (chunk >> np.uint64(24)).astype(np.intp), pattern)


@dataclass(frozen=True, slots=True)
class Directory:
    """How a 64-bit gram falls into buckets: ``bits`` choose the bucket, the next 32 are kept."""

    bits: int

    @classmethod
    def for_count(cls, grams: int) -> Directory:
        return cls(max(1, (max(1, grams) // BUCKET).bit_length()))

    def split(self, grams: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Bucket starts, shape (2**bits + 1,), and remainders, shape (grams,), of *sorted* grams."""
        import numpy as np

        if len(grams) >= 1 << 32:
            raise ValueError("more than 2**32 grams in one set: split the training set into several indexes")
        edges = np.arange((1 << self.bits) + 1, dtype=np.uint64) << np.uint64(64 - self.bits)
        edges[-1] = np.uint64(0)
        starts = np.searchsorted(grams, edges[:-1]).astype(np.uint32)
        starts = np.append(starts, np.uint32(len(grams)))
        remainders = ((grams << np.uint64(self.bits)) >> np.uint64(32)).astype(np.uint32)
        return starts, remainders


class GramSet:
    """An exact set but for 32-bit remainders: see the module's table."""

    __slots__ = ("_bits", "_remainders", "_shift", "_starts")

    def __init__(self, starts: NDArray[np.uint32], remainders: NDArray[np.uint32]) -> None:
        self._bits = (len(starts) - 1).bit_length() - 1
        self._shift = 64 - self._bits
        self._starts = starts.data
        self._remainders = remainders.data

    def __len__(self) -> int:
        return len(self._remainders)

    def contains(self, gram: int) -> bool:
        """Whether the gram is in the set."""
        bucket = gram >> self._shift
        low, high = self._starts[bucket], self._starts[bucket + 1]
        remainder = (gram >> (self._shift - 32)) & 0xFFFFFFFF
        found = bisect_left(self._remainders, remainder, low, high)
        return found < high and self._remainders[found] == remainder

    @staticmethod
    def build(grams: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Directory and remainders of a set of distinct, sorted grams."""
        return Directory.for_count(len(grams)).split(grams)


class Postings:
    """Positions of grams, encrypted; those of one gram lie together, in rising order."""

    __slots__ = ("_bits", "_places", "_remainders", "_shift", "_starts")

    def __init__(
        self, starts: NDArray[np.uint32], remainders: NDArray[np.uint32], places: Column
    ) -> None:
        self._bits = (len(starts) - 1).bit_length() - 1
        self._shift = 64 - self._bits
        self._starts = starts.data
        self._remainders = remainders.data
        self._places = places

    def places(self, gram: int) -> Sequence[int]:
        """The positions of a gram; empty where it is not in the table."""
        bucket = gram >> self._shift
        low, high = self._starts[bucket], self._starts[bucket + 1]
        remainder = (gram >> (self._shift - 32)) & 0xFFFFFFFF
        first = bisect_left(self._remainders, remainder, low, high)
        last = first
        while last < high and self._remainders[last] == remainder:
            last += 1
        if last == first + 1:
            return (self._places[first],)
        return self._places.part(first, last).tolist() if last > first else ()

    @staticmethod
    def build(
        grams: NDArray[np.uint64], places: NDArray[np.uint32], most: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32], int]:
        """Arrays of the table, and how many grams stood in more than ``most`` places.

        Of those only the first ``most`` positions are kept: they tell a document that holds the gram, but
        are too common to tell documents apart.
        """
        import numpy as np

        order = _by_gram_and_place(grams, places)
        grams, places = grams[order], places[order]
        new = np.ones(len(grams), dtype=bool)
        new[1:] = grams[1:] != grams[:-1]
        first = np.flatnonzero(new)
        rank = np.arange(len(grams)) - np.repeat(first, np.diff(np.append(first, len(grams))))
        common = int(np.count_nonzero(rank == most))
        keep = rank < most
        grams, places = grams[keep], places[keep]
        starts, remainders = Directory.for_count(len(grams)).split(grams)
        return starts, remainders, places, common


def _by_gram_and_place(grams: NDArray[np.uint64], places: NDArray[np.uint32]) -> NDArray[np.int64]:
    """``numpy.lexsort((places, grams))`` in less than half the time, for fewer than 2**32 grams.

    One sort of plain 64-bit values, the first half of a gram beside its number; then the few that agree
    in that half are put in order among themselves.
    """
    import numpy as np

    low = np.uint64(0xFFFFFFFF)
    keys = (grams & ~low) | np.arange(len(grams), dtype=np.uint64)
    keys.sort()
    order = (keys & low).astype(np.int64)
    keys >>= np.uint64(32)
    same = keys[1:] == keys[:-1]
    tied = np.zeros(len(grams), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    among = order[tied]
    order[tied] = among[np.lexsort((places[among], grams[among]))]
    return order
