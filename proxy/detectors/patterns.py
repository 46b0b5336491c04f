"""The scanner that pattern detectors share: values found as they come, held while they could still be one.

Strategy. Places at which a value may begin are tried in their order, one at a time
(``proxy.patterns.matcher``). While the place is open, everything from it on is held; the character that
closes it decides it, and the places within what was held are tried at once. A value that grows without bound
(a private key) is reported when it is certain, then character by character. So what is held is one value
long at most.

Patterns whose findings nothing would stop are only counted, at every ``STRIDE``-th character: they hold
nothing.

May import: the ground floor. The rule that must stay true: what is found, and when, depends on the text up
to that character alone, not on how it was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from proxy.patterns import Found, Matcher
from proxy.patterns.matcher import Decided
from proxy.types import QUIET, Finding, Scan

STRIDE = 512
"""Characters between two counts of what is only counted."""

Report = Callable[[Found, bytes, int, int, int | None], Finding | None]
"""(what was found, its folded text, its end in the channel, ``at``, ``part_of``) -> a finding, or None: free.

The offsets of ``Found`` are those of the channel."""


class PatternScanner:
    """Finds the values of a matcher in one channel, and holds them until they are decided."""

    def __init__(self, matcher: Matcher, report: Report, data: bytes = b"\n", base: int = -1) -> None:
        """``data``: the folded text to go on from, its first byte at ``base``, with no place in it closed."""
        self._matcher = matcher
        self._report = report
        self._data = data
        """The folded text from ``_base`` on: the open place and one byte before it, or only the last byte."""
        self._base = base
        self._look = 1
        self._growing: Found | None = None
        """At the offsets of the channel."""
        self._grown = 0
        """Values that grow, so far: names the parts of one finding."""

    def feed(self, piece: str) -> Scan:
        now, base = len(self._data), self._base
        data = self._data + (piece.encode() if piece.isascii() else self._matcher.alphabet.fold(piece))
        first = None if self._growing else self._matcher.undecided(data)
        if not isinstance(first, int):
            return self._found(data, now, first)
        keep = (first or len(data)) - 1
        self._data = data[keep:]
        self._base = base + keep
        if first == 0:
            return QUIET
        if first == 1:
            return Scan((), [base + 1] * (len(data) - now))
        return Scan((), _Settled(self._matcher, data, now, base, first))

    def _found(self, data: bytes, now: int, first: Decided | None) -> Scan:
        findings: list[Finding] = []
        self._data = data
        settled, place = self.read(now, findings, first)
        self._data = data[place - 1 :]
        self._base += place - 1
        return Scan(findings, settled)

    def finish(self) -> Sequence[Finding]:
        findings: list[Finding] = []
        self._look = 1
        size = len(self._data)
        while self._growing is None and (place := self._matcher.places.search(self._data, self._look)):
            self._look = place.start() + 1
            found = self._matcher.decide(self._data, place.start(), size)
            if found:
                self._look = max(self._look, self._matcher.grown(found, self._data))
                self._tell(found, self._look, size, None, findings)
        return findings

    # --- reading closely -----------------------------------------------------------------------------------

    def read(self, now: int, findings: list[Finding], first: Decided | None = None) -> tuple[list[int], int]:
        """Read the bytes from ``now`` on: where the text is settled after each, and what is open then.

        ``first``: the first value, and the byte that decided it, where they are known.
        """
        data, matcher, base = self._data, self._matcher, self._base
        size = len(data)
        settled: list[int] = []
        self._look = 1
        while now < size:
            if self._growing is not None:
                now = self._grow(now, settled, findings)
                continue
            match = matcher.places.search(data, self._look)
            place = match.start() if match else size
            if now < place:
                settled += range(base + now + 1, base + place + 1)
                now = place
            if place == size:
                break
            known = first if first and first[0].opened == place else None
            found, closed = known or matcher.decided(data, place)
            if closed == size:
                settled += [base + place] * (size - now)
                return settled, place
            if closed > now:
                settled += [base + place] * (closed - now)
                now = closed
            self._look = place + 1
            if found:
                self._take(found, now, findings)
        return settled, size

    def _take(self, found: Found, now: int, findings: list[Finding]) -> None:
        """A value that byte ``now`` decided; one that grows may go on with that byte and after it."""
        end, part = found.end, None
        if found.open_ended:
            end = min(self._matcher.grown(found, self._data), now)
            self._grown += 1
            part = self._grown
        told = self._tell(found, end, now, part, findings)
        self._look = max(self._look, end)
        if told and part and end == now:
            self._growing = found.moved(self._base)

    def _grow(self, now: int, settled: list[int], findings: list[Finding]) -> int:
        """Bytes after a value that grows: each of its kind is a further part of it."""
        found = self._growing
        assert found is not None
        while now < len(self._data) and self._matcher.goes_on(found, self._data[now]):
            self._look = now + 1
            now += 1
            piece = Found(found.pattern, now - 1, now, found.opened - self._base)
            self._tell(piece, now, now - 1, self._grown, findings)
            settled.append(self._base + now)
        if now < len(self._data):
            self._growing = None
        return now

    def _tell(self, found: Found, end: int, at: int, part: int | None, findings: list[Finding]) -> bool:
        base = self._base
        finding = self._report(found.moved(base), self._data[found.start : end], end + base, at + base, part)
        if finding is not None:
            findings.append(finding)
        return finding is not None


class _Settled(Sequence[int]):
    """Where a piece without findings is settled: the last is known, the others are worked out when asked."""

    __slots__ = ("_all", "_base", "_data", "_matcher", "_now", "_place")

    def __init__(self, matcher: Matcher, data: bytes, now: int, base: int, place: int) -> None:
        self._matcher = matcher
        self._data = data
        self._now = now
        self._base = base
        self._place = place
        self._all: list[int] | None = None

    def __len__(self) -> int:
        return len(self._data) - self._now

    def __getitem__(self, index: Any) -> Any:
        return self._base + self._place if index == -1 else self._in_full()[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._in_full())

    def _in_full(self) -> list[int]:
        if self._all is None:
            again = PatternScanner(self._matcher, _free, self._data, self._base)
            self._all, _ = again.read(self._now, [])
        return self._all


def _free(found: Found, value: bytes, end: int, at: int, part: int | None) -> None:
    """A report for text in which nothing is found."""


class CountingScanner:
    """Finds the values of a matcher, some time after they were read, and holds nothing."""

    def __init__(self, matcher: Matcher, report: Report) -> None:
        self._matcher = matcher
        self._report = report
        self._data = b"\n"
        self._base = -1
        self._look = 1
        self._waiting: list[str] = []
        self._missing = STRIDE

    def feed(self, piece: str) -> list[Finding]:
        """What was decided at the strides within this piece; ``at`` is the last character of a stride."""
        findings: list[Finding] = []
        while len(piece) >= self._missing:
            self._waiting.append(piece[: self._missing])
            piece = piece[self._missing :]
            self._count(findings, whole=False)
        self._waiting.append(piece)
        self._missing -= len(piece)
        return findings

    def finish(self) -> list[Finding]:
        findings: list[Finding] = []
        self._count(findings, whole=True)
        return findings

    def _count(self, findings: list[Finding], *, whole: bool) -> None:
        matcher = self._matcher
        data = self._data + matcher.alphabet.fold("".join(self._waiting))
        self._waiting.clear()
        self._missing = STRIDE
        size = len(data)
        at = self._base + size - (0 if whole else 1)
        while (place := matcher.candidate(data, self._look)) is not None:
            closed = matcher.closed_at(data, place)
            if closed >= size and not whole:
                self._look = place
                break
            found = matcher.decide(data, place, closed)
            self._look = max(place + 1, matcher.grown(found, data)) if found else place + 1
            if found:
                self._tell(found, data, at, findings)
        else:
            self._look = max(self._look, size if whole else size - matcher.longest)
        keep = self._look - 1
        self._data = data[keep:]
        self._base += keep
        self._look = 1

    def _tell(self, found: Found, data: bytes, at: int, findings: list[Finding]) -> None:
        base, end = self._base, self._look
        finding = self._report(found.moved(base), data[found.start : end], end + base, at, None)
        if finding is not None:
            findings.append(finding)
