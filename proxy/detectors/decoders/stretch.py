"""Long stretches of text weighed at once with numpy: which look-out points may have an open gate.

Strategy: the points of all pairs of ASCII stand in one table, four lanes of 16 bits to a pair. Blocks are
summed, the last two and three of them added up, and all limits compared with one mask, as ``gauge`` does it
for a single block. Where another character stands nobody knows: such look-out points are told as well.

May import: ``language``; numpy inside functions. The rule that must stay true: a look-out point that is not
told is one at which every limit is reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from proxy.detectors.decoders.language import MOST, is_mark, letter_score, pair_score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORWARD, EXCESS, LETTERS, CLEAR = range(4)
"""The lanes: points forwards; these less those backwards; of the letters; characters that are no marks."""

_LANE = 16
_BIAS = 2 * MOST
"""Added to the points of each pair, so that no lane is ever negative."""
_ASCII = 128
_PAIRS = 8
"""Pairs of a block."""


@lru_cache(maxsize=1)
def _weights() -> NDArray[np.uint64]:
    """The packed points of each pair of ASCII, shape (128 * 128,); the first character counts more."""
    import numpy as np

    signs = [chr(code) for code in range(_ASCII)]
    forward = np.array([[pair_score(one, two) for two in signs] for one in signs])
    letters = np.array([[letter_score(one, two) for two in signs] for one in signs])
    clear = np.array([[1 - is_mark(two) for two in signs]] * _ASCII)
    lanes = {FORWARD: forward, EXCESS: forward - forward.T, LETTERS: letters, CLEAR: clear}
    packed = np.zeros((_ASCII, _ASCII), dtype=np.uint64)
    for lane, points in lanes.items():
        packed |= (points + _BIAS).astype(np.uint64) << np.uint64(lane * _LANE)
    return packed.ravel()


class Limits:
    """The points that the last two and the last three blocks must have in some lanes."""

    def __init__(self, two: Mapping[int, int], three: Mapping[int, int]) -> None:
        self._two = _masked(two, 2 * _PAIRS)
        self._three = _masked(three, 3 * _PAIRS)
        _weights()  # now, not within the first answer

    def missed(self, text: str) -> list[int]:
        """Numbers of the blocks, from 2 on, at which some limit may be missed.

        ``text``: a character, and then the eight of each block.
        """
        import numpy as np

        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.intp)
        foreign = codes >= _ASCII
        some = bool(foreign.any())
        if some:
            codes[foreign] = 0
        pairs = _weights()[codes[:-1] * _ASCII + codes[1:]]
        blocks = pairs.reshape(-1, _PAIRS).sum(axis=1, dtype=np.uint64)
        two = blocks[1:] + blocks[:-1]
        three = two[1:] + blocks[:-2]
        odd = _short(two[1:], self._two) | _short(three, self._three)
        if some:
            strange = foreign[1:].reshape(-1, _PAIRS).any(axis=1)
            strange |= foreign[:-1:_PAIRS]
            odd |= strange[2:] | strange[1:-1] | strange[:-2]
        numbers: list[int] = (np.flatnonzero(odd) + 2).tolist()
        return numbers


def _masked(least: Mapping[int, int], pairs: int) -> tuple[int, int]:
    """(What to add to a sum of so many pairs, the bits that are then set where all limits are reached)."""
    high = 1 << _LANE - 1
    added = sum(high - limit - pairs * _BIAS << lane * _LANE for lane, limit in least.items())
    return added, sum(high << lane * _LANE for lane in least)


def _short(sums: NDArray[np.uint64], limits: tuple[int, int]) -> NDArray[np.bool_]:
    """Where sums fall short of some limit."""
    import numpy as np

    added, bits = (np.uint64(each) for each in limits)
    missed: NDArray[np.bool_] = (sums + added) & bits != bits
    return missed
