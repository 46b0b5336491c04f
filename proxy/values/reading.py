"""How the stream is read for known values: letter by letter, with the places where words begin and end.

A *letter* is one plain letter or digit (``text.plain_character``: compatibility forms, capitals, accents
and traditional characters folded, digits of all scripts as ASCII; no leet, no look-alikes, since of a
value each digit counts). Everything else is dropped. Each raw character is read by itself, so the
letters of a text are those of its characters one after the other, however it was cut.

Where words begin and end is told from the raw characters: a value is looked for only where a word may begin,
and holds only where one may end, so that "Ann" is not found inside "annual", nor 1234567
inside a longer number. A Han character, a kana, a Hangul syllable and a letter of a script that is
written without spaces is a word by itself.

May import: ``proxy.text`` and the standard library. The rule that must stay true: what a character
reads as does not depend on its neighbours.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from proxy.text import is_wide, plain_character

SEPARATOR, LOOSE, DIGIT, LOWER, UPPER, UNSEEN = range(6)
"""Kinds of raw characters. UNSEEN: marks and format characters, which stand between no two words."""

_NUMERALS = {
    **dict(zip("〇零一二三四五六七八九", "00123456789", strict=True)),
    **dict(zip("壹贰叁肆伍陆柒捌玖幺", "1234567891", strict=True)),
}
"""Chinese numerals that are said digit by digit."""

_UNSPACED = ((0x0E00, 0x0EFF), (0x0F00, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0xA960, 0xA97F))
"""Thai, Lao, Tibetan, Burmese, jamo, Khmer."""

_KEPT = 1 << 16
"""Characters remembered at most."""


class Glyph(NamedTuple):
    """One raw character as it is read.

    ``letters``: none, one, or several ("ﬃ"). ``units``: a Han character or kana counts two.
    ``single``: it is one letter, and read in one way. ``digit``: how else a Chinese numeral reads, or "".
    """

    letters: str
    kind: int
    units: int
    single: bool = False
    digit: str = ""


_WITHIN = ((DIGIT, DIGIT), (LOWER, LOWER), (UPPER, UPPER), (UPPER, LOWER))  # "johnSmith" is two words

MEETS = tuple(tuple((one, other) not in _WITHIN for other in range(6)) for one in range(6))
"""For the kinds of two neighbours: whether a word may end with the first and one may begin with the second.

The two must be one question: else the mask of a value would make an end for another one before it.
"""


def read(character: str) -> Glyph:
    """How one raw character is read."""
    letters = plain_character(character)
    if not letters:
        kind = UNSEEN if unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf") else SEPARATOR
        return Glyph("", kind, 0)
    digit = _NUMERALS.get(letters, "")
    single = len(letters) == 1 and not digit
    return Glyph(letters, _kind(character, letters), count_units(letters), single, digit)


def _kind(character: str, letters: str) -> int:
    code = ord(letters[0])
    if is_wide(letters[0]) or any(low <= code <= high for low, high in _UNSPACED):
        return LOOSE
    if letters.isdecimal():
        return DIGIT
    return UPPER if character.isupper() or character.istitle() else LOWER


def count_units(letters: str) -> int:
    """How many units letters have: a wide one counts two."""
    return len(letters) if letters.isascii() else len(letters) + sum(map(is_wide, letters))


class GlyphTable(dict[str, Glyph]):
    """Raw character to how it is read, filled as it is used."""

    def __missing__(self, character: str) -> Glyph:
        if len(self) >= _KEPT:
            self.clear()
        glyph = self[character] = read(character)
        return glyph


def letters_of(text: str, table: GlyphTable | None = None) -> str:
    """The letters of a whole text, with Chinese numerals as they are."""
    table = GlyphTable() if table is None else table
    return "".join([table[character].letters for character in text])


def digits_of(text: str, table: GlyphTable | None = None) -> str:
    """The digits of a whole text; Chinese numerals count as digits, all else is dropped."""
    table = GlyphTable() if table is None else table
    glyphs = [table[character] for character in text]
    return "".join([g.digit or (g.letters if g.kind == DIGIT else "") for g in glyphs])


def words_of(text: str, table: GlyphTable | None = None) -> list[str]:
    """The letters of a text, word by word: cut at separators other than apostrophes."""
    table = GlyphTable() if table is None else table
    words = [""]
    for character in text:
        glyph = table[character]
        if glyph.kind != SEPARATOR:
            words[-1] += glyph.letters
        elif words[-1] and character not in "'’`":
            words.append("")
    return words if words[-1] else words[:-1]
