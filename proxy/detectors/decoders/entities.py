"""Character references of HTML: named, decimal and hexadecimal (the HTML standard, section 13.2.5.72).

Budget: 24 raw characters after the first reference. The names are those of ``html.entities``; the
semicolon may be missing after a number.

May import: ``substitution``. The rule that must stay true: an ampersand in prose changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.entities import html5
from string import digits, hexdigits

from proxy.detectors.decoders.substitution import Substitution, warm_start
from proxy.detectors.decoders.transducer import Glance, Opening

_REFERENCE = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31};)")
_LONGEST = 33
_DIGITS = 8


class EntityText(Substitution):
    lead = "&"

    def parse(self, escape: str) -> tuple[int, str | bytes] | None:
        if len(escape) < 2:
            return None
        return _number(escape) if escape[1] == "#" else _name(escape)


def _name(escape: str) -> tuple[int, str] | None:
    if escape[-1] == ";":
        value = html5.get(escape[1:], "")
        return (len(escape), value) if value else (0, "")
    if not (escape[-1].isascii() and escape[-1].isalnum()) or len(escape) > _LONGEST:
        return 0, ""
    return None


def _number(escape: str) -> tuple[int, str] | None:
    first = 3 if escape[2:3] in ("x", "X") else 2
    allowed = hexdigits if first == 3 else digits
    last = escape[-1]
    if len(escape) <= first or (last in allowed and len(escape) < first + _DIGITS):
        return None
    end = len(escape) if last in allowed else len(escape) - 1
    number = escape[first:end]
    if not number:
        return 0, ""
    code = int(number, 16 if first == 3 else 10)
    value = chr(code) if 0 < code < 0x110000 else "\ufffd"
    return (len(escape) if last == ";" else end), value


class Entities:
    name = "entities"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        if _REFERENCE.search(glance.tail[-24:]):
            yield Opening("", EntityText, warm_start(glance))
