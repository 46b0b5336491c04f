"""Morse code in dots and dashes (ITU-R M.1677-1), a blank after each letter.

Budget: 24 raw characters, six or seven letters. Limit: letters and digits of the international code.

May import: ``tokens``, ``transducer``. The rule that must stay true: rulers and ellipses are no Morse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from proxy.detectors.decoders.tokens import TokenRun
from proxy.detectors.decoders.transducer import Glance, Opening, survives

_CODE = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- "
    "--.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_LETTERS = dict(zip(_CODE.split(), "abcdefghijklmnopqrstuvwxyz0123456789", strict=True))
_DOTS = str.maketrans("·•∙−–—_‐‑", "...------")
_LONGEST = 7
_LEAST = 4
"""Dots and dashes that a few letters have at least."""
_RUN = re.compile(r"(?:[.·•∙\-−–—_‐‑]{1,6}[ /|\n\r\t]+){3,}[.·•∙\-−–—_‐‑]{0,6}\Z")


def _meaning(token: str) -> str | None:
    """The letter of a token; a token of no letter, such as punctuation, stands for nothing."""
    return _LETTERS.get(token.translate(_DOTS), "")


_within = frozenset(".-·•∙−–—_‐‑").__contains__
_between = frozenset(" /|\n\r\t").__contains__
_make = partial(TokenRun, _meaning, _within, _between, _LONGEST)


class Morse:
    name = "morse"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        recent = glance.tail[-32:]
        if recent.isascii() and recent.count(".") + recent.count("-") < _LEAST:
            return
        found = _RUN.search(recent)
        if found is None or "." not in found[0].translate(_DOTS) or "-" not in found[0].translate(_DOTS):
            return
        opening = Opening("", _make, glance.offset(len(glance.tail) - len(recent) + found.start()))
        if survives(opening, glance):
            yield opening
