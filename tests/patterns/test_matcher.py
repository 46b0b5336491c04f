"""proxy/patterns/matcher.py: what is found in whole texts, and what it costs at worst."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.patterns import PATTERNS, Found, Matcher, Pattern
from proxy.patterns import matcher as module
from proxy.patterns.alphabet import Alphabet
from proxy.patterns.pattern import always
from proxy.patterns.shapes import chars, seq
from tests.patterns.material import texts

ALL = Matcher(PATTERNS)
BLANK_FIRST = Matcher(
    [Pattern("blank-first", "x", seq(" ", chars("[0-9]", 3), "\n", chars("[a-z]", 2)), always, (), ())]
)


def undecided(matcher: Matcher, data: bytes) -> int | tuple[Found, int]:
    """What :meth:`Matcher.undecided` means, place by place, without anything remembered."""
    at, none = 1, 0
    while place := matcher.places.search(data, at):
        at, none = place.start() + 1, len(data)
        closed = matcher.closed_at(data, place.start())
        if closed >= len(data):
            return place.start()
        if found := matcher.decide(data, place.start(), closed):
            return found, closed
    return none


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


@given(texts, st.sampled_from("\na5. (\xff"))
@settings(max_examples=300, deadline=None)
@example("2024 and 12 345 then card 4111 1111 1111 1111 is", "\n")
@example("don't e-mail o'neil@example.com, (see 541-714-1388) well-known", "a")
def test_what_is_undecided(text: str, before: str) -> None:
    """Words known by sight give the answer that reading place by place gives, new or met before."""
    data = (before + text).encode("latin-1", "replace")
    for end in sorted({len(data), len(data) // 2, len(data) // 3} - {0}):
        expected = undecided(ALL, data[:end])
        for _ in range(2):
            read = ALL.undecided(data[:end])
            assert read == expected or (read, expected) == (end, 0)


@pytest.mark.parametrize(
    "text", [" 123", " 123\n", "a  123 \n 123\nab.", "12 34\n\n 56", " 123\nab 123\ncd "]
)
def test_values_may_begin_with_a_blank(text: str) -> None:
    """Where a blank is itself a place, text is not taken apart at blanks."""
    for end in range(1, len(text) + 1):
        data = b"\n" + text[:end].encode()
        expected = undecided(BLANK_FIRST, data)
        assert [BLANK_FIRST.undecided(data) or len(data) for _ in range(2)] == [expected or len(data)] * 2


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many words there are, no more than so many of them are kept, and none that is long."""
    monkeypatch.setattr(module, "_KEPT", 16)
    matcher = Matcher(PATTERNS)
    for number in range(100):
        for text in (f"w{number}x is", f"{'y' * number} ", f"{number} {number} z"):
            data = b"\n" + text.encode()
            assert matcher.undecided(data) == undecided(matcher, data)
    for kept in (matcher._heads, matcher._dull, matcher._tails):
        assert 0 < len(kept) <= 16
        assert max(map(len, kept)) <= 33
