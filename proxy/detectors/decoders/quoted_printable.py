"""Quoted-printable (RFC 2045, section 6.7): =XX for a byte, and = before a line break for nothing.

Budget: 24 raw characters after the first escape. Bytes are UTF-8, else Latin-1.

May import: ``substitution``. The rule that must stay true: an equals sign in code changes nothing that
the plain text's own scanners see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import hexdigits

from proxy.detectors.decoders.substitution import Substitution, warm_start
from proxy.detectors.decoders.transducer import Glance, Opening

_ESCAPE = re.compile(r"=(?:[0-9A-Fa-f]{2}|\r?\n)")


class QuotedText(Substitution):
    lead = "="

    def parse(self, escape: str) -> tuple[int, str | bytes] | None:
        if escape[1:2] == "\n" or escape[1:3] == "\r\n":
            return escape.index("\n") + 1, ""
        if len(escape) < 3:
            return None if escape[1:2] in ("", "\r", *hexdigits) else (0, "")
        digits = escape[1:3]
        if any(digit not in hexdigits for digit in digits):
            return 0, ""
        return 3, bytes.fromhex(digits)


class QuotedPrintable:
    name = "quoted-printable"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        if _ESCAPE.search(glance.tail[-24:]):
            yield Opening("", QuotedText, warm_start(glance))
