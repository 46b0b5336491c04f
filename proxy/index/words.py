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
from proxy.index.cipher import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def hash_words(
    key: GramKey, codes: NDArray[np.uint32], places: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.int64]]:
    """Hash and length in units of each word, and the words' edges (see ``cut_words``).

    ``codes``: the unit codes of a text; ``places``: of each unit, as ``GramKey.spaced_codes`` gives them.
    """
    import numpy as np

    edges = cut_words(codes, places)
    return key.word_array(codes, edges), np.diff(edges).astype(np.uint8), edges


class WordTable:
    """The words of one audience, document by document."""

    def __init__(self, hashes: Column, lengths: Column, first_words: Column) -> None:
        """``first_words``: index of the first word of each document, and the number of words at the end."""
        self._hashes = hashes
        self._lengths = lengths
        self._first_words = first_words

    def around(
        self, starts: Sequence[int], position: int, before: int, after: int
    ) -> tuple[list[int], list[int]]:
        """The words of a document from ``before`` units before a position to ``after`` units after it.

        ``starts``: where each document begins. Returns their hashes and the positions of their last units,
        relative to ``position``.
        """
        import numpy as np

        number = bisect_right(starts, position) - 1
        first, last = self._first_words.part(number, number + 2).tolist()
        ends = np.cumsum(self._lengths.part(first, last), dtype=np.int64) + (starts[number] - position)
        low, high = np.searchsorted(ends, (-before, after), side="right").tolist()
        return self._hashes.part(first + low, first + high).tolist(), ends[low:high].tolist()
