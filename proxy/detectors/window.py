"""The last units of a stream, encoded, and the seeds of any window of them.

May import: the ground floor. The rule that must stay true: what is kept does not grow with the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xxhash import xxh3_64_intdigest

from proxy.grams import SEED, SEED_BYTES, GramKey
from proxy.text import UNIT_BYTES


class SeedWindow(Sequence[int]):
    """The last units of a stream, encoded: ``window[i]`` is the seed whose first unit is unit i (from 0)."""

    def __init__(self, key: GramKey, keep: int) -> None:
        """``keep``: how many units a look-back may need."""
        self._seed = key.seed
        self._keep = keep * UNIT_BYTES
        self._encoded = b""
        self._first = 0
        """The index of the first unit that is kept."""

    def read(self, encoded: bytes, stride: int) -> tuple[int, list[int]]:
        """More units have been read: how many, and those new seeds that end at a multiple of ``stride``
        (units counted from 1)."""
        held = self._encoded
        if len(held) > 2 * self._keep:
            self._first += (len(held) - self._keep) // UNIT_BYTES
            held = held[-self._keep :]
        self._encoded = held = held + encoded
        end = len(held) - SEED_BYTES + 1
        low = end - len(encoded) + UNIT_BYTES - 1  # of the first seed that is new
        if low < 0:
            low = 0
        skip = (self._first + low // UNIT_BYTES + SEED) % stride
        if skip:
            low += (stride - skip) * UNIT_BYTES
        digest, secret = xxh3_64_intdigest, self._seed
        seeds = [digest(held[i : i + SEED_BYTES], secret) for i in range(low, end, stride * UNIT_BYTES)]
        return len(encoded) // UNIT_BYTES, seeds

    def seeds(self, begin: int, end: int, stride: int) -> list[int]:
        """The seeds that end at the units begin, begin + stride, … before ``end`` (counted from 1)."""
        encoded, digest, secret = self._encoded, xxh3_64_intdigest, self._seed
        low = (begin - SEED - self._first) * UNIT_BYTES
        high = (end - SEED - self._first) * UNIT_BYTES
        return [digest(encoded[i : i + SEED_BYTES], secret) for i in range(low, high, stride * UNIT_BYTES)]

    def encoded(self, begin: int, end: int) -> bytes:
        """The encoded units [begin, end), counted from 0."""
        return self._encoded[(begin - self._first) * UNIT_BYTES : (end - self._first) * UNIT_BYTES]

    def __getitem__(self, index: Any) -> Any:
        at = (index - self._first) * UNIT_BYTES
        return xxh3_64_intdigest(self._encoded[at : at + SEED_BYTES], self._seed)

    def __len__(self) -> int:
        return self._first + len(self._encoded) // UNIT_BYTES
