"""The words of the documents as keyed hashes, for aligning a near-verbatim span with its document.

A word is a run of units whose raw characters stand side by side; a wide letter (Han, kana) is a word of its
own. Kept are 32 bits of keyed hash and the length in units of each word: about one byte a byte of text.

May import: the ground floor; numpy inside functions. The rule that must stay true: the index and the stream
cut words alike (``grams.cut_words``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.grams import GramKey, cut_words
from proxy.text import UNIT_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST = 255
"""Units kept of a word's length; a longer one is cut into words of this length."""


def hash_words(
    key: GramKey, codes: NDArray[np.uint32], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Hash and length in units of each word of one text.

    ``codes``: its unit codes; ``offsets``: the raw offset of each unit.
    """
    import numpy as np

    edges = cut_words(codes, offsets)
    encoded = codes.astype("<u4", copy=False).tobytes()
    lengths = np.diff(edges)
    hashes = [
        key.word(encoded[first * UNIT_BYTES : last * UNIT_BYTES])
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    return np.array(hashes, dtype=np.uint32), np.minimum(lengths, LONGEST).astype(np.uint8)


class WordTable:
    """The words of one audience, document by document."""

    def __init__(
        self, hashes: NDArray[np.uint32], lengths: NDArray[np.uint8], first_words: NDArray[np.uint32]
    ) -> None:
        """``first_words``: index of the first word of each document, and the number of words at the end."""
        self._hashes = hashes.data
        self._lengths = lengths.data
        self._first_words = first_words.data

    def around(
        self, starts: Sequence[int], position: int, before: int, after: int
    ) -> tuple[list[int], list[int]]:
        """The words of a document from ``before`` units before a position to ``after`` units after it.

        ``starts``: where each document begins. Returns their hashes and the positions of their last units,
        relative to ``position``.
        """
        number = bisect_right(starts, position) - 1
        hashes: list[int] = []
        ends: list[int] = []
        at = starts[number] - position
        for word in range(self._first_words[number], self._first_words[number + 1]):
            at += self._lengths[word]
            if at > after:
                break
            if at > -before:
                hashes.append(self._hashes[word])
                ends.append(at)
        return hashes, ends
