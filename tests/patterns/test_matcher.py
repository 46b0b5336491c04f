"""proxy/patterns/matcher.py: what is found in whole texts, and what it costs at worst."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.patterns import PATTERNS, Matcher
from proxy.patterns.alphabet import Alphabet
from tests.patterns.material import texts

ALL = Matcher(PATTERNS)


@given(st.text(max_size=200))
def test_a_fold_has_a_byte_for_each_character(text: str) -> None:
    """Offsets stay, and a character folds alike wherever it stands."""
    alphabet = Alphabet()
    folded = alphabet.fold(text)
    assert len(folded) == len(text)
    assert folded == b"".join(alphabet.fold(character) for character in text)


def test_signs_of_other_widths_and_scripts_fold_to_their_twins() -> None:
    """Full-width forms, other decimal digits, blanks and dashes are what they look like."""
    assert Alphabet().fold("Ａ１＠．٣\u00a0\u3000–−") == b"A1@.3  --"
    assert Alphabet().fold("王é\ud800") == b"\xff\xff\xff"


@given(texts)
@settings(max_examples=200, deadline=None)
def test_the_set_of_all_patterns_misses_none_of_them(text: str) -> None:
    """What one pattern finds alone is found, or lies in a longer value, with all of them together."""
    together = {n for found in ALL.find(text) for n in range(found.opened, found.end)}
    for place in range(len(text)):
        data = b"\n" + ALL.alphabet.fold(text)
        found = ALL.decide(data, place + 1, min(len(data), place + 1 + ALL.longest))
        if found and place + 1 == found.opened and ALL.places.match(data, place + 1):
            assert together & set(range(found.opened - 1, found.end)), text


@given(texts)
@settings(max_examples=100, deadline=None)
def test_values_come_in_order_and_do_not_overlap(text: str) -> None:
    """Each value ends before the next begins."""
    spans = [(found.opened, found.start, found.end) for found in ALL.find(text)]
    assert all(opened <= start < end for opened, start, end in spans)
    assert all(first[2] <= second[0] for first, second in pairwise(spans))
