"""How much a text looks like language: a tiny model of pairs of characters.

Every pair of neighbouring characters has points for being common in English, or a joint common in
Chinese. ``gauge`` sums them up where text is watched as it comes.

May import: ``samples``. The rule that must stay true: the points of a pair depend on the pair alone.
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
MOST = 6 * STEP
"""No single pair counts more than six bits."""
_WIDE_LANE = 16

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
NEUTRAL = STEP
"""What a pair counts among letters that is not two letters: about what two letters of English do."""

_INVISIBLE = "\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff"


_ANY, _MARK = "\u3400", "\u200b"
"""Stand for what is in no class and joins no words; see :func:`stand_in`."""


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
            row.append(max(-MOST, min(MOST, score)))
        rows.append(tuple(row))
    return tuple(rows)


@lru_cache(maxsize=1)
def _han() -> frozenset[tuple[str, str]]:
    """Joints of Chinese words that are common forwards and not backwards."""
    joints = {pair for word in HAN.split() for pair in pairwise(word)}
    return frozenset(pair for pair in joints if pair[::-1] not in joints)


@lru_cache(maxsize=1)
def _joined() -> frozenset[str]:
    """The characters of those joints."""
    return frozenset(character for pair in _han() for character in pair)


def stand_in(character: str) -> str:
    """A character that has the same points and marks in every pair; there are a few hundred of these."""
    if character.lower() in _CLASS or character in _joined():
        return character
    return _MARK if is_mark(character) else _ANY


@lru_cache(maxsize=1 << 12)
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
    """Points of a pair of two English letters; :data:`NEUTRAL` for any other."""
    one, two = _CLASS.get(first.lower(), _OTHER), _CLASS.get(second.lower(), _OTHER)
    return _english()[one][two] if one < _SPACE and two < _SPACE else NEUTRAL


def score(text: str) -> int:
    """Points of a whole stretch, read forwards."""
    return sum(map(pair_score, text, text[1:]))


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
                packed = packed << _WIDE_LANE | points + MOST
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
    bias = len(found) * MOST
    return points.index(best), best - bias, plain - bias
