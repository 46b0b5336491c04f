"""Bytes written as eight binary digits, with or without blanks between them.

Budget: 24 raw characters, which is two or three letters. Limit: groups of seven are not read.

May import: ``bits``. The rule that must stay true: a row of numbers opens nothing that holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.detectors.decoders.bits import Code, open_run
from proxy.detectors.decoders.transducer import Glance, Opening

_CODE = Code(name="binary", values={"0": 0, "1": 1}, bits=1, cycle=8, least=16, gaps=" \t\r\n>,;|-")


class Binary:
    name = "binary"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        return open_run(_CODE, glance)
