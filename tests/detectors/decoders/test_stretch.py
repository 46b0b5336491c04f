"""Long stretches weighed at once: no look-out point with an open gate is left out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.decoders.language import is_mark, letter_score, score
from proxy.detectors.decoders.stretch import CLEAR, EXCESS, FORWARD, LETTERS, Limits

_ENGLISH = "the rain had not stopped for a week, and nobody in the house said a word about it. "
_PARTS = st.sampled_from(
    [_ENGLISH, _ENGLISH[::-1], "q7Zx+/0a", "%20=5C", "\u200b", "\u7684", "\U0001f600", "\ud800"]
)
_LIMITS = Limits({FORWARD: -16, LETTERS: 25}, {LETTERS: 45, EXCESS: 0, CLEAR: 24})


def misses(text: str, block: int) -> bool:
    """Whether a limit is missed at the end of a block, by the points of single pairs."""
    end = 8 * block + 9
    two, three = text[end - 17 : end], text[end - 25 : end]
    letters = [sum(map(letter_score, part, part[1:])) for part in (two, three)]
    return (
        score(two) < -16
        or letters[0] < 25
        or letters[1] < 45
        or score(three) < score(three[::-1])
        or any(map(is_mark, three[1:]))
    )


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(_PARTS, st.integers(1, 60)), min_size=1, max_size=12))
def test_what_is_told_is_what_the_pairs_say(parts: list[tuple[str, int]]) -> None:
    """All of ASCII exactly; what is near another character is told in any case."""
    text = "".join(part * 2 if len(part) < 3 else part[:size] for part, size in parts)
    text = text[: 1 + (len(text) - 1) // 8 * 8]
    blocks = len(text) // 8
    if blocks < 3:
        return
    told = _LIMITS.missed(text)
    for block in range(2, blocks):
        near = text[8 * block - 16 : 8 * block + 9]
        if near.isascii():
            assert (block in told) == misses(text, block)
        else:
            assert block in told
    assert all(2 <= block < blocks for block in told)


def test_plain_english_tells_nothing() -> None:
    """So of most answers no look-out point but those for whole words is visited."""
    text = _ENGLISH * 4
    assert _LIMITS.missed(text[: 1 + 8 * 36]) == []
