"""Two values of a record: which prove each other."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.detectors.value_match import FEW, MANY, RARE, Match, Strength, beside, hides, proves
from proxy.values import KnownValue


def value(number: int, records: Sequence[int], *, weak: bool = True, common: bool = False) -> KnownValue:
    return KnownValue(number, "code", weak, common, False, ("admin",), records)


def match(start: int, end: int, *values: KnownValue, strength: Strength = Strength.WEAK) -> Match:
    return Match(start, end, start, end, strength, values[0], values)


def test_neighbours_are_apart_and_different() -> None:
    """Not one inside the other, and not two forms of one value."""
    one, other = value(1, [1]), value(2, [1])
    assert beside(match(0, 5, one), match(6, 9, other))
    assert beside(match(6, 9, other), match(0, 6, one))
    assert not beside(match(0, 5, one), match(4, 9, other))
    assert not beside(match(0, 5, one), match(6, 9, other, one))


def test_a_neighbour_of_the_same_record_proves() -> None:
    """Where one of the two is rare and no everyday word, or the neighbour is a finding by itself."""
    rare, other = value(1, [3, 7]), value(2, [7])
    assert proves(match(0, 1, rare), match(2, 3, other))
    assert not proves(match(0, 1, value(3, [4])), match(2, 3, other))
    many = list(range(RARE + 1))
    frequent, word = value(4, many), value(5, [7], common=True)
    assert proves(match(0, 1, frequent), match(2, 3, other))
    assert not proves(match(0, 1, frequent), match(2, 3, value(6, many)))
    assert not proves(match(0, 1, word), match(2, 3, value(7, [7], common=True)))
    assert proves(match(0, 1, word), match(2, 3, rare))
    strong = value(8, [7], weak=False)
    assert proves(match(0, 1, strong), match(2, 3, word))


def test_what_stands_in_very_many_records_proves_little() -> None:
    """A company's own number stands in all of its records: beside it an everyday word passes."""
    house = value(1, list(range(FEW + 1)), weak=False)
    assert not proves(match(0, 1, house), match(2, 3, value(2, [5], common=True)))
    assert proves(match(0, 1, house), match(2, 3, value(3, [5])))
    everywhere = list(range(MANY + 1))
    assert not proves(match(0, 1, value(4, everywhere)), match(2, 3, value(5, everywhere)))


def test_the_longer_hides_the_shorter_unless_it_is_weaker() -> None:
    """A weak value does not hide a finding; a free one hides all that lies in it."""
    one, other = value(1, [1]), value(2, [1])
    for outer in Strength:
        for inner in Strength:
            found = hides(match(0, 9, one, strength=outer), match(2, 5, other, strength=inner))
            assert found == (outer >= inner)
    assert not hides(match(0, 9, one), match(5, 10, other))
