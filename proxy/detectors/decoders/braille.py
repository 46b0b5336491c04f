"""Braille, uncontracted English: the cells of U+2800 to U+28FF as letters and digits.

Budget: 24 raw characters. Other characters between the cells mean nothing. Limit: contractions and
the codes of other languages are not read.

May import: ``transducer``. The rule that must stay true: a spinner made of cells holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.detectors.decoders.transducer import Decoded, Glance, Opening

_LETTERS = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", "abcdefghijklmnopqrstuvwxyz", strict=True))
_DIGITS = dict(zip("abcdefghij", "1234567890", strict=True))
_NUMBER = "⠼"
_IDLE = 64


class BrailleText:
    __slots__ = ("_last", "_number")
    pending = None

    def __init__(self) -> None:
        self._last = 0
        self._number = False

    def push(self, character: str, offset: int) -> tuple[Decoded, ...]:
        if not "\u2800" <= character <= "\u28ff":
            return ()
        self._last = offset
        letter = _LETTERS.get(character, "")
        if self._number and letter in _DIGITS:
            return ((_DIGITS[letter], offset, True),)
        self._number = character == _NUMBER or (self._number and not letter and character in "⠂⠲")
        return ((letter, offset, True),) if letter else ()

    def finish(self) -> tuple[Decoded, ...]:
        return ()

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return read - self._last > _IDLE


class Braille:
    name = "braille"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        first = max(0, len(glance.tail) - 24)
        for index in range(first, len(glance.tail)):
            if "\u2801" <= glance.tail[index] <= "\u28ff":
                yield Opening("", BrailleText, glance.offset(index))
                return
