"""The forms of a postal address.

May import: this package's ``reading``. The rule that must stay true: the first form is the whole address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from proxy.values.reading import GlyphTable, count_units, letters_of, words_of

_SHORT_WORDS = {
    "street": "st",
    "avenue": "ave",
    "road": "rd",
    "drive": "dr",
    "lane": "ln",
    "boulevard": "blvd",
    "court": "ct",
    "place": "pl",
    "square": "sq",
    "highway": "hwy",
    "parkway": "pkwy",
    "terrace": "ter",
    "suite": "ste",
    "apartment": "apt",
    "building": "bldg",
    "floor": "fl",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
}
_LONG_WORDS = {short: word for word, short in _SHORT_WORDS.items()}
_REGION = re.compile(r"[省市区县州盟旗]")
_MOST_PARTS = 6
_STREET = 3
"""Words of a part of an address that is looked for alone: a house number, a name, a kind of street."""
_NAMELESS = frozenset((*_SHORT_WORDS, *_LONG_WORDS, "unit", "room", "flat", "box", "po", "no", "zip"))
_ROOM = 3
"""Digits of the number of a room, or of a postal code, that is a finding alone."""
_TELLING = 20
"""Units of an address without a number that is still a finding alone."""


def names_a_region(letters: str, words: Sequence[str]) -> bool:
    """Whether an address is none that leads to a door: a region, or a floor and a room with a short number.

    A room alone tells little, but one with a number of three digits or more stands in few other texts.
    """
    if not any(letter.isdecimal() for letter in letters):
        return count_units(letters) < _TELLING
    if letters.isdecimal():
        return False  # a postal code: short, but it tells something
    if any(sum(map(str.isdecimal, word)) >= _ROOM for word in words):
        return False
    return letters.isascii() and all(
        word[0].isdecimal() or len(word) < 3 or word in _NAMELESS for word in words
    )


def address_forms(text: str, table: GlyphTable) -> Iterator[str]:
    """The whole; its street and house number alone; both with short and with long words."""
    yield from _respelt(text, table)
    parts = re.split(r"[,\n;，、；]", text)
    if len(parts) > 1:
        for part in parts[:_MOST_PARTS]:
            words = words_of(part, table)
            if len(words) >= _STREET and words[0][0].isdecimal():
                yield from _respelt(part, table)
    for found in list(_REGION.finditer(text))[:_MOST_PARTS]:
        rest = text[found.end() :]
        if any(c.isdigit() for c in rest):
            yield letters_of(rest, table)


def _respelt(text: str, table: GlyphTable) -> Iterator[str]:
    words = words_of(text, table)
    yield "".join(words)
    yield "".join(_SHORT_WORDS.get(word, word) for word in words)
    yield "".join(_LONG_WORDS.get(word, word) for word in words)
