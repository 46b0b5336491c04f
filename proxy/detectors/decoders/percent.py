"""Percent-encoding (RFC 3986, section 2.1), whole or in part, and the %uhhhh of old scripts.

Budget: 24 raw characters after the first escape; the text before it, as far as it is plain, is the plain
detectors' to hold. Bytes are UTF-8, else Latin-1.

May import: ``substitution``. The rule that must stay true: a percent sign in prose changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import hexdigits

from proxy.detectors.decoders.substitution import Substitution, warm_start
from proxy.detectors.decoders.transducer import Glance, Opening

_ESCAPE = re.compile(r"%(?:[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})")


class PercentText(Substitution):
    lead = "%"

    def parse(self, escape: str) -> tuple[int, str | bytes] | None:
        first = 2 if escape[1:2] in ("u", "U") else 1
        size = first + (4 if first == 2 else 2)
        digits = escape[first:size]
        if any(digit not in hexdigits for digit in digits):
            return 0, ""
        if len(escape) < size:
            return None
        return (size, chr(int(digits, 16))) if first == 2 else (size, bytes.fromhex(digits))


class Percent:
    name = "percent"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        if _ESCAPE.search(glance.tail[-24:]):
            yield Opening("", PercentText, warm_start(glance))
