"""The skeleton: the part of a text that survives a change of its looks, in units.

Two texts that differ only in capitals, spacing, punctuation, accents, zero-width or control
characters, full-width or mathematical letters, look-alike letters of other scripts, leet digits or
Chinese script have the same skeleton. It is what is matched, in the index and in the stream alike.

Strategy: every raw character folds by itself, without its neighbours (compatibility decomposition NFKD, then
casefold, then the tables below; combining marks vanish). So the fold of a text is the
concatenation of the folds of its characters, no cutting can change it, and nothing has to be held
back for a mark still to come. NFKC, which composes across characters, would need both.

A *unit* is one folded letter or digit; a Han character or kana makes two units, since it carries about twice
as much, so that one set of thresholds serves both languages. A Hangul syllable makes one unit for
each of its two or three jamo, which comes to the same and leaves composed and decomposed Korean
equal.

May import: the standard library and the data of ``proxy.folding``. The rule that must stay true:
``fold(a + b) == fold(a) + fold(b)``.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib import resources

SKELETON_VERSION = 1
"""Raised when the fold of any character changes: an index of another version is not opened."""

WIDE = 0x110000
"""Added to the code point of a wide character to make its second unit."""

_LEET = str.maketrans("013456l7", "oieasbit")
"""Digits that stand for letters; l and 1 both become i. Folded on both sides, so nothing is lost but
the difference. Digits 2, 8 and 9 keep their meaning."""

_CACHE_LIMIT = 1 << 16
"""Folds kept; text that uses more distinct characters than this is hostile, and just gets slower."""


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, str], dict[str, str]]:
    """The confusables and the simplified forms, read once from the packaged data."""
    folder = resources.files("proxy.folding")
    confusables: dict[str, str] = {}
    for line in (folder / "confusables.tsv").read_text("utf-8").splitlines():
        code, target = line.split("\t")
        confusables[chr(int(code, 16))] = target
    simplified: dict[str, str] = {}
    for line in (folder / "simplified.tsv").read_text("utf-8").splitlines():
        code, target = line.split("\t")
        simplified[chr(int(code, 16))] = chr(int(target, 16))
    return confusables, simplified


def _letters(character: str, *, lookalikes: bool) -> str:
    """Letters and digits of one character, decomposed, casefolded and simplified; '' for the rest."""
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    confusables, simplified = _tables()
    out = []
    for part in unicodedata.normalize("NFKD", decomposed):
        if not part.isalnum():
            continue
        if part.isdecimal():
            out.append(str(unicodedata.decimal(part)))
        else:
            plain = simplified.get(part, part)
            out.append(confusables.get(plain, plain) if lookalikes else plain)
    return "".join(out)


def fold_character(character: str) -> str:
    """The folded letters and digits of one raw character: '' for what the skeleton drops."""
    return _letters(character, lookalikes=True).translate(_LEET)


def plain_character(character: str) -> str:
    """Like :func:`fold_character` but without leet and look-alikes: for values whose digits count."""
    return _letters(character, lookalikes=False)


class FoldTable(dict[int, str]):
    """Code point to folded text, filled as it is used: the table of ``str.translate``."""

    def __missing__(self, code: int) -> str:
        folded = fold_character(chr(code))
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[code] = folded
        return folded


def fold(text: str, table: FoldTable | None = None) -> str:
    """The skeleton of a whole text as letters; ``table`` keeps folds from call to call."""
    return text.translate(FoldTable() if table is None else table)


def is_wide(letter: str) -> bool:
    """Whether a folded letter counts two units: Han characters and kana."""
    code = ord(letter)
    return (
        0x3400 <= code <= 0x9FFF
        or 0x3040 <= code <= 0x30FF
        or 0x20000 <= code <= 0x3FFFF
        or 0x3005 <= code <= 0x3007
        or 0x31F0 <= code <= 0x31FF
        or 0xF900 <= code <= 0xFAFF
    )


def units_of(character: str) -> tuple[int, ...]:
    """The unit codes of one raw character: () where the skeleton drops it.

    A code is a code point, plus :data:`WIDE` for the second unit of a wide letter.
    """
    codes: list[int] = []
    for letter in fold_character(character):
        codes.append(ord(letter))
        if is_wide(letter):
            codes.append(ord(letter) + WIDE)
    return tuple(codes)


UNIT_BYTES = 4
"""Bytes of an encoded unit: its code, little-endian."""


_ASCII = "".join(map(chr, range(128)))


@lru_cache(maxsize=1)
def _ascii_units() -> tuple[bytes, bytes, bytes]:
    """For ``bytes.translate`` of ASCII: what each character folds to, those that the skeleton drops, and how
    many units each has. None has more than one."""
    folds = [fold_character(character) for character in _ASCII]
    folded = bytes(ord(fold) if fold else 0 for fold in folds)
    dropped = bytes(code for code, fold in enumerate(folds) if not fold)
    return folded.ljust(256, b"\0"), dropped, bytes(map(len, folds)).ljust(256, b"\0")


class UnitTable(dict[str, bytes]):
    """Raw character to its encoded units (b"" where it is dropped), filled as it is used.

    ASCII, of which no character has more than one unit, is translated as a whole, in a tenth of the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ascii = _ascii_units()

    def encoded(self, text: str) -> bytes:
        """The encoded units of a text."""
        if text.isascii():
            folded, dropped, _ = self._ascii
            return text.encode().translate(folded, dropped).decode().encode("utf-32-le")
        return b"".join(map(self.__getitem__, text))

    def counts(self, text: str) -> bytes:
        """How many units each character of a text has: one byte a character."""
        if text.isascii():
            return text.encode().translate(self._ascii[2])
        return bytes(len(self[character]) // UNIT_BYTES for character in text)

    def __missing__(self, character: str) -> bytes:
        encoded = b"".join(code.to_bytes(UNIT_BYTES, "little") for code in units_of(character))
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[character] = encoded
        return encoded


def units(text: str) -> list[int]:
    """The unit codes of a whole text, in order."""
    return [code for character in text for code in units_of(character)]


def count_units(text: str) -> int:
    """How many units a text has."""
    return len(units(text))
