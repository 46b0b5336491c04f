"""Windows: slices of the text, by script."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.recognizers.windows import (
    CHINESE_WINDOW,
    ENGLISH_WINDOW,
    chinese_windows,
    english_windows,
    halves,
    plain,
)

MIXED = st.text(alphabet="ab Zé.,!?\n\t0路张伟。，ｗ\x00\ud800😀", max_size=1500)


@given(MIXED)
@settings(max_examples=150, deadline=None)
def test_plain_text_keeps_its_length(text: str) -> None:
    """Folding works character for character, so offsets stay; what is left can be encoded."""
    made = plain(text)
    assert len(made) == len(text)
    made.encode()


def test_full_width_forms_become_ascii() -> None:
    """Ａ１： are read as A1: and the ideographic full stop as a dot."""
    assert plain("Ａ１：　。") == "A1: ."


@given(MIXED)
@settings(max_examples=150, deadline=None)
def test_windows_cover_their_script_and_keep_to_their_size(text: str) -> None:
    """Every alphabetic word stands in an English window, every Han character in a Chinese one."""
    text = plain(text)
    english, chinese = list(english_windows(text)), list(chinese_windows(text))
    assert all(0 < end - start <= ENGLISH_WINDOW for start, end in english)
    assert all(0 < end - start <= CHINESE_WINDOW for start, end in chinese)
    seen = {at for start, end in chinese for at in range(start, end)}
    assert all(at in seen for at, character in enumerate(text) if character in "路张伟")
    read = {at for start, end in english for at in range(start, end)}
    words = [at for at in range(len(text) - 1) if text[at] in "abZé" and text[at + 1] in "abZé"]
    assert all(at in read for at in words)


def test_a_long_stretch_without_a_sentence_end_gets_overlapping_windows() -> None:
    """Where no sentence ends, a name at the cut stands whole in one of the windows."""
    text = "word " * 300
    windows = list(english_windows(text))
    assert len(windows) > 2
    pairs = pairwise(windows)
    assert all(second[0] < first[1] and text[second[0] - 1] == " " for first, second in pairs)


def test_a_window_is_cut_where_a_sentence_ends() -> None:
    """The next window begins with the next sentence."""
    text = "This is a sentence of some length. " * 30
    assert all(text[start:].startswith("This") for start, _ in english_windows(text))


def test_chinese_runs_are_left_out_of_english_windows() -> None:
    """Only the stretches between Han characters are read as English."""
    text = "我叫John Smith，住在上海"
    assert [text[start:end] for start, end in english_windows(plain(text))] == ["John Smith，"]


def test_text_without_words_has_no_window() -> None:
    """Digits, signs and emoji alone are not read."""
    assert list(english_windows("12 345 !! 😀 x 7")) == []
    assert list(chinese_windows("12 345 !! 😀 x 7")) == []


def test_halves_overlap_and_are_shorter() -> None:
    """A window with too many pieces is read in two parts that share its middle."""
    first, second = halves(100, 500, 80)
    assert (first[0], second[1]) == (100, 500)
    assert 0 < first[1] - second[0] <= 80
