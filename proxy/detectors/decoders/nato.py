"""Letters spelt with the words of the international spelling alphabet (ICAO Annex 10, with its variants).

Digits between the words stand for themselves, as they are mostly written.

Budget: 64 raw characters, some ten letters, for whole words are looked at every 64; 96 are looked back on.
Limit: other words than those of the alphabet and the ten digits end the run.

May import: ``tokens``, ``transducer``. The rule that must stay true: prose that names a few of the words
holds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from proxy.detectors.decoders.tokens import TokenRun
from proxy.detectors.decoders.transducer import Glance, Opening

_NAMES = (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa "
    "quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
)
_NUMBERS = "zero one two three four five six seven eight nine"
WORDS = (
    {word: word[0] for word in _NAMES.split()}
    | {"alpha": "a", "juliet": "j", "whisky": "w", "x": "x", "ray": ""}
    | {word: str(digit) for digit, word in enumerate(_NUMBERS.split())}
    | {"niner": "9", "space": " ", "dot": ".", "dash": "-", "stop": "."}
)
_RARE = "bravo charlie foxtrot juliett juliet quebec sierra tango uniform whiskey yankee zulu"
TELLING = frozenset(word + point for word in _RARE.split() for point in ("", ",", ".", ";"))
"""Words of the alphabet that are not much used otherwise: one of them is worth a look."""
_WORD = re.compile(r"[A-Za-z0-9]+")
_LONGEST = 8


def _within(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _meaning(token: str) -> str | None:
    """The letter of a word, or digits. X-ray comes as two tokens."""
    return token if token.isdecimal() else WORDS.get(token.lower())


_make = partial(TokenRun, _meaning, _within, lambda character: not character.isalnum(), _LONGEST)


class Nato:
    name = "nato"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        tail = glance.tail[-96:]
        start, count = len(tail), 0
        words = list(_WORD.finditer(tail))
        if words and words[-1].end() == len(tail):
            words.pop()
        for word in reversed(words):
            if _meaning(word[0]) is None:
                break
            start = word.start()
            count += not word[0].isdecimal()
        if count >= 3:
            yield Opening("", _make, glance.offset(len(glance.tail) - len(tail) + start))
