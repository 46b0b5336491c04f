"""Letters moved along the alphabet."""

from __future__ import annotations

import pytest

from proxy.detectors.decoders.language import ALPHABETS, best_alphabet
from proxy.detectors.decoders.rotation import MappedText, Rot47, Rotation
from tests.detectors.decoders.reading import openings, readings
from tests.detectors.encodings import SCRAMBLES

SECRET = "Only the duty manager may open the vault, and never alone."
OTHERS = [name for name in SCRAMBLES if name.startswith("shift") or name == "atbash"]


@pytest.mark.parametrize("name", OTHERS)
def test_each_alphabet_is_told_and_undone(name: str) -> None:
    """A short stretch is enough to tell which of the 26 other alphabets it is in."""
    raw = SCRAMBLES[name].encode(SECRET.lower())
    assert readings(Rotation(), raw[:24], raw[24:]) == [SECRET.lower()]


def test_rot47_is_told_and_undone() -> None:
    """Signs take part in rot47."""
    raw = SCRAMBLES["rot47"].encode(SECRET)
    assert readings(Rot47(), raw[:24], raw[24:]) == [SECRET]


def test_plain_english_opens_nothing() -> None:
    """Text that is as it should be looks best as it is."""
    for start in range(len(SECRET) - 24):
        assert not openings(Rotation(), SECRET[start : start + 24])
        assert not openings(Rot47(), SECRET[start : start + 24])


def test_there_are_26_other_alphabets() -> None:
    """The 25 shifts and atbash; each is a permutation other than the plain one."""
    assert len(set(ALPHABETS)) == 26
    assert all(sorted(alphabet) == list(range(26)) != list(alphabet) for alphabet in ALPHABETS)
    _, points, plain = best_alphabet("the duty manager")
    assert plain > points


def test_a_reading_ends_where_it_no_longer_reads_like_english() -> None:
    """A few look-out points without English close it, unless something is held."""
    reader = MappedText({ord(letter): letter for letter in "abc"})
    assert not any(reader.expired("the duty manager opens", 0, False) for _ in range(20))
    assert not any(reader.expired("xq zvk jjw qxz vkq", 0, True) for _ in range(20))
    assert any(reader.expired("xq zvk jjw qxz vkq", 0, False) for _ in range(20))
