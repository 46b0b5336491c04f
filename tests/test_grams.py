"""Keyed grams: the stream and the index hash alike, and another key knows nothing."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.grams import SEED, GramKey, shorter
from proxy.text import units

KEY = GramKey("a key of enough characters")
TEXT = st.text(alphabet="abcdefg 退款值班 ½ßé한ｶﾞ0１", max_size=120)


@settings(max_examples=60)
@given(TEXT, st.sampled_from([SEED, 13, 20, 24, 25, 32, 40, 80]))
def test_stream_and_bulk_hash_alike(text: str, length: int) -> None:
    """Every gram that the stream composes is the one that numpy makes of the whole text."""
    codes = KEY.codes(text)
    assert codes.tolist() == units(text)
    seeds = KEY.seeds(b"".join(KEY.table[character] for character in text))
    array = KEY.seed_array(codes)
    assert array.tolist() == seeds
    compose = KEY.composer(length)
    expected = [compose(seeds, last) for last in range(length - SEED, len(seeds))]
    assert KEY.arrays(array, length).tolist() == expected


@given(TEXT, TEXT)
def test_equal_skeletons_give_equal_grams(a: str, b: str) -> None:
    """A gram depends on the units alone: equal runs are equal, different runs differ."""
    if min(len(units(a)), len(units(b))) < SEED:
        return
    assert (KEY.gram(a) == KEY.gram(b)) == (units(a) == units(b))


def test_another_key_gives_other_grams() -> None:
    """Without the key a stored gram cannot be made again."""
    text = "an internal sentence that is long enough"
    other = GramKey("another key, quite as long")
    assert KEY.gram(text) != other.gram(text)
    assert KEY.id != other.id


def test_grams_of_different_lengths_are_unrelated() -> None:
    """Each length has constants of its own: the same seeds mixed for another length differ."""
    seeds = KEY.seeds(b"".join(KEY.table[c] for c in "the quick brown fox jumps over it"))
    assert len({KEY.composer(length)(seeds, 15) for length in (12, 20, 21, 22, 23, 24)}) == 6


def test_a_long_gram_needs_all_its_units() -> None:
    """Changing any one unit of a run changes its gram, at every length in use."""
    text = "abcdefghijklmnopqrstuvwxyz" * 4
    for length in (12, 20, 32, 80):
        run = text[:length]
        changed = {KEY.gram(run[:i] + "9" + run[i + 1 :]) for i in range(length)}
        assert len(changed) == length
        assert KEY.gram(run) not in changed


@given(st.integers(min_value=SEED + 1, max_value=400))
def test_parts_cover_the_whole(length: int) -> None:
    """The two parts of a gram overlap or touch, so that between them they hold every unit."""
    part = shorter(length)
    assert SEED <= part < length <= 2 * part


def test_a_short_text_has_no_gram() -> None:
    """A text shorter than a seed is refused rather than hashed to something guessable."""
    with pytest.raises(ValueError, match="fewer units"):
        KEY.gram("short")


def test_a_key_tells_nothing_of_itself() -> None:
    """Neither its repr nor pickling gives the key or its seed away."""
    assert repr(KEY) == f"GramKey(id='{KEY.id}')"
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(KEY)


@given(TEXT, TEXT)
def test_a_piece_is_its_characters(first: str, second: str) -> None:
    """The units of a piece are those of its characters, kept or made anew."""
    for piece in (first, second, first, second * 9):
        assert KEY.pieces[piece] == b"".join(KEY.table[character] for character in piece)


def test_long_pieces_are_not_kept() -> None:
    """What is kept is short: an answer sent whole would fill the memory."""
    key = GramKey("a key of enough characters")
    assert key.pieces["x" * 16] and key.pieces["x" * 17]
    assert list(key.pieces) == ["x" * 16]
