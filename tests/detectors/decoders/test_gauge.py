"""The points of pairs, packed and summed block by block."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.decoders import gauge
from proxy.detectors.decoders.gauge import AGAIN, BACKWARD, CLEAR, EXCESS, FORWARD, LETTERS, Gauge, points
from proxy.detectors.decoders.language import is_mark, letter_score, score

_MIXED = st.text(
    st.characters() | st.sampled_from("etaoin shr.,%\\=09ETA\u200b\u2800的我们是在"), min_size=25, max_size=25
)


def weigh(text: str) -> int:
    """The packed sum of 24 pairs."""
    weights = Gauge()
    return sum(weights.block(text[start : start + 9]) for start in (0, 8, 16))


@given(_MIXED)
def test_lanes_are_the_sums_of_the_pairs(text: str) -> None:
    """What is read from a packed sum is what the pairs give one by one, for any characters."""
    packed = weigh(text)
    letters = sum(map(letter_score, text, text[1:]))
    assert points(packed, FORWARD, 24) == score(text)
    assert points(packed, BACKWARD, 24) == score(text[::-1])
    assert points(packed, EXCESS, 24) == score(text) - score(text[::-1])
    assert points(packed, LETTERS, 24) == points(packed, AGAIN, 24) == letters
    assert points(packed, CLEAR, 24) == 24 - sum(map(is_mark, text[1:]))


@given(st.text("etaoin shrdlu.-", min_size=9, max_size=9))
def test_what_was_weighed_is_remembered_by_threes(text: str) -> None:
    """The four threes of a block of ASCII give its weight."""
    weights = Gauge()
    packed = weights.block(text)
    assert sum(weights.threes[text[start : start + 3]] for start in (0, 2, 4, 6)) == packed


@given(_MIXED, st.integers(-60, 60), st.integers(-60, 60), st.integers(-20, 20))
def test_limits_compare_all_lanes_at_once(text: str, forward: int, letters: int, excess: int) -> None:
    """A lane's bit is set where its sum reaches its limit, be it of all blocks or of the last two."""
    weights = Gauge()
    old, *last = (weights.block(text[start : start + 9]) for start in (0, 8, 16))
    added, bits = gauge.limits(((FORWARD, 16, forward), (AGAIN, 24, letters), (EXCESS, 24, excess)))
    total = (old & gauge.lanes((AGAIN, EXCESS))) + sum(last) + added
    reached = {
        FORWARD: score(text[8:]) >= forward,
        AGAIN: sum(map(letter_score, text, text[1:])) >= letters,
        EXCESS: score(text) - score(text[::-1]) >= excess,
    }
    assert total & bits == sum(gauge.bit(lane) for lane, yes in reached.items() if yes)


def test_a_plain_block_opens_no_gate() -> None:
    """The beginning of a text counts as if plain text stood before it."""
    packed = gauge.plain(24)
    assert points(packed, FORWARD, 24) == points(packed, BACKWARD, 24) == points(packed, EXCESS, 24) == 0
    assert points(packed, LETTERS, 24) > 0
    assert points(packed, CLEAR, 24) == 24
