"""Five symbols for four bytes: Ascii85 (as in PostScript and ``base64.a85encode``) and RFC 1924's base85.

Budget: 24 raw characters; no more than five are held beyond what the inner scanners hold. Limit: the
short forms z and y of Ascii85, which stand for bytes that are no text, end the run.

May import: ``transducer``, ``charset``. The rule that must stay true: a reading that was opened has turned
every symbol from its start to the look-out point into text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from string import ascii_lowercase, ascii_uppercase, digits

from proxy.detectors.decoders.charset import ByteText
from proxy.detectors.decoders.transducer import Decoded, Endless, Glance, Opening, survives

_ASCII85 = {chr(code): code - 33 for code in range(33, 118)}
_RFC1924 = {
    character: value
    for value, character in enumerate(digits + ascii_uppercase + ascii_lowercase + "!#$%&()*+-;<=>?@^_`{|}~")
}
_ODD = frozenset("!\"#$%&'()*+,;<=>?@[\\]^`{|}~")
_SIGNS = 3
"""Different signs that ten or more symbols mostly have, and addresses and words do not; one less will do"""
_MIXED = re.compile(r"(?=.*[A-Z])(?=.*[a-z])(?=.*[0-9])", re.DOTALL)
"""beside capitals, small letters and digits."""
_LONG, _SELDOM = 64, 32
"""A run longer than this was looked at before, and is now looked at less often."""
_BLANK = re.compile(r"\s")
_CYCLE = 5
_LEAST = 10
_WARM = 25


class GroupRun(Endless):
    """A reading of one run in one alphabet of 85 symbols."""

    __slots__ = ("_group", "_starts", "_text", "_values")

    def __init__(self, values: Mapping[str, int]) -> None:
        self._values = values
        self._text = ByteText()
        self._group: list[int] = []
        self._starts: list[int] = []

    @property
    def pending(self) -> int | None:
        if self._text.pending is not None:
            return self._text.pending
        return self._starts[0] if self._starts else None

    def push(self, character: str, offset: int) -> list[Decoded] | None:
        value = self._values.get(character)
        if value is None:
            return [] if character in "\r\n" else None
        self._group.append(value)
        self._starts.append(offset)
        return self._take(4) if len(self._group) == _CYCLE else []

    def finish(self) -> list[Decoded]:
        """A last group of n symbols carries n - 1 bytes."""
        count = len(self._group)
        if count < 2:
            return []
        self._group += [84] * (_CYCLE - count)
        self._starts += self._starts[-1:] * (_CYCLE - count)
        return self._take(count - 1) or []

    def _take(self, count: int) -> list[Decoded] | None:
        """The first ``count`` bytes of a full group."""
        number = 0
        for value in self._group:
            number = number * 85 + value
        starts, self._group, self._starts = self._starts, [], []
        if number >> 32:
            return None
        out: list[Decoded] = []
        for byte, start in list(zip(number.to_bytes(4, "big"), starts, strict=False))[:count]:
            decoded = self._text.push(byte, start)
            if decoded is None:
                return None
            out += decoded
        return out


class Base85:
    name = "base85"
    alone = True
    nests = True

    def open(self, glance: Glance) -> Iterator[Opening]:
        word = glance.tail[-_WARM:].rsplit(None, 1)
        run = word[-1] if word else ""
        signs = len(_ODD.intersection(run))
        if len(run) < _LEAST or signs < _SIGNS - 1 or (signs < _SIGNS and not _MIXED.match(run)):
            return
        if not glance.tail[-_LEAST:].isascii():
            return  # every opening covers at least these, and no symbol is beyond ASCII
        long = len(glance.tail) > _LONG and not _BLANK.search(glance.tail, len(glance.tail) - _LONG)
        if long and glance.read % _SELDOM:
            return
        for values in (_ASCII85, _RFC1924):
            for size in dict.fromkeys((len(run), _LEAST + _CYCLE - 1)):
                for first in range(len(glance.tail) - size, len(glance.tail) - size + _CYCLE):
                    start = glance.offset(first)
                    opening = Opening((len(values), start), partial(GroupRun, values), start)
                    if len(glance.tail) - first >= _LEAST and survives(opening, glance):
                        yield opening
