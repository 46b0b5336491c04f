"""Base64, standard and URL-safe (RFC 4648, sections 4 and 5), also wrapped as in RFC 2045.

Budget: a reading opens within 24 raw characters of the run's start; from then on only what the inner
scanners hold is held, and at most the few characters of one that is not complete. UTF-8, and
UTF-16 of either byte order (so the longer runs of UTF-7 are read as well). Padding may be missing; a
new start after padding is followed. Limit: a character outside the alphabet, other than blanks
and line breaks, ends the run; the next reading again needs up to 24.

May import: ``bits``. The rule that must stay true: noise (an image, a hash) opens nothing that holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase, digits

from proxy.detectors.decoders.bits import Code, open_run
from proxy.detectors.decoders.transducer import Glance, Opening

_ALPHABET = ascii_uppercase + ascii_lowercase + digits
_CODE = Code(
    name="base64",
    values={character: value for value, character in enumerate(_ALPHABET)}
    | {"+": 62, "/": 63, "-": 62, "_": 63},
    bits=6,
    cycle=4,
    least=12,
    ends="=",
    hint=re.compile(r".*(?:[a-z0-9][A-Z]|[A-Za-z][0-9]|[0-9][a-z])", re.DOTALL),
)


class Base64:
    name = "base64"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        return open_run(_CODE, glance)
