"""The points of pairs, summed block by block where text is watched as it comes.

Strategy: the points of a pair forwards, those forwards less those backwards, those of its letters, those
backwards, the letters' once more and a one unless its second character is one that escapes are made with, all
lie in lanes of one integer. So a stretch is summed in one pass, sums of stretches add up, and all
limits are compared at once. A gate only decides where to look: it costs time when it is wrong, never text.

May import: ``language``. The rule that must stay true: the weight of a pair depends on the pair alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from struct import Struct

from proxy.detectors.decoders.language import (
    MOST,
    NEUTRAL,
    is_mark,
    letter_score,
    pair_score,
    stand_in,
)

_LANE = 12
_LOW = (1 << _LANE) - 1
_HIGH = 1 << _LANE - 1
FORWARD, EXCESS, LETTERS, BACKWARD, AGAIN, CLEAR = (number * _LANE for number in range(6))
"""The lanes: points forwards; these less those backwards; of the letters; backwards; of the letters again,
for a limit of a longer stretch; and the characters that are no marks."""
_BIAS = {FORWARD: MOST, EXCESS: 2 * MOST, LETTERS: MOST, BACKWARD: MOST, AGAIN: MOST, CLEAR: 0}
"""What is added to the points of each pair, so that no lane is ever negative."""
_CACHE_LIMIT = 1 << 16
_THREES = itemgetter(slice(0, 3), slice(2, 5), slice(4, 7), slice(6, 9))
"""The eight pairs of a block of nine characters, as four threes."""
_PAIRS = Struct("<8I").unpack
"""The even ones of these pairs and then the odd ones, from their characters' codes of 16 bits."""


def _pack(points: dict[int, int]) -> int:
    return sum(value + _BIAS[lane] << lane for lane, value in points.items())


def _weight(first: str, second: str) -> int:
    there, back = pair_score(first, second), pair_score(second, first)
    letters = letter_score(first, second)
    clear = 1 - is_mark(second)
    return _pack(
        {FORWARD: there, EXCESS: there - back, LETTERS: letters, BACKWARD: back, AGAIN: letters, CLEAR: clear}
    )


def plain(pairs: int) -> int:
    """The weight of ``pairs`` pairs that open no gate: what comes before a text's beginning."""
    return pairs * _pack({FORWARD: 0, EXCESS: 0, LETTERS: NEUTRAL, BACKWARD: 0, AGAIN: NEUTRAL, CLEAR: 1})


def points(packed: int, lane: int, pairs: int) -> int:
    """What a sum of the weights of ``pairs`` pairs holds in a lane."""
    return (packed >> lane & _LOW) - pairs * _BIAS[lane]


def lanes(which: Iterable[int]) -> int:
    """The bits of these lanes."""
    return sum(_LOW << lane for lane in which)


def bit(lane: int) -> int:
    """The bit that tells of a lane whether it reaches its limit. See :func:`limits`."""
    return _HIGH << lane


def limits(least: Iterable[tuple[int, int, int]]) -> tuple[int, int]:
    """(What to add to a sum of weights, the bits that are then set where all limits are reached).

    ``least``: lane, pairs that are summed up in it, and the points it must have.
    """
    added = bits = 0
    for lane, pairs, limit in least:
        added += _HIGH - limit - pairs * _BIAS[lane] << lane
        bits |= bit(lane)
    return added, bits


class _Stand(dict[int, str]):
    """Code point to a character of the same points, which has 16 bits: a table of ``str.translate``."""

    def __missing__(self, code: int) -> str:
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[code] = stand = stand_in(chr(code))
        return stand


class _Pairs(dict[int, int]):
    """A pair, its second character's code 16 bits above its first's, to its weight."""

    def __init__(self, stand: _Stand) -> None:
        super().__init__()
        self._stand = stand

    def __missing__(self, pair: int) -> int:
        first, second = self._stand[pair & 0xFFFF], self._stand[pair >> 16]
        same = ord(first) | ord(second) << 16
        weight = _weight(first, second) if same == pair else self[same]
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[pair] = weight
        return weight


class Gauge:
    """Weighs blocks of text, and remembers the weights it has worked out. Shared by all answers.

    ``threes`` holds the weight of the two pairs of three characters of ASCII, as far as they have been met:
    who weighs many blocks asks it directly, for nothing is quicker than a plain dictionary. Other scripts
    have too many threes, so that these are asked for pair by pair.
    """

    __slots__ = ("_pairs", "_stand", "threes")

    def __init__(self) -> None:
        self.threes: dict[str, int] = {}
        self._stand = _Stand()
        self._pairs = _Pairs(self._stand)

    def block(self, text: str) -> int:
        """The packed sum of the eight pairs of nine characters; their threes are known from then on."""
        if text.isascii():
            return sum(map(self._three, _THREES(text)))
        codes = text.encode("utf-16-le", "surrogatepass")
        if len(codes) > 2 * len(text):
            codes = text.translate(self._stand).encode("utf-16-le")
        return sum(map(self._pairs.__getitem__, _PAIRS(codes[:16] + codes[2:])))

    def _three(self, text: str) -> int:
        weight = self.threes.get(text)
        if weight is None:
            first, second, third = map(ord, text)
            weight = self._pairs[first | second << 16] + self._pairs[second | third << 16]
            if len(self.threes) >= _CACHE_LIMIT:
                self.threes.clear()
            self.threes[text] = weight
        return weight
