"""The bytes that patterns are written in: one byte for each character, so that offsets stay.

ASCII stands for itself. Full-width letters, digits and signs, decimal digits of other scripts, and the many
blanks and dashes become their ASCII twins. The Han characters that patterns name have a byte each; all other
characters share one, which no pattern fits.

May import: the standard library only. The rule that must stay true: the fold of a text has as many bytes as
the text has characters, and that of a character does not depend on its neighbours.
"""

from __future__ import annotations

import unicodedata

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
"""The first character of a vehicle plate."""

PLATE_ENDS = "学警挂港澳"
KEYWORDS = "密码口令钥牌护照身份证件号电话手机联系座银行卡账户是为通订单运快递物流工员编会客预约病历"
HAN = "".join(dict.fromkeys(PROVINCES + PLATE_ENDS + KEYWORDS))

DOT = "\xa1"
"""The middle dot of plates and names, in its many forms."""
OTHER = "\xff"
_FIRST_HAN = 0xA2
_SPECIAL = {character: chr(_FIRST_HAN + n) for n, character in enumerate(HAN)}
_SPECIAL |= dict.fromkeys("·•・‧∙", DOT)
_SPECIAL |= dict.fromkeys("‐‑‒–—―−", "-")
_KEPT = 1 << 16
"""Folds kept; text that uses more distinct characters is hostile, and just gets slower."""


def han(words: str) -> str:
    """Han characters of :data:`HAN` as the bytes that stand for them."""
    return "".join(_SPECIAL[character] for character in words)


class Alphabet(dict[int, str]):
    """Code point to folded character, filled as it is used: the table of ``str.translate``."""

    def __missing__(self, code: int) -> str:
        if len(self) >= _KEPT:
            self.clear()
        folded = self[code] = _folded(chr(code))
        return folded

    def fold(self, text: str) -> bytes:
        """One byte for each character."""
        return text.encode("latin-1") if text.isascii() else text.translate(self).encode("latin-1")


def _folded(character: str) -> str:
    if character.isascii():
        return character
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if unicodedata.category(character) == "Zs":
        return " "
    plain = unicodedata.normalize("NFKC", character)
    wide = 0xFF01 <= ord(character) <= 0xFF5E  # other compatibility forms are not worth a value
    return plain if wide and len(plain) == 1 and plain.isascii() else OTHER
