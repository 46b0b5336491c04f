"""The tiny model of pairs."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.decoders import language
from proxy.detectors.decoders.language import Gauge, best_alphabet, letter_score, pair_score, score

PROSE = "Nobody in the village could remember when the old bridge had been built, or who had paid for it."
CHINESE = "我们可以根据客户的需求提供不同的方案，如果您有任何问题，请随时与我们的工作人员联系。"


def weigh(text: str) -> tuple[int, int]:
    """The packed sum of a text's first blocks, and how many pairs these have (at most 24)."""
    gauge = Gauge()
    starts = range(0, min(len(text) - 8, 24), 8)
    return sum(gauge.weigh(text[start : start + 9]) for start in starts), 8 * len(starts)


@given(st.text(min_size=9, max_size=40))
def test_lanes_are_the_sums_of_the_pairs(text: str) -> None:
    """What is read from a packed sum is what the pairs give one by one, for any characters."""
    packed, pairs = weigh(text)
    text = text[: pairs + 1]
    assert language.forward(packed, pairs) == score(text)
    assert language.backward(packed, pairs) == score(text[::-1])
    assert language.letters(packed, pairs) == sum(map(letter_score, text, text[1:]))
    assert language.marks(packed) == sum(map(language.is_mark, text[1:]))


@given(st.text(min_size=25, max_size=25), st.integers(-60, 60), st.integers(-60, 60), st.integers(-20, 20))
def test_limits_compare_all_lanes_at_once(text: str, forward: int, letters: int, excess: int) -> None:
    """A lane's bit is set where its sum reaches its limit."""
    packed, pairs = weigh(text)
    added, bits = language.limits(pairs, forward=forward, letters=letters, excess=excess)
    plain = (
        language.forward(packed, pairs) >= forward
        and language.letters(packed, pairs) >= letters
        and language.forward(packed, pairs) - language.backward(packed, pairs) >= excess
    )
    assert ((packed + added) & bits == bits) is plain


def test_language_scores_higher_than_noise_and_than_itself_backwards() -> None:
    """In both languages, over any 24 characters of a text."""
    for text in (PROSE, CHINESE):
        for start in range(len(text) - 25):
            window = text[start : start + 25]
            assert score(window) > score(window[::-1]) - 8
        assert score(text) > score(text[::-1]) + 40
    noise = "".join(
        random.Random(2).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=90)
    )
    assert score(noise) < -300


def test_a_plain_block_opens_no_gate() -> None:
    """The beginning of a text counts as if plain text stood before it."""
    packed = language.plain_block(8) * 3
    assert language.forward(packed, 24) == 0
    assert language.letters(packed, 24) > 0
    assert language.forward(packed, 24) >= language.backward(packed, 24)
    assert language.marks(packed) == 0


def test_the_model_does_not_depend_on_capitals() -> None:
    """Capitals count as small letters, save one that follows a small letter."""
    assert pair_score("T", "H") == pair_score("t", "h") == pair_score("T", "h")
    assert pair_score("t", "H") < 0
    assert best_alphabet(PROSE.upper()) == best_alphabet(PROSE)
