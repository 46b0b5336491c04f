"""Characters written as numbers: 72 101 108, or U+0048 U+0065, with blanks or commas between.

Budget: 24 raw characters, or four numbers where these are longer. Decimal numbers below 256 are bytes of
UTF-8 where they can be, else code points.

May import: ``tokens``, ``transducer``, ``charset``. The rule that must stay true: a table of figures opens
nothing that holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from string import digits, hexdigits

from proxy.detectors.decoders.charset import ByteText
from proxy.detectors.decoders.tokens import TokenRun
from proxy.detectors.decoders.transducer import Decoded, Endless, Glance, Opening, survives

_BETWEEN = frozenset(" ,;\n\r\t[](){}\"'")
_DECIMAL = re.compile(r"(?<![0-9.,])(?:[0-9]{2,7}[ ,;\n\r\t]{1,3}){3,}[0-9]{0,7}\Z")
_TOKEN = re.compile(r"[Uu]\+[0-9A-Fa-f]{4,6}")
_ENDING = re.compile(r"[0-9][ ,;\n\r\t]{0,3}\Z")
_UNICODE = re.compile(r"(?:[Uu]\+[0-9A-Fa-f]{4,6}[ ,;\n\r\t]{0,3}){2,}(?:[Uu](?:\+[0-9A-Fa-f]{0,6})?)?\Z")


def _code_point(token: str) -> str | None:
    code = int(token)
    if code >= 0x110000:
        return None
    character = chr(code)
    return character if character.isprintable() or character in "\t\n\r" else None


def _unicode(token: str) -> str | None:
    """The character of U+ and its number."""
    if not _TOKEN.fullmatch(token):
        return None
    code = int(token[2:], 16)
    return chr(code) if code < 0x110000 else None


class NumberBytes(Endless):
    """Decimal numbers as bytes of UTF-8."""

    __slots__ = ("_start", "_text", "_tokens")

    def __init__(self) -> None:
        self._tokens = TokenRun(_byte, digits.__contains__, _BETWEEN.__contains__, 3)
        self._text = ByteText()

    @property
    def pending(self) -> int | None:
        return self._tokens.pending if self._text.pending is None else self._text.pending

    def push(self, character: str, offset: int) -> Sequence[Decoded] | None:
        return self._decode(self._tokens.push(character, offset))

    def finish(self) -> Sequence[Decoded]:
        return self._decode(self._tokens.finish()) or ()

    def _decode(self, raw: Sequence[Decoded] | None) -> Sequence[Decoded] | None:
        if not raw:
            return raw
        return self._text.push(ord(raw[0][0]), raw[0][1])


def _byte(token: str) -> str | None:
    return chr(int(token)) if int(token) < 256 else None


_decimal = partial(TokenRun, _code_point, digits.__contains__, _BETWEEN.__contains__, 7)
_hexadecimal = partial(
    TokenRun, _unicode, frozenset(hexdigits + "uU+").__contains__, _BETWEEN.__contains__, 8
)


class CodePoints:
    name = "codepoints"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        recent = glance.tail[-40:]
        base = len(glance.tail) - len(recent)
        if _ENDING.search(recent) and (found := _DECIMAL.search(recent)):
            start = glance.offset(base + found.start())
            readings = [Opening("bytes", NumberBytes, start), Opening("decimal", _decimal, start)]
            if survives(readings[0], glance):
                yield readings[0]
            elif survives(readings[1], glance):
                yield readings[1]
        elif "+" in recent and (found := _UNICODE.search(recent)):
            yield Opening("unicode", _hexadecimal, glance.offset(base + found.start()))
