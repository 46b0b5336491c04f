"""The tiny model of pairs."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.decoders.language import (
    best_alphabet,
    is_mark,
    letter_score,
    pair_score,
    score,
    stand_in,
)

PROSE = "Nobody in the village could remember when the old bridge had been built, or who had paid for it."
CHINESE = "我们可以根据客户的需求提供不同的方案，如果您有任何问题，请随时与我们的工作人员联系。"


_ODD = "%&\\=\xa0\u2013K\u0130\u200b\u2800\ufe0f\U000e0041\ud800é的我们"


@given(st.characters() | st.sampled_from(_ODD), st.characters() | st.sampled_from(_ODD))
def test_a_stand_in_has_the_same_points(first: str, second: str) -> None:
    """In every pair, as the first and as the second, and as a mark; it fits into 16 bits."""
    one, two = stand_in(first), stand_in(second)
    assert pair_score(one, two) == pair_score(first, second)
    assert letter_score(one, two) == letter_score(first, second)
    assert is_mark(one) == is_mark(first)
    assert one < "\U00010000"


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


def test_the_model_does_not_depend_on_capitals() -> None:
    """Capitals count as small letters, save one that follows a small letter."""
    assert pair_score("T", "H") == pair_score("t", "h") == pair_score("T", "h")
    assert pair_score("t", "H") < 0
    assert best_alphabet(PROSE.upper()) == best_alphabet(PROSE)
