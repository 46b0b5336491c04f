"""proxy/recognizers/numbers.py: numbers are known by the word before them and by the shape they share."""

from __future__ import annotations

import pytest

from proxy.patterns import Matcher, Pattern
from proxy.recognizers.numbers import ENOUGH, ENOUGH_LOOSE, NUMBERS, LearnedNumbers


def taught(entity: str, *texts: str) -> LearnedNumbers:
    numbers = LearnedNumbers()
    for text in texts:
        numbers.teach(entity, text)
    return numbers


def found(numbers: LearnedNumbers, text: str) -> list[tuple[str, str]]:
    return [(one.entity, text[one.start : one.end]) for one in numbers.find(text)]


@pytest.mark.parametrize("pattern", NUMBERS, ids=lambda pattern: pattern.name)
def test_numbers_beside_a_word(pattern: Pattern) -> None:
    """Each example is found, no look-alike is."""
    matcher = Matcher([pattern])
    for text in pattern.leaks:
        assert [one.pattern.entity for one in matcher.find(text)] == [pattern.entity], text
    for text in pattern.passes:
        assert not list(matcher.find(text)), text


def test_a_shape_is_learned_from_a_few() -> None:
    """The same letters and signs around as many digits, wherever they stand."""
    numbers = taught("order", *(f"#W10{n}2345" for n in range(ENOUGH)))
    text = "See #W7678072, (#W1111111) and x#W2222222; not #W123, #V7678072, #W76780721 or #W7678072b."
    assert found(numbers, text) == [("order", "#W7678072"), ("order", "#W1111111")]


def test_fewer_teach_nothing() -> None:
    """Nor does one number that stands there often."""
    assert len(taught("order", *["#W1012345"] * 50, "#W1012346")) == 0


def test_a_shape_with_names_in_it() -> None:
    """The letters may differ where signs hold the shape together and there are enough of them."""
    names = (
        "ann_brown",
        "bo_li",
        "carla_kim",
        "dan_moore",
        "eve_silva",
        "finn_kovacs",
        "gus_lee",
        "hal_santos",
    )
    numbers = taught("account", *(f"{name}_{1000 + n}" for n, name in enumerate(names)))
    assert len(names) == ENOUGH_LOOSE
    assert found(numbers, "for zoe_zimmer_9999 and snake_case_name_1") == [("account", "zoe_zimmer_9999")]


@pytest.mark.parametrize("kind", ["2024011{}", "1{}.50 12", "订单号1000{}", "A{}", "12:30:0{}"])
def test_digits_alone_are_no_shape(kind: str) -> None:
    """Nor are dates, amounts or too few digits."""
    numbers = taught("order", *(kind.format(n) for n in range(9)))
    assert found(numbers, "20240115 12.50 1000 A7 12:30:05") == []


def test_what_says_more_wins() -> None:
    """A shape first seen as the key of a record is an order's once an order has it."""
    numbers = taught("identifier", *(f"#W10{n}2345" for n in range(ENOUGH)))
    for n in range(ENOUGH):
        numbers.teach("order", f"#W20{n}2345")
    assert found(numbers, "#W7678072") == [("order", "#W7678072")]
    assert taught("email", "a@b.c", "d@e.f", "g@h.i")._shapes == {}
