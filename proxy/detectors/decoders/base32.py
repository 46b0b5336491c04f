"""Base32 (RFC 4648, section 6), in capitals or small letters.

Budget: 24 raw characters. Limit: the extended hex alphabet and Crockford's are not read.

May import: ``bits``. The rule that must stay true: noise opens nothing that holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase

from proxy.detectors.decoders.bits import Code, open_run
from proxy.detectors.decoders.transducer import Glance, Opening

_CODE = Code(
    name="base32",
    values={
        character: value
        for alphabet in (ascii_uppercase, ascii_lowercase)
        for value, character in enumerate(alphabet + "234567")
    },
    bits=5,
    cycle=8,
    least=9,
    ends="=",
    hint=re.compile(r"(?:[^a-z]*|[^A-Z]*)\Z"),
)


class Base32:
    name = "base32"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        return open_run(_CODE, glance)
