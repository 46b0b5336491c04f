r"""Hexadecimal bytes: plain, spaced, with colons, commas or dashes, or each led by 0x or \x.

Budget: 24 raw characters. UTF-8 and UTF-16. Limit: digits that stand for code points rather than
bytes are left to ``codepoints``, and \x between plain letters to ``backslash``.

May import: ``bits``. The rule that must stay true: a hash, a key or a UUID opens nothing that holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from string import hexdigits

from proxy.detectors.decoders.bits import Code, open_run
from proxy.detectors.decoders.transducer import Glance, Opening

_CODE = Code(
    name="hex",
    values={character: int(character, 16) for character in hexdigits},
    bits=4,
    cycle=2,
    least=8,
    gaps=" \t\r\n>:,;-\\'\"",
    prefix="xX",
)


class Hexadecimal:
    name = "hex"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        return open_run(_CODE, glance)
