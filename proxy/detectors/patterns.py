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

from collections.abc import Callable, Sequence

from proxy.patterns import Found, Matcher
from proxy.types import Finding, Scan

_SLACK = 256
"""Bytes of text done with that may lie before the open place: cutting them off at every piece costs more."""
STRIDE = 512
"""Characters between two counts of what is only counted."""

Report = Callable[[Found, bytes, int, int, int | None], Finding | None]
"""(what was found, its folded text, its end in the channel, ``at``, ``part_of``) -> a finding, or None: free.

The offsets of ``Found`` are those of the channel."""


class PatternScanner:
    """Finds the values of a matcher in one channel, and holds them until they are decided."""

    def __init__(self, matcher: Matcher, report: Report) -> None:
        self._matcher = matcher
        self._report = report
        self._data = b"\n"
        """The folded text from ``_base`` on; one byte before the first place that may still matter."""
        self._base = -1
        self._place: int | None = None
        """Where the open place begins, in ``_data``."""
        self._look = 1
        self._growing: Found | None = None
        self._grown = 0
        """Values that grow, so far: names the parts of one finding."""

    def feed(self, piece: str) -> Scan:
        findings: list[Finding] = []
        return Scan(findings, self.read(piece, findings))

    def read(self, piece: str, findings: list[Finding]) -> list[int]:
        """As ``feed``: adds what is found, and returns the settled offsets."""
        read = len(self._data)
        self._data += self._matcher.alphabet.fold(piece)
        settled = self._read(read, findings)
        self._trim()
        return settled

    def finish(self) -> Sequence[Finding]:
        findings: list[Finding] = []
        self._look = self._place if self._place is not None else self._look
        size = len(self._data)
        while self._growing is None and (place := self._matcher.places.search(self._data, self._look)):
            self._look = place.start() + 1
            found = self._matcher.decide(self._data, place.start(), size)
            if found:
                self._look = max(self._look, self._matcher.grown(found, self._data))
                self._tell(found, self._look, size, None, findings)
        return findings

    # --- reading -------------------------------------------------------------------------------------------

    def _read(self, now: int, findings: list[Finding]) -> list[int]:
        """Read the bytes from ``now`` on; where the text is settled after each of them."""
        data, matcher, base = self._data, self._matcher, self._base
        size = len(data)
        settled: list[int] = []
        while now < size:
            if self._growing is not None:
                now = self._grow(now, settled, findings)
                continue
            place = self._next_place()
            if place is None:
                settled += range(base + now + 1, base + size + 1)
                self._look = size
                break
            if now < place:
                settled += range(base + now + 1, base + place + 1)
                now = place
            closed = matcher.closed_at(data, place)
            if closed >= size:
                settled += [base + place] * (size - now)
                self._place = place
                break
            if closed > now:
                settled += [base + place] * (closed - now)
                now = closed
            self._place = None
            self._look = place + 1
            found = matcher.decide(data, place, closed)
            if found:
                self._take(found, now, findings)
        return settled

    def _next_place(self) -> int | None:
        if self._place is not None:
            return self._place
        place = self._matcher.places.search(self._data, self._look)
        return place.start() if place else None

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
            self._growing = found

    def _grow(self, now: int, settled: list[int], findings: list[Finding]) -> int:
        """Bytes after a value that grows: each of its kind is a further part of it."""
        found = self._growing
        assert found is not None
        while now < len(self._data) and self._matcher.goes_on(found, self._data[now]):
            self._look = now + 1
            now += 1
            piece = Found(found.pattern, now - 1, now, found.opened)
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

    def _trim(self) -> None:
        keep = (self._look if self._place is None else self._place) - 1
        if keep > _SLACK:
            self._data = self._data[keep:]
            self._base += keep
            self._look -= keep
            if self._place is not None:
                self._place -= keep


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
