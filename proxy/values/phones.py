"""The forms of a phone number.

May import: this package's ``reading``. The rule that must stay true: the first form is the national number,
or all the digits where what is national cannot be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxy.values.reading import GlyphTable, digits_of

_EXTENSION = re.compile(r"(?i)\s*(?:ext|分机|转|x|#|;|,|/).*", re.DOTALL)
_LEAST = 6
"""Digits of a number of its own; with fewer before it, "x" or "," begins no extension."""

_CODES = (
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 "
    "82 84 86 90 91 92 93 94 95 98"
)
_TWO_DIGITS = frozenset(_CODES.split())
"""Country codes of two digits (ITU-T E.164, list of assigned codes); 1 and 7 have one, all others three."""


def phone_forms(text: str, table: GlyphTable) -> Iterator[str]:
    """The national number; with its country code, also after 00; with the trunk 0."""
    digits = digits_of(_EXTENSION.sub("", text.replace("(0)", "")), table)
    if len(digits) < _LEAST:
        digits = digits_of(text, table)
    code, national = _split(text, digits)
    bare = national.removeprefix("0") if len(national) > 7 else national
    yield national
    if bare != national:
        yield bare
    if code:
        yield f"{code}{bare}"
        yield f"00{code}{bare}"
        if bare == national and code != "1" and not _is_chinese_mobile(national):
            yield f"0{national}"


def _split(text: str, digits: str) -> tuple[str, str]:
    """(country code or "", national number). Without "+" or "00" only what its shape tells."""
    if text.lstrip(" (（")[:1] in ("+", "＋") or (digits.startswith("00") and len(digits) > 10):
        digits = digits.lstrip("0")
        size = 1 if digits[:1] in ("1", "7") else 2 if digits[:2] in _TWO_DIGITS else 3
        return digits[:size], digits[size:]
    if _is_chinese_mobile(digits):
        return "86", digits
    if len(digits) == 13 and digits.startswith("86") and _is_chinese_mobile(digits[2:]):
        return "86", digits[2:]
    if len(digits) == 11 and digits[0] == "1" and digits[1] in "23456789":
        return "1", digits[1:]
    if len(digits) == 10 and digits[0] in "23456789" and digits[3] in "23456789":
        return "1", digits
    if 10 <= len(digits) <= 12 and digits.startswith("0"):
        return "86", digits
    return "", digits


def _is_chinese_mobile(digits: str) -> bool:
    return len(digits) == 11 and digits[0] == "1" and digits[1] in "3456789"
