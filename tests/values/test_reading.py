"""Reading: each character by itself, the same letters in any spelling, and where words meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.values.reading import (
    DIGIT,
    LOOSE,
    LOWER,
    MEETS,
    SEPARATOR,
    UNSEEN,
    UPPER,
    GlyphTable,
    count_units,
    digits_of,
    letters_of,
    read,
    words_of,
)


@given(st.text(), st.text())
def test_the_letters_of_a_text_are_those_of_its_parts(first: str, second: str) -> None:
    """However a text is cut, its letters are the same; no character looks at its neighbours."""
    assert letters_of(first + second) == letters_of(first) + letters_of(second)


@pytest.mark.parametrize(
    ("spelling", "letters"),
    [
        ("Noah Brown", "noahbrown"),
        ("N-o-a-h\nB.R.O.W.N", "noahbrown"),
        ("Ｎｏａｈ　Ｂｒｏｗｎ", "noahbrown"),
        ("𝒩𝑜𝒶𝒽 𝐁𝐫𝐨𝐰𝐧", "noahbrown"),
        ("No\u200bah\u00ad Br\ufe0fown", "noahbrown"),
        ("José Müller", "josemuller"),
        ("Jose\u0301 Mu\u0308ller", "josemuller"),
        ("（０１０）６５５２－９９８８", "01065529988"),
        ("٠١٢٣٤ ०१२३४", "0123401234"),
        ("①②③", "123"),
        ("張偉", "张伟"),
        ("ﬃ", "ffi"),
        ("—– …!", ""),
    ],
)
def test_spellings_that_read_the_same(spelling: str, letters: str) -> None:
    """Capitals, accents, widths, scripts of digits and separators make no difference."""
    assert letters_of(spelling) == letters


@pytest.mark.parametrize("pair", ["0o", "1l", "5s", "аa", "οo"])
def test_digits_and_look_alikes_count(pair: str) -> None:
    """Unlike in matched text, a digit is no letter and a Cyrillic letter no Latin one."""
    assert letters_of(pair[0]) != letters_of(pair[1])


def test_chinese_numerals_read_both_ways() -> None:
    """A numeral is itself, and a digit as well."""
    assert [read(c).digit for c in "〇零一二三四五六七八九幺壹贰貳"] == list("001234567891122")
    assert read("一").letters == "一"
    assert not read("一").single
    assert digits_of("一三八-0013 八千") == "13800138"
    assert letters_of("一三八") == "一三八"


@pytest.mark.parametrize(
    ("character", "kind"),
    [
        ("a", LOWER),
        ("Z", UPPER),
        ("é", LOWER),
        ("É", UPPER),
        ("7", DIGIT),
        ("７", DIGIT),
        ("٣", DIGIT),
        ("王", LOOSE),
        ("の", LOOSE),
        ("김", LOOSE),
        ("ก", LOOSE),
        (" ", SEPARATOR),
        ("_", SEPARATOR),
        ("，", SEPARATOR),
        ("\u0301", UNSEEN),
        ("\u200b", UNSEEN),
        ("\ufe0f", UNSEEN),
        ("ב", LOWER),
        ("\x00", SEPARATOR),
    ],
)
def test_kinds(character: str, kind: int) -> None:
    """What a raw character is to the places where words begin and end."""
    assert read(character).kind == kind


def test_where_words_meet() -> None:
    """Not between two digits, nor inside a word; between a small letter and a capital, and beside Han."""
    inside = [(DIGIT, DIGIT), (LOWER, LOWER), (UPPER, UPPER), (UPPER, LOWER)]
    for first in (SEPARATOR, LOOSE, DIGIT, LOWER, UPPER):
        for second in (SEPARATOR, LOOSE, DIGIT, LOWER, UPPER):
            assert MEETS[first][second] == ((first, second) not in inside)


def test_units() -> None:
    """A Han character counts two."""
    assert (count_units("abc1"), count_units("王a"), read("王").units, read("ﬃ").units) == (4, 3, 2, 3)


def test_words() -> None:
    """Words end at separators, not at apostrophes."""
    assert words_of("  Mary-Jane O'Brien, 3rd ") == ["mary", "jane", "obrien", "3rd"]
    assert words_of("...") == []


def test_the_table_stays_small() -> None:
    """A text of very many different characters does not fill the memory."""
    table = GlyphTable()
    for code in range(0x10000, 0x10000 + 70_000):
        table[chr(code)]
    assert len(table) <= 1 << 16
