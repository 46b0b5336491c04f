"""Words of documents as keyed hashes: cut alike in the index and in the stream, found around a position."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from proxy.grams import cut_words
from proxy.index.words import WordTable, hash_words
from proxy.text import units_of
from tests.columns import column
from tests.memory_index import KEY

TEXT = st.text(alphabet="ab C1,. \n退款か한é½-", max_size=60)


def naive_words(text: str) -> list[str]:
    """Runs of characters that have units, side by side; wide letters alone."""
    words: list[str] = []
    last = -2
    for offset, character in enumerate(text):
        codes = units_of(character)
        if not codes:
            continue
        wide = len(codes) == 2 and codes[1] - codes[0] == 0x110000
        if last == offset - 1 and words and not wide and not words[-1].endswith("\0"):
            words[-1] += character
        else:
            words.append(character)
        if wide:
            words[-1] += "\0"
        last = offset
    return [word.rstrip("\0") for word in words]


@given(TEXT)
def test_index_and_stream_cut_words_alike(text: str) -> None:
    """The spaced fold of a whole text and raw offsets of single characters give the same words."""
    codes, places = KEY.spaced_codes(text)
    assert codes.tolist() == KEY.codes(text).tolist()
    raw = np.array([at for at, c in enumerate(text) for _ in units_of(c)], dtype=np.int64)
    assert cut_words(codes, places).tolist() == cut_words(codes, raw).tolist()


@given(TEXT)
def test_words_are_what_a_reader_would_say(text: str) -> None:
    """Letters side by side make a word, a Han character or kana is one by itself."""
    hashes, lengths, _ = hash_words(KEY, *KEY.spaced_codes(text))
    words = naive_words(text)
    assert len(hashes) == len(lengths) == len(words)
    assert lengths.tolist() == [sum(len(units_of(c)) for c in word) for word in words]


def test_words_around_a_position() -> None:
    """The words of one document within so many units of a position, and none of its neighbour."""
    first, second = "alpha beta gamma", "delta epsilon"
    made = [hash_words(KEY, *KEY.spaced_codes(text)) for text in (first, second)]
    table = WordTable(
        column(np.concatenate([hashes for hashes, _, _ in made]), KEY, "hashes"),
        column(np.concatenate([lengths for _, lengths, _ in made]), KEY, "lengths"),
        column(np.array([0, 3, 5], dtype=np.uint32), KEY, "first"),
    )
    hashes, ends = table.around([0, 14, 26], 9, 4, 5)
    assert ends == [0, 5]
    assert hashes == made[0][0].tolist()[1:]
    hashes, ends = table.around([0, 14, 26], 20, 100, 100)
    assert hashes == made[1][0].tolist()
    assert ends == [-1, 6]


def test_an_endless_word_is_cut() -> None:
    """A word longer than a byte can say becomes several, and what follows keeps its place."""
    _, lengths, edges = hash_words(KEY, *KEY.spaced_codes("x" * 1000 + " end"))
    assert lengths.tolist() == [255, 255, 255, 235, 3]
    assert edges.tolist() == [0, 255, 510, 765, 1000, 1003]


@given(TEXT)
def test_the_stream_hashes_a_word_as_the_index_does(text: str) -> None:
    """A word's hash is the same from its encoded units as from the whole text with numpy."""
    text += " short and averyveryverylongwordindeed, antidisestablishmentarianism"
    codes, places = KEY.spaced_codes(text)
    hashes, _, edges = hash_words(KEY, codes, places)
    encoded = codes.astype("<u4").tobytes()
    cut = [encoded[4 * a : 4 * b] for a, b in pairwise(edges.tolist())]
    assert hashes.tolist() == [KEY.word(word) for word in cut]
