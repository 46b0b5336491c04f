"""Quick tests of a few seeds: never no where a scanner would find or hold something."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.memorised import MemorisedDetector
from proxy.types import in_full
from tests.detectors.test_memorised import view
from tests.memory_index import MemoryIndex

SECRET = "The night shift keeps the spare key of the cold store under the third green box on the left."
OTHER = "Nobody told the gardener that the pond had been drained, so he came with his boots on as always."
INDEX = MemoryIndex({"admin": [SECRET], "public": [OTHER]})


def test_a_text_begins_as_another_does() -> None:
    """The first seed is asked for, however far apart its letters are; too few letters begin nothing."""
    begins = MemorisedDetector(INDEX).begins(view()).begins
    words = SECRET.split()
    assert begins(SECRET)
    assert begins("".join(words[3:]))
    assert begins("--- the night shift")
    assert begins("".join(f"{letter}{' ' * 9}" for letter in "nightshiftkee"))
    assert not begins("".join(words[:2]))
    assert not begins("".join(words[7::-1]))
    assert not begins(OTHER), "it is cleared"
    assert not begins("")


def test_a_text_begins_so_with_several_seeds() -> None:
    """All that are asked for must be known, each two units after the one before; a text may have fewer."""
    begins = MemorisedDetector(INDEX).begins(view()).begins
    assert begins(SECRET, 5)
    assert begins("-- ".join(SECRET), 5)
    assert begins("the night shift", 5), "it has but one"
    assert not begins("the nigh", 5)
    agree = "The night shift keeps"
    assert begins(f"{agree} goats", 4)
    assert not begins(f"{agree} goats", 5)
    half = len(SECRET) // 2
    assert not begins(SECRET[:12] + SECRET[half:], 3)


@pytest.mark.parametrize("budget", [0, 11, 12, 16])
@settings(deadline=None, max_examples=150)
@given(st.integers(0, 1 << 30))
def test_what_is_not_known_neither_finds_nor_holds(budget: int, seed: int) -> None:
    """Texts put together of bits of a secret: where the probe says no, a scanner lets all of it pass."""
    dice = random.Random(seed)
    parts = []
    for _ in range(dice.randrange(1, 6)):
        source = dice.choice((SECRET, OTHER, "x, "))
        start = dice.randrange(len(source))
        parts.append(source[start : start + dice.randrange(1, 24)])
    text = "".join(parts)
    detector = MemorisedDetector(INDEX)
    sight = view(budget=budget)
    if not detector.begins(sight).knows(text):
        scan = in_full(detector.scanner(sight).feed(text), 0, len(text))
        assert not scan.findings
        assert list(scan.settled) == list(range(1, len(text) + 1))


def test_ordinary_text_is_not_known() -> None:
    """Nor is a lone seed, which the leak budget lets go; a longer piece is, wherever it stands."""
    probe = MemorisedDetector(INDEX).begins(view())
    assert not probe.knows(OTHER)
    assert not probe.knows("The night shiffled away, and there was no one left to see it.")
    for start in range(0, 60, 7):
        assert probe.knows(OTHER[:start] + SECRET[start : start + 30] + OTHER[start:])
    assert MemorisedDetector(INDEX).begins(view(budget=4)).knows(OTHER), "a small budget holds a lone seed"


def test_a_text_goes_on_while_all_of_it_is_known() -> None:
    """One word of another text ends it; a text without a seed goes nowhere."""
    goes_on = MemorisedDetector(INDEX).begins(view()).goes_on
    assert goes_on(SECRET[10:50])
    assert not goes_on(SECRET[10:40] + " pond")
    assert not goes_on("the spare")
