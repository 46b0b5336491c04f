"""The forms of a person's name.

May import: ``proxy.text`` and this package's ``reading``. The rule that must stay true: the first form is the
name as it is said, the family name last, also where it was written first, before a comma.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.text import is_wide
from proxy.values.reading import GlyphTable, words_of

_TITLE_WORDS = "mr mrs ms miss mx dr prof professor sir madam dame herr frau señor señora mme"
_SUFFIX_WORDS = "jr sr ii iii iv phd md esq dds"
_PARTICLE_WORDS = "van von der den de del della di da dos du la le bin ibn al el ter ten"
_TITLES = frozenset(_TITLE_WORDS.replace("ñ", "n").split())
_SUFFIXES = frozenset(_SUFFIX_WORDS.split())
_PARTICLES = frozenset(_PARTICLE_WORDS.split())


def person_forms(text: str, table: GlyphTable) -> Iterator[str]:
    """Both orders; with two given names also without the second. Titles and suffixes do not count."""
    family_name, comma, given_names = text.partition(",")
    if comma and not set(words_of(given_names, table)) <= _SUFFIXES:
        text = f"{given_names} {family_name}"
    words = words_of(text, table)
    while len(words) > 1 and words[0] in _TITLES:
        words = words[1:]
    while len(words) > 1 and words[-1] in _SUFFIXES:
        words = words[:-1]
    yield "".join(words)
    if len(words) < 2 or all(map(is_wide, "".join(words))):
        return
    at = next(
        (i for i, word in enumerate(words) if 0 < i < len(words) - 1 and word in _PARTICLES), len(words) - 1
    )
    given, family = words[:at], "".join(words[at:])
    yield family + "".join(given)
    if len(given) > 1:
        yield given[0] + family
        yield family + given[0]
