"""Letters moved along the alphabet: all 25 shifts (rot13 among them), atbash, and rot47.

Strategy: where the last letters do not look like English, the other alphabets are weighed; the one that
makes them look so opens. It stays open while its reading looks like English, or is held.

Budget: of runs of English prose, 95 in 100 open within 24 raw characters, 98 within 32, 99 within 40. No
guarantee for text that is not like English (names, other languages, tables).

May import: ``language``, ``transducer``. The rule that must stay true: English that stands there plainly
opens nothing (save three looks in ten thousand, which cost time and hold nothing).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from string import ascii_lowercase, ascii_uppercase

from proxy.detectors.decoders.language import ALPHABETS, best_alphabet, score
from proxy.detectors.decoders.transducer import Glance, OneForOne, Opening

_WINDOW = 17
"""Characters that are weighed: 16 pairs."""
_WARM = 96
_POINTS = 20
"""Points that another alphabet must give."""
_GAIN = 24
"""Points by which it must be better."""
_MISSES = 6
"""Look-out points without English after which a reading closes."""


def _table(alphabet: tuple[int, ...]) -> dict[int, str]:
    table = {}
    for letters in (ascii_lowercase, ascii_uppercase):
        table.update({ord(letters[number]): letters[target] for number, target in enumerate(alphabet)})
    return table


_TABLES = tuple(_table(alphabet) for alphabet in ALPHABETS)
_TELLING = re.compile(r"[:=>?@].*[:=>?@]")
"""What i, l, m, n and o become under rot47."""
_ROT47 = {33 + code: chr(33 + (code + 47) % 94) for code in range(94)}


class MappedText(OneForOne):
    """Each letter replaced by another; all else as it is."""

    __slots__ = ("_misses",)

    def __init__(self, table: Mapping[int, str]) -> None:
        super().__init__(table)
        self._misses = 0

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        looks = score(tail[-_WINDOW:].translate(self.table)) > _POINTS
        self._misses = 0 if looks or holding else self._misses + 1
        return self._misses >= _MISSES


class Rotation:
    """The 25 shifts and atbash."""

    name = "rotation"
    alone = False
    nests = False

    def open(self, glance: Glance) -> Iterator[Opening]:
        number, points, plain = best_alphabet(glance.tail[-_WINDOW:])
        if points - plain >= _GAIN and points >= _POINTS:
            start = glance.offset(max(0, len(glance.tail) - _WARM))
            yield Opening(number, partial(MappedText, _TABLES[number]), start)


class Rot47:
    name = "rot47"
    alone = True
    nests = False

    def open(self, glance: Glance) -> Iterator[Opening]:
        window = glance.tail[-_WINDOW:]
        if not _TELLING.search(window):
            return
        if best_alphabet(window.translate(_ROT47))[2] >= _POINTS:
            start = glance.offset(max(0, len(glance.tail) - _WARM))
            yield Opening("", partial(MappedText, _ROT47), start)
