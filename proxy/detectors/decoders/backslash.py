r"""Escapes of string literals: \n, \", \uhhhh (also in pairs), \u{...}, \Uhhhhhhhh, \xhh and octal.

Budget: 24 raw characters after the first escape. \xXX and octal are bytes of UTF-8, else Latin-1.

May import: ``substitution``. The rule that must stay true: a backslash in code changes nothing that the
plain text's own scanners see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import hexdigits

from proxy.detectors.decoders.substitution import Substitution, warm_start
from proxy.detectors.decoders.transducer import Glance, Opening

_ESCAPE = re.compile(r"\\[nrtbfv0-7uUxX\"'\\/]")
_SIMPLE = dict(zip("nrtbfva\"'\\/e", "\n\r\t\b\f\v\a\"'\\/\x1b", strict=True))
_LENGTHS = {"u": 4, "U": 8, "x": 2, "X": 2}
_OCTAL = "01234567"


class BackslashText(Substitution):
    lead = "\\"

    def parse(self, escape: str) -> tuple[int, str | bytes] | None:
        if len(escape) < 2:
            return None
        kind = escape[1]
        if kind in _LENGTHS:
            return _hex(escape, kind)
        if kind in _OCTAL:
            return _octal(escape)
        return (2, _SIMPLE[kind]) if kind in _SIMPLE else (0, "")


def _hex(escape: str, kind: str) -> tuple[int, str | bytes] | None:
    if kind in "uU" and escape[2:3] == "{":
        return _braced(escape)
    size = 2 + _LENGTHS[kind]
    digits = escape[2:size]
    if any(digit not in hexdigits for digit in digits):
        return 0, ""
    if len(escape) < size:
        return None
    if kind in "xX":
        return size, bytes.fromhex(digits)
    code = int(digits, 16)
    if 0xD800 <= code < 0xDC00:
        return _pair(escape, code)
    return size, chr(code) if code < 0x110000 else "\ufffd"


def _pair(escape: str, high: int) -> tuple[int, str] | None:
    r"""A character beyond the first plane, as \ud83d\ude00."""
    rest = escape[6:12]
    if rest[:2] != "\\u"[: len(rest)] or any(digit not in hexdigits for digit in rest[2:]):
        return 6, "\ufffd"
    if len(rest) < 6:
        return None
    low = int(rest[2:], 16)
    if not 0xDC00 <= low < 0xE000:
        return 6, "\ufffd"
    return 12, chr(0x10000 + (high - 0xD800 << 10) + low - 0xDC00)


def _braced(escape: str) -> tuple[int, str] | None:
    end = escape.find("}")
    digits = escape[3 : end if end >= 0 else None]
    if len(digits) > 6 or any(digit not in hexdigits for digit in digits):
        return 0, ""
    if end < 0:
        return None
    code = int(digits or "0", 16)
    return end + 1, chr(code) if code < 0x110000 else "\ufffd"


def _octal(escape: str) -> tuple[int, bytes] | None:
    if len(escape) < 4 and escape[-1] in _OCTAL:
        return None
    digits = escape[1 : 4 if escape[-1] in _OCTAL else -1]
    return 1 + len(digits), bytes((int(digits, 8) & 0xFF,))


class Backslash:
    name = "backslash"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        if _ESCAPE.search(glance.tail[-24:]):
            yield Opening("", BackslashText, warm_start(glance))
