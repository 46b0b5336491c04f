"""One run being decoded: raw characters in, the inner scanners' findings and hold-back out, in raw offsets.

Strategy: what the transducer gives goes to fresh scanners of the inner detectors; for each decoded
character the raw offset where it begins and the one at which it was complete are kept, as far back as
an inner scanner may still ask. A finding's span is carried back through them: from the raw
character that carries its first decoded one, to the raw end of what decoded its last.

May import: ``transducer`` and the ground floor. The rule that must stay true: what the inner scanners hold
is held in raw characters, and nothing else but a character whose meaning is still pending.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.detectors.decoders.transducer import Decoded, OneForOne, Transducer
from proxy.types import QUIET, Finding, Scan, Scanner, in_full

_MAPPED = 8192
"""Decoded characters whose places are kept at most: more than a guard ever holds undecided."""
_TRIM = 256
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character: no text."""
_PENDING = 12
"""Raw characters that are held at most because what they stand for is not complete."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding of an inner scanner, in raw offsets, not yet cut to what has not left.

    ``inner`` numbers the detector; findings of one ``run`` (a number unlike that of any other) with
    equal ``inner`` and ``finding.part_of`` grow one span.
    """

    run: int
    inner: int
    finding: Finding
    origin: int
    start: int
    end: int
    at: int


class Stream:
    """A transducer and the scanners it feeds."""

    __slots__ = (
        "_base",
        "_count",
        "_done",
        "_escapes",
        "_floor",
        "_grown",
        "_reach",
        "_reported",
        "_run",
        "_scanners",
        "_starts",
        "closed",
        "hold",
        "transducer",
    )

    def __init__(self, transducer: Transducer, scanners: Sequence[Scanner], run: int, reach: int) -> None:
        """``reach``: how many decoded characters before its span a finding may have begun."""
        self.transducer = transducer
        self.closed = False
        self.hold: int | None = None
        """Raw offset before which nothing to come can begin; None when nothing is held."""
        self._scanners = scanners
        self._run = run
        self._reach = reach
        self._starts: list[int] = []
        self._done: list[int] = []
        self._base = 0
        self._count = 0
        self._escapes: list[int] = []
        """For each kept character the number of the last one, up to it, that was encoded at all."""
        self._floor = 0
        """Decoded characters that all inner scanners have settled."""
        self._grown: set[int] = set()
        """Where spans that may grow end: the last ones, and those of the segment being read."""
        self._reported: dict[int, int | None] = {}
        """For each inner detector the span it reported last, which may grow into plain text."""

    def feed(self, segment: str, offset: int) -> tuple[list[int], list[Found]]:
        """Read ``segment``, which begins at raw ``offset``: (hold after each character, findings)."""
        before = self._count
        idle = self._floor == before and not self._grown
        text, counts, pending = self._push(segment, offset)
        scans = [scanner.feed(text) for scanner in self._scanners] if text else []
        if idle and not self.closed and all(scan is QUIET for scan in scans):
            return self._passed(offset, pending), []
        floors, found = self._floors(scans, text)
        holds = [
            self._held(floors[count - 1] if count else self._floor, before + count, start, at)
            for at, (count, start) in enumerate(zip(counts, pending, strict=True), offset)
        ]
        if floors:
            self._floor = floors[-1]
        limits = [at + 1 if hold is None else min(hold, at + 1) for at, hold in enumerate(holds, offset)]
        if self.closed:
            at = offset + len(counts)
            found += self.finish(at)
            limits += range(at + 1, offset + len(segment) + 1)
        self.hold = None if self.closed else holds[-1]
        self._grown &= {self._count}
        self._trim()
        return limits, found

    def _push(self, segment: str, offset: int) -> tuple[str, Sequence[int], list[int | None]]:
        """Decode: the text, and for each character read how much of it there was, and what was pending."""
        transducer = self.transducer
        if isinstance(transducer, OneForOne):
            return self._replace(transducer, segment, offset)
        counts: list[int] = []
        pending: list[int | None] = []
        text: list[str] = []
        push = transducer.push
        for at, character in enumerate(segment, offset):
            out = push(character, at)
            if out is None:
                self.closed = True
                break
            if out:
                self._note(out, at, text)
            counts.append(len(text))
            pending.append(transducer.pending)
        return "".join(text), counts, pending

    def _replace(
        self, transducer: OneForOne, segment: str, offset: int
    ) -> tuple[str, Sequence[int], list[int | None]]:
        """The same where each character stands for one, all at once."""
        size, table = len(segment), transducer.table
        last = self._escapes[-1] if self._escapes else -1
        self._escapes += [
            last := number if ord(character) in table else last
            for number, character in enumerate(segment, self._count)
        ]
        self._starts += range(offset, offset + size)
        self._done += range(offset, offset + size)
        self._count += size
        return _SURROGATE.sub("\ufffd", segment.translate(table)), range(1, size + 1), [None] * size

    def _passed(self, offset: int, pending: Sequence[int | None]) -> list[int]:
        """Nothing was found, nothing is held but what is pending: the hold after each character."""
        self._floor = self._count
        self._trim()
        holds = [
            at + 1 if start is None or at - start >= _PENDING else start
            for at, start in enumerate(pending, offset)
        ]
        self.hold = None if holds[-1] == offset + len(holds) else holds[-1]
        return holds

    def finish(self, at: int) -> list[Found]:
        """The run has ended before raw offset ``at``: what is pending, and what only the end decides."""
        text: list[str] = []
        self._note(self.transducer.finish(), at, text)
        decoded = "".join(text)
        scans = [scanner.feed(decoded) for scanner in self._scanners] if decoded else []
        _, found = self._floors(scans, decoded)
        for number, scanner in enumerate(self._scanners):
            for finding in scanner.finish():
                self._carry(number, finding, found, at)
        return found

    def _note(self, out: Sequence[Decoded], at: int, text: list[str]) -> None:
        for character, start, encoded in out:
            last = self._escapes[-1] if self._escapes else -1
            self._escapes.append(self._count if encoded else last)
            self._starts.append(start)
            self._done.append(at)
            self._count += 1
            text.append("\ufffd" if "\ud800" <= character <= "\udfff" else character)

    def _floors(self, scans: Sequence[Scan], text: str) -> tuple[list[int], list[Found]]:
        """Of the decoded text that was scanned: for each character the least settled offset; the findings."""
        found: list[Found] = []
        if not text:
            return [], found
        first = self._count - len(text)
        scans = [in_full(scan, first, len(text)) for scan in scans]
        for number, scan in enumerate(scans):
            for finding in scan.findings:
                self._carry(number, finding, found, None)
        read = range(first + 1, self._count + 1)
        return list(map(min, read, read, *(scan.settled for scan in scans))), found

    def _held(self, floor: int, count: int, pending: int | None, at: int) -> int | None:
        """Raw offset from which on is held, of ``count`` decoded characters ``floor`` being settled."""
        before = self._done[floor - 1 - self._base] + 1 if self._base < floor else None
        if floor < count:
            start = self._starts[max(floor, self._base) - self._base]
            return start if before is None else min(start, before)
        # What follows a span's last character (a separator) belongs to it if the span grows.
        if before is not None and floor in self._grown:
            return before
        return pending if pending is not None and at - pending < _PENDING else None

    def _carry(self, number: int, finding: Finding, found: list[Found], at: int | None) -> None:
        """Put an inner finding into raw offsets, unless its text was plain: that is the plain scanners'."""
        span, base = finding.span, self._base
        origin = span.start - self._reach if finding.origin is None else finding.origin
        grows = finding.part_of is not None and self._reported.get(number) == finding.part_of
        if not self._starts:
            return
        decided = min(max(finding.at - base, 0), len(self._starts) - 1)
        if self._escapes[decided] < origin and not grows:
            return
        self._reported[number] = finding.part_of
        if finding.part_of is not None and finding.at + 1 == span.end:
            self._grown.add(span.end)
        first = min(max(span.start, base) - base, len(self._starts) - 1)
        last = min(max(span.end - 1 - base, first), len(self._starts) - 1)
        begun = min(max(span.start if finding.origin is None else finding.origin, base) - base, first)
        if at is None:
            at = self._done[max(decided, last)]
        end = min(self._done[last] + 1, at + 1)
        found.append(Found(self._run, number, finding, self._starts[begun], self._starts[first], end, at))

    def _trim(self) -> None:
        keep = max(self._floor - self._reach - 1, self._count - _MAPPED)
        if keep - self._base > _TRIM:
            del self._starts[: keep - self._base]
            del self._done[: keep - self._base]
            del self._escapes[: keep - self._base]
            self._base = keep
