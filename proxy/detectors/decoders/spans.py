"""The spans that were reported: which finding grows which, and what of it can still be kept back.

One passage may be seen twice: by two readings of one run, by a reading that ended and was opened
again, by each look at text written backwards. It is reported once, and then as it grows.

May import: ``stream`` and the ground floor. The rule that must stay true: no span begins before what was
settled one character before the character that decided it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from proxy.detectors.decoders.stream import Found
from proxy.types import Finding, Provenance, Span

_KEPT = 32
_NAME = "encoded"


@dataclass(slots=True)
class _Record:
    number: int
    part: tuple[int, int, int | None]
    entity: str
    provenance: Provenance | None
    start: int
    end: int


class Spans:
    """The last spans of one channel that may still grow."""

    __slots__ = ("_count", "_records")

    def __init__(self) -> None:
        self._records: list[_Record] = []
        self._count = 0

    def place(self, found: Found, floor: int, read: int) -> Finding | None:
        """The finding to report, cut to begin at ``floor`` at least; None when it adds nothing."""
        inner, start = found.finding, found.start
        part = (found.run, found.inner, inner.part_of)
        record = next((known for known in reversed(self._records) if _joins(known, part, found)), None)
        if record is None:
            self._count += 1
            record = _Record(self._count, part, inner.entity, inner.provenance, found.start, found.end)
            self._records = [*self._records[1 - _KEPT :], record]
        elif found.end <= record.end:
            return None
        else:
            # What lies between two parts of one span (separators) belongs to it.
            start = min(start, record.end)
            record.part = part
            record.start, record.end = min(record.start, start), found.end
        start = max(start, floor)
        return replace(
            inner,
            detector=_NAME,
            span=Span(start, min(read, max(found.end, start + 1))),
            at=found.at,
            origin=None if inner.origin is None else min(found.origin, start),
            part_of=record.number,
        )


def _joins(known: _Record, part: tuple[int, int, int | None], found: Found) -> bool:
    """Whether a finding grows a span: it says so, or it is the same thing in the same place."""
    inner = found.finding
    if inner.part_of is not None and known.part == part:
        return True
    if (known.entity, known.provenance) != (inner.entity, inner.provenance):
        return False
    touches = 1 if inner.part_of is not None else 0
    return found.start < known.end + touches and known.start < found.end
