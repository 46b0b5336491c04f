"""Text written backwards: letter by letter, or word by word.

It cannot be decoded as it comes, for its beginning comes last. Strategy: where the last characters look
more like language backwards than forwards, the tail is read backwards by fresh inner scanners at each
look-out point. Their text begins with the newest character, so a match that is still
growing is one that begins at the start of that reading: its settled offset stands still there. What
such a match covers is held, and a finding in it covers the raw text up to the newest character.

How far letters are read is counted in characters without the inside of long runs of blanks and signs, since
these carry nothing: tables, code and drawings have their letters far apart.

Once a finding covers all that was read, what comes after is held until the next look, so there is no haste:
the tail is read at every second look-out point, or at every fourth while the newest characters go on as
protected text does, and at the end of the text.

Budget: 24 raw characters where the gate opens in time. Letters: 98 of 100 stretches of 24 characters
of English and 95 of Chinese open it; the others open one or two look-out points later. What looks like no
language opens it where its last letters, backwards, begin as a protected text may, which is asked every 32
characters. Words: the gate looks every 32 characters whether what the last words say in the opposite order
begins as a protected text may, which all stretches of some six words do, and every 64 characters for a joint
like "the of" or a full stop before a small letter; what comes after that is held as above. Limits: values
that are shorter than a match is held for (an e-mail address) are reported when they are complete, not held;
text whose letters are so far apart that a match needs more than ``KEEP`` characters is not found; text
written backwards is not decoded further.

May import: ``transducer``, ``stream`` and the ground floor. The rule that must stay true: forward text opens
the gate rarely, and holds nothing when it does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from proxy.detectors.decoders.stream import Found
from proxy.detectors.decoders.transducer import KEEP, STRIDE
from proxy.grams import SEED
from proxy.types import Finding, Scanner, Span, in_full

_STILL = 6
"""Characters over which a settled offset must stand still to be a match and not just slowness."""
_PART = 64
"""Characters that are read backwards at first, and then at a time, where a match goes on beyond them; see
``Order.size``."""
LETTERS_LINGER = 2
"""Look-out points for which a gate stays open after it was last true."""
WORDS_LINGER = 8
_SOON, _LATE = 2 * STRIDE, 4 * STRIDE
"""Characters from one look to the next where a finding may grow, and where it surely does."""
_OVERLAP = 16
"""Characters that are covered already and are read with the newest ones to tell whether it goes on."""

Places = Sequence[int]
"""For each character of a reading its index in the tail."""
Scanners = Callable[[str], Sequence[tuple[int, Scanner]]]
"""Fresh scanners, with the numbers of their detectors: those that may find or hold something in a text."""

_EMPTY = re.compile(r"(?<=[\W_]{2})[\W_]+")
"""The inside of a long run of blanks and signs."""


def _stretch(text: str, count: int) -> int:
    """How long a beginning of a text has ``count`` characters that are not inside a long run of signs."""
    size = count
    for inside in _EMPTY.finditer(text):
        if inside.start() >= size:
            break
        size += len(inside[0])
    return min(size, len(text))


def _as_it_is(text: str, count: int) -> int:
    return min(count, len(text))


@dataclass(frozen=True, slots=True)
class Order:
    """A way of reading backwards, with its name.

    ``read`` gives ``tail[start:end]`` backwards; ``edge`` is the last place up to an index at which such a
    part may begin; ``size`` tells how long a beginning of a text counts as so many characters; ``whole``
    gives the letters of a whole text backwards.
    """

    name: str
    read: Callable[[str, int, int], tuple[str, Places]]
    edge: Callable[[str, int], int]
    size: Callable[[str, int], int]
    whole: Callable[[str], str]


def _letters(tail: str, start: int, end: int) -> tuple[str, Places]:
    return tail[start:end][::-1], range(end - 1, start - 1, -1)


_WORD = re.compile(r"\S+\s+")


def _words(tail: str, start: int, end: int) -> tuple[str, Places]:
    """The complete words in the opposite order."""
    text: list[str] = []
    places: list[int] = []
    for word in reversed(list(_WORD.finditer(tail, start, end))):
        text.append(word[0])
        places += range(word.start(), word.end())
    return "".join(text), places


def _word_begins(tail: str, index: int) -> int:
    while index and not tail[index - 1].isspace():
        index -= 1
    return index


LETTERS = Order("letters", _letters, lambda tail, index: index, _stretch, lambda text: text[::-1])
WORDS = Order("words", _words, _word_begins, _as_it_is, lambda text: " ".join(reversed(text.split())))


@dataclass(slots=True)
class _Reading:
    """What one scanner has made of a reading so far."""

    number: int
    scanner: Scanner
    settled: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def feed(self, text: str) -> None:
        scan = in_full(self.scanner.feed(text), len(self.settled), len(text))
        self.settled += scan.settled
        self.findings += scan.findings

    def goes_on(self, near: int) -> bool:
        """Whether a match from the start goes on to the end, or something was found."""
        return bool(self.findings) or _still(self.settled, near) == len(self.settled) - 1 >= 0


@dataclass(slots=True)
class Rewind:
    """One way of reading backwards, at work on one channel."""

    order: Order
    linger: int
    run: int
    """A number unlike that of any stream, for its findings."""
    reach: int
    """The most characters of a match that an inner scanner lets go before it holds."""
    scanners: Scanners
    goes_on: Callable[[str], bool]
    """Whether all of a text may be a part of a match."""
    hold: int | None = None
    open: int = 0
    """Look-out points for which the gate stays open."""
    _looked: int = 0
    """The offset of the last look."""
    _covering: frozenset[tuple[int, str]] = frozenset()
    """The detectors and kinds of those findings of the last look that covered all that had been read."""

    @property
    def busy(self) -> bool:
        """Whether the next look-out point must be looked at."""
        return self.open > 0 or self.hold is not None

    def look(self, tail: str, read: int, suspected: bool) -> list[Found]:
        """Read the tail backwards if the gate is open or something is held. Sets ``hold``."""
        self.open = self.linger if suspected else max(0, self.open - 1)
        if not self.busy or (self._covering and self._waits(tail, read)):
            return []
        return self._look(tail, read)

    def finish(self, tail: str, read: int) -> list[Found]:
        """The text has ended: what is held and was not looked at since is read once more."""
        if self.hold is None or self._looked == read:
            return []
        return [replace(one, at=read) for one in self._look(tail, read)]

    def _waits(self, tail: str, read: int) -> bool:
        """Whether what follows a finding may as well be held until a later look-out point."""
        new = read - self._looked
        if new < _SOON or new >= _LATE:
            return new < _SOON
        start = self.order.edge(tail, max(0, len(tail) - new - _OVERLAP))
        return self.goes_on(self.order.read(tail, start, len(tail))[0])

    def _look(self, tail: str, read: int) -> list[Found]:
        found = self._try(tail, read)
        self._covering = _covering(found, read)
        self._looked = read
        if self._covering:  # a verdict covers all that was read
            self.hold = read
        return found

    def _try(self, tail: str, read: int) -> list[Found]:
        """Read part by part, as long as a match from the start goes on. Sets ``hold``."""
        self.hold = None
        base, backwards = read - len(tail), tail[: -KEEP - 1 : -1]
        start = self.order.edge(tail, len(tail) - self.order.size(backwards, _PART))
        text, first = self.order.read(tail, start, len(tail))
        readings = [_Reading(number, scanner) for number, scanner in self.scanners(text)]
        offsets, near = [base + place for place in first], self.order.size(text, self._near)
        found = self._feed(readings, text, offsets, near, read)
        if any(reading.goes_on(near) for reading in readings):
            for back in range(2 * _PART, KEEP + 1, _PART):
                if self._covers(found, read):
                    break
                end, start = start, self.order.edge(tail, len(tail) - self.order.size(backwards, back))
                if start < end:
                    text, more = self.order.read(tail, start, end)
                    offsets += [base + place for place in more]
                    found = self._feed(readings, text, offsets, near, read)
        for reading in readings:
            last = _still(reading.settled, near)
            if last >= 0:
                held = min(offsets[: last + 1])
                self.hold = held if self.hold is None else min(self.hold, held)
        return found

    def _feed(
        self, readings: Sequence[_Reading], text: str, offsets: Sequence[int], near: int, read: int
    ) -> list[Found]:
        """Read on: all that was found since the start. ``offsets``: of each character of the reading."""
        found: list[Found] = []
        for reading in readings:
            reading.feed(text)
            for finding in _grown(reading.findings):
                found.append(self._carry(reading.number, finding, offsets, near, read))
        return found

    def _covers(self, found: Sequence[Found], read: int) -> bool:
        """Whether findings grow all those of the last look, so that it is enough to have read so far."""
        covering = _covering([one for one in found if one.start <= self._looked], read)
        return bool(self._covering) and self._covering <= covering

    @property
    def _near(self) -> int:
        """Where a match that may still grow has its settled offset at most; see ``Order.size``."""
        return self.reach + STRIDE + 4

    def _carry(self, number: int, finding: Finding, offsets: Sequence[int], near: int, read: int) -> Found:
        span = finding.span
        origin = span.start if finding.origin is None else finding.origin
        if finding.part_of is not None and origin <= near:
            origin = 0
        covered = offsets[origin : span.end]
        return Found(
            self.run,
            number,
            finding,
            origin=min(covered),
            start=min(covered),
            end=max(covered) + 1,
            at=read - 1,
        )


def _covering(found: Sequence[Found], read: int) -> frozenset[tuple[int, str]]:
    """The detectors and kinds of those findings that cover the newest character."""
    return frozenset((one.inner, one.finding.entity) for one in found if one.end == read)


def _grown(findings: Sequence[Finding]) -> list[Finding]:
    """Each span once, as far as it grew in one reading."""
    spans: dict[int, tuple[Finding, int, int]] = {}
    for number, finding in enumerate(findings):
        key = -1 - number if finding.part_of is None else finding.part_of
        first, start, end = spans.get(key, (finding, finding.span.start, finding.span.end))
        spans[key] = first, min(start, finding.span.start), max(end, finding.span.end)
    return [replace(first, span=Span(start, end)) for first, start, end in spans.values()]


def _still(settled: Sequence[int], near: int) -> int:
    """Index of the last character over which the settled offset stood still, at most at ``near``; or -1.

    At the very start it stands still for as long as no seed is complete.
    """
    last, before, count = -1, -1, 0
    for index, offset in enumerate(settled):
        if offset > near:
            break
        count = count + 1 if offset == before else 0
        before = offset
        if count >= (_STILL if offset else SEED + 2):
            last = index
    return last
