"""A known value that was read in a text, and when two of them prove each other: two of the n of a record.

May import: the ground floor. The rule that must stay true: what only everyday words say, and words that stand
in many records, proves nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from proxy.values import KnownValue

MANY = 1000
"""A value of more records than this tells no record."""

FEW = 64
"""Records up to which a value that is a finding by itself proves any weak value beside it."""

RARE = 8
"""Records up to which a value is rare."""


class Strength(IntEnum):
    """What a value is by itself for this caller. Of nested values a stronger outer one hides the inner."""

    WEAK = 0
    STRONG = 1
    FREE = 2


@dataclass(slots=True, eq=False)
class Match:
    """A value that ended. ``first`` and ``last``: units before it and after it."""

    start: int
    end: int
    first: int
    last: int
    strength: Strength
    value: KnownValue
    """The one it is reported as."""
    values: tuple[KnownValue, ...]
    """All that have these letters."""
    until: int = 0
    """Of one that waits: the raw offset before which a neighbour must have begun, once that is known."""


def hides(outer: Match, inner: Match) -> bool:
    """Whether nothing need be done about a match inside another, or about the same letters twice."""
    inside = outer.start <= inner.start and inner.end <= outer.end
    return inside and (outer.strength >= inner.strength)


def beside(one: Match, other: Match) -> bool:
    """Whether two matches are two values: apart in the text, and different."""
    apart = one.start >= other.end or other.start >= one.end
    numbers = {value.number for value in other.values}
    return apart and numbers.isdisjoint(value.number for value in one.values)


def proves(neighbour: Match, weak: Match) -> bool:
    """Whether a neighbour makes a weak match a finding."""
    for value in weak.values:
        for other in neighbour.values:
            told = _tells(value) or _tells(other) or (not other.weak and len(other.records) <= FEW)
            if told and _share(value.records, other.records):
                return True
    return False


def _tells(value: KnownValue) -> bool:
    return not value.common and len(value.records) <= RARE


def _share(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two rising sequences of records have one in common; no, where both are too many to tell."""
    few, many = (one, other) if len(one) <= len(other) else (other, one)
    if len(few) > MANY:
        return False
    for record in few:
        at = bisect_left(many, record)
        if at < len(many) and many[at] == record:
            return True
    return False
