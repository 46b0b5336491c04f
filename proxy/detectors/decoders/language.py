"""How much a text looks like language, forwards and backwards: a tiny model of pairs of characters.

Strategy: every pair of neighbouring characters has points for being common in English, or a joint
common in Chinese; the points of the same pair read backwards; the points of its letters alone; and a mark
when the second character is one that escapes are made with. All lie in lanes of one integer, so that a
stretch is summed in one pass, sums of stretches add up, and several limits are compared at once. A gate
only decides where to look: it costs time when it is wrong, never text.

May import: ``samples``. The rule that must stay true: the weight of a pair depends on the pair alone.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from operator import add

from proxy.detectors.decoders.samples import ENGLISH, HAN

STEP = 4
"""Points for one bit of evidence."""
_LIMIT = 6 * STEP
"""No single pair counts more than six bits."""
_LANE = 12
_LOW = (1 << _LANE) - 1
_HIGH = 1 << _LANE - 1
_WIDE_LANE = 16
_CACHE_LIMIT = 1 << 16

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SPACE, _POINT, _DIGIT, _SIGN, _OTHER = 26, 27, 28, 29, 30
_CLASS = (
    {letter: number for number, letter in enumerate(_LETTERS)}
    | dict.fromkeys(" \n\t\r\xa0", _SPACE)
    | dict.fromkeys(".,;:!?'\"()-\u2019\u2018\u201c\u201d\u2013\u2014", _POINT)
    | dict.fromkeys("0123456789", _DIGIT)
    | dict.fromkeys("#$%&*+/<=>@[\\]^_`{|}~", _SIGN)
)
_SIGN_SCORE = -3 * STEP
_DOTS_SCORE = -2 * STEP
"""A full stop or a dash after anything but a letter."""
_DIGIT_SCORE = -2 * STEP
_JOINT_SCORE = -5 * STEP
"""A letter beside a digit, or a capital after a small letter."""
_OTHER_SCORE = STEP
"""Anything else, such as other scripts: language, as far as this model knows."""
_HAN_SCORE = 5 * STEP
_NEUTRAL = STEP
"""What a pair counts among letters that is not two letters: about what two letters of English do."""

_INVISIBLE = "\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff"


def is_mark(character: str) -> bool:
    """Whether a character is one that escapes and hidden channels are made with."""
    if character < "\x80":
        return character in "%&\\="
    return (
        character in _INVISIBLE
        or "\u2800" <= character <= "\u28ff"
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0000" <= character <= "\U000e01ef"
    )


@lru_cache(maxsize=1)
def _english() -> tuple[tuple[int, ...], ...]:
    """Score of each pair of the 28 classes of English text: log odds against chance, shape (28, 28)."""
    size = _POINT + 1
    classes = [_CLASS[character] for character in " ".join(ENGLISH.lower().split()) if character in _CLASS]
    classes = [number for number in classes if number < size]
    single = Counter(classes)
    pairs = Counter(pairwise(classes))
    total = len(classes)
    rows = []
    for first in range(size):
        row = []
        for second in range(size):
            expected = (single[first] + 1) * (single[second] + 1) / total
            smooth = (pairs[first, second] + 4 * expected / (expected + 4) * 0.5 + 0.05) / (total + 1)
            score = round(STEP * math.log2(smooth * size * size))
            row.append(max(-_LIMIT, min(_LIMIT, score)))
        rows.append(tuple(row))
    return tuple(rows)


@lru_cache(maxsize=1)
def _han() -> frozenset[tuple[str, str]]:
    """Joints of Chinese words that are common forwards and not backwards."""
    joints = {pair for word in HAN.split() for pair in pairwise(word)}
    return frozenset(pair for pair in joints if pair[::-1] not in joints)


def pair_score(first: str, second: str) -> int:
    """Points of one pair, read forwards: positive for language, negative for what is not."""
    one, two = _CLASS.get(first.lower(), _OTHER), _CLASS.get(second.lower(), _OTHER)
    if one <= _POINT and two <= _POINT:
        if first.islower() and second.isupper():
            return _JOINT_SCORE
        return _DOTS_SCORE if second in ".-" and one >= _SPACE else _english()[one][two]
    if _OTHER in (one, two):
        return _HAN_SCORE if (first, second) in _han() else _OTHER_SCORE
    if _SIGN in (one, two):
        return _SIGN_SCORE
    if min(one, two) < _SPACE:
        return _JOINT_SCORE
    return _DIGIT_SCORE


def letter_score(first: str, second: str) -> int:
    """Points of a pair of two English letters; :data:`_NEUTRAL` for any other."""
    one, two = _CLASS.get(first.lower(), _OTHER), _CLASS.get(second.lower(), _OTHER)
    return _english()[one][two] if one < _SPACE and two < _SPACE else _NEUTRAL


def score(text: str) -> int:
    """Points of a whole stretch, read forwards."""
    return sum(map(pair_score, text, text[1:]))


def _weight(first: str, second: str) -> int:
    """The packed points of a pair: forwards, forwards less backwards, letters, backwards, marks."""
    there, back = pair_score(first, second), pair_score(second, first)
    packed = int(is_mark(second))
    for points in (
        back + _LIMIT,
        letter_score(first, second) + _LIMIT,
        there - back + 2 * _LIMIT,
        there + _LIMIT,
    ):
        packed = packed << _LANE | points
    return packed


_FORWARD, _EXCESS, _LETTER, _BACKWARD = (number * _LANE for number in range(4))
MARKS = 63 << 4 * _LANE
"""The bits of the number of marks."""


def plain_block(pairs: int) -> int:
    """The weight of ``pairs`` pairs that open no gate: what comes before a text's beginning."""
    points = (
        (_FORWARD, _LIMIT),
        (_EXCESS, 2 * _LIMIT + STEP),
        (_LETTER, _LIMIT + _NEUTRAL),
        (_BACKWARD, _LIMIT),
    )
    return sum(pairs * value << lane for lane, value in points)


class Gauge(dict[str, int]):
    """Two or three characters to the weight of their pairs, filled as it is used. Shared by all answers.

    Threes are what the gates ask for: half the look-ups. Those of other scripts than ASCII are too many to
    be kept, and are put together from pairs.
    """

    def __missing__(self, text: str) -> int:
        if len(text) == 3:
            weight = self[text[:2]] + self[text[1:]]
            if not text.isascii():
                return weight
        else:
            weight = _weight(text[0], text[1])
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[text] = weight
        return weight

    def weigh(self, text: str) -> int:
        """The packed sum of the pairs of a text of at most 64 characters."""
        return sum(map(self.__getitem__, map(add, text, text[1:])))


def limits(
    pairs: int, *, forward: int | None = None, letters: int | None = None, excess: int | None = None
) -> tuple[int, int]:
    """(What to add, the bits): to a sum of ``pairs`` pairs; a lane's bit tells that it reaches its limit."""
    added = bits = 0
    for lane, limit, bias in (
        (_FORWARD, forward, _LIMIT),
        (_LETTER, letters, _LIMIT),
        (_EXCESS, excess, 2 * _LIMIT),
    ):
        if limit is not None:
            added |= _HIGH - limit - pairs * bias << lane
            bits |= _HIGH << lane
    return added, bits


def forward(packed: int, pairs: int) -> int:
    """Points forwards of ``pairs`` pairs that were weighed."""
    return (packed >> _FORWARD & _LOW) - pairs * _LIMIT


def backward(packed: int, pairs: int) -> int:
    """Points of the same pairs, read backwards."""
    return (packed >> _BACKWARD & _LOW) - pairs * _LIMIT


def letters(packed: int, pairs: int) -> int:
    """Points forwards of those pairs that are two English letters, the others counting a little."""
    return (packed >> _LETTER & _LOW) - pairs * _LIMIT


def marks(packed: int) -> int:
    """How many of the characters escapes are made with."""
    return (packed & MARKS) >> 4 * _LANE


ALPHABETS: tuple[tuple[int, ...], ...] = (
    *(tuple((letter + shift) % 26 for letter in range(26)) for shift in range(1, 26)),
    tuple(range(25, -1, -1)),
)
"""What each letter stands for: the 25 shifts, then atbash."""
_PLAIN = tuple(range(26))
_SPREAD = (1 + len(ALPHABETS)) * _WIDE_LANE // 8


@lru_cache(maxsize=1)
def _shifted() -> dict[str, int]:
    """Two small letters to their points as they stand and under each of :data:`ALPHABETS`, packed."""
    table = {}
    for first in range(26):
        for second in range(26):
            packed = 0
            for alphabet in (*reversed(ALPHABETS), _PLAIN):
                points = _english()[alphabet[first]][alphabet[second]]
                packed = packed << _WIDE_LANE | points + _LIMIT
            table[_LETTERS[first] + _LETTERS[second]] = packed
    return table


def best_alphabet(text: str) -> tuple[int, int, int]:
    """Under which of :data:`ALPHABETS` a stretch looks most like English.

    (Its number, its points, the points of the stretch as it stands.) At most 1,000 characters.
    """
    table, small = _shifted(), text.lower()
    found = [pair for pair in map(add, small, small[1:]) if pair in table]
    packed = sum(map(table.__getitem__, found)).to_bytes(_SPREAD, "little")
    plain, *points = memoryview(packed).cast("H").tolist()
    best = max(points)
    bias = len(found) * _LIMIT
    return points.index(best), best - bias, plain - bias
