"""Known values: personal data, secrets and canaries of the training set, exact, in any spelling.

Strategy. ``value_walk`` says which values end where, and where the first one that may still come began: that
is all that is held, about a character of ordinary text. Of values that overlap the longest is the finding:
one is decided when nothing that began before it, or where it did, can still end. Its letters are
free where they also stand in a document the caller may read, or came from the caller in this request.

A *weak* value, short or common, is a finding only beside another one of the same record (two of its n;
``value_match``). One must begin within ``WAIT`` units, else it is let go; where one has gone by within
``BESIDE`` units it is a finding at once. A value that the caller sent proves a weak one too, so that the
rest of a record cannot be asked for bit by bit.

A *long* value is found after ``ACTS`` letters, and its mask grows with each letter that still fits.

May import: the ground floor and this room's ``value_*``. The rule that must stay true: a value that is no
leak by itself is never masked without a neighbour, and nothing that may become part of a finding is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from proxy.detectors.value_echo import Echo
from proxy.detectors.value_match import MANY, Match, Strength, beside, hides, proves
from proxy.detectors.value_walk import Ended, Track, Walk, next_places
from proxy.types import QUIET, Finding, Provenance, Scan, Scanner, Span, ValueIndex, View
from proxy.values import GlyphTable, KnownValue, ValueNode
from proxy.values.reading import Glyph

WAIT = 40
"""Units that a weak value waits for a neighbour to begin; three times as many characters in all."""

BESIDE = 160
"""Units before a weak value in which a neighbour counts."""

_MOST_TAILS = 256
"""Long values followed at once; more lie one in another, and all in the first."""

Stops = Callable[[str, str, str], bool]
"""(role, detector, entity) -> whether the policy could stop such a finding; else it is only counted."""

_CACHED = "known_values.echo"


class KnownValuesDetector:
    """Finds values of the training set that the caller may not have. Immutable, shared by all answers."""

    name = "known_values"

    def __init__(
        self, values: Callable[[], ValueIndex], stops: Stops = lambda role, detector, entity: True
    ) -> None:
        """``values``: those that count now; a scanner keeps to those it began with."""
        self._values = values
        self._stops = stops
        self._glyphs = GlyphTable()
        self._stopped: dict[str, frozenset[str]] = {}

    def scanner(self, view: View) -> Scanner:
        """A scanner for one channel. ``view`` says whose values are protected, and what the caller sent."""
        index = self._values()
        if not view.protected or not index.entities:
            return _Through()
        stopped = self._stopped.get(view.role)
        if stopped is None:
            found = (each for each in index.entities if self._stops(view.role, self.name, each))
            stopped = self._stopped[view.role] = frozenset(found)
        return ValueScanner(index, self._glyphs, view, self._echo, stopped)

    def prepare(self, view: View) -> None:
        """Read the caller's own words now, in this thread, rather than when a scanner first needs them."""
        self._echo(view, self._values())

    def _echo(self, view: View, index: ValueIndex) -> Echo:
        known: Echo | None = view.cache.get(_CACHED)
        if known is None:
            known = Echo()
            if view.protected:
                for text in view.echo:
                    known.read(index, self._glyphs, text)
            view.cache[_CACHED] = known
        return known


class _Through:
    """A scanner where there is nothing to protect."""

    def feed(self, piece: str) -> Scan:
        return QUIET

    def finish(self) -> Sequence[Finding]:
        return ()


@dataclass(slots=True, eq=False)
class _Tail:
    """A path of a long value that has been found.

    ``origin``: where it began. ``start``: from where on it is undecided while it is free, or masked.
    ``parts``: the spans that grow; none while it is free.
    """

    node: ValueNode
    origin: int
    start: int
    end: int
    parts: list[tuple[int, Finding]] = field(default_factory=list)

    def hides(self, match: Match) -> bool:
        """Whether a match lies in what is decided of it."""
        return self.origin <= match.start and match.end <= (self.end if self.parts else self.start)


class ValueScanner:
    """The values of one channel. See the module's strategy."""

    def __init__(
        self,
        index: ValueIndex,
        glyphs: GlyphTable,
        view: View,
        echo: Callable[[View, ValueIndex], Echo],
        stopped: frozenset[str],
    ) -> None:
        """``echo``: reads the caller's own words; asked for once a value has ended. ``stopped``: the kinds
        that the policy could stop; the others wait for nothing, and if there are none, nothing is held."""
        self._index = index
        self._stopped = stopped
        self._walk = Walk(index, glyphs)
        self._view = view
        self._read = echo
        self._own: Echo | None = None
        self._pending: list[Match] = []
        """Values that ended, while one that began before them may still end. In order of their start."""
        self._waiting: list[Match] = []
        """Weak values that wait for a neighbour."""
        self._recent: list[Match] = []
        """Values that have been decided, as far back as they count as neighbours."""
        self._tails: list[_Tail] = []
        self._parts = 0
        self._findings: list[Finding] = []
        self.busy = False

    @property
    def _echo(self) -> Echo:
        """The caller's own words."""
        if self._own is None:
            self._own = self._read(self._view, self._index)
        return self._own

    def feed(self, piece: str) -> Scan:
        settled: Sequence[int] = self._walk.feed(piece, self)
        if not self._stopped:
            end = self._walk.position
            settled = range(end - len(piece) + 1, end + 1)
        if not self._findings:
            return Scan((), settled)
        findings, self._findings = self._findings, []
        return Scan(findings, settled)

    def finish(self) -> Sequence[Finding]:
        """What ends with the text. A weak value without a neighbour is let go."""
        for each in self._walk.finish():
            self._hold(self._matched(each))
        self._decide(self._walk.position, self._walk.position)
        findings, self._findings = self._findings, []
        return findings

    def note(
        self, at: int, glyph: Glyph, ended: Sequence[Ended], acts: Sequence[Track], floor: int, units: int
    ) -> int:
        """One character of which the walk tells something, or at which something is undecided."""
        self._grow(at, glyph, acts)
        for each in ended:
            self._hold(self._matched(each))
        self._decide(at, min([floor, *(tail.start for tail in self._tails if not tail.parts)]))
        for match in self._pending:
            floor = min(floor, match.start)
        self._waiting = [each for each in self._waiting if _waits(each, at, units, floor)]
        for match in self._waiting:
            if match.value.entity in self._stopped:
                floor = min(floor, match.start)
        for tail in self._tails:
            floor = min(floor, tail.end if tail.parts else tail.start)
        self.busy = bool(self._pending or self._waiting or self._tails)
        return floor

    # --- what a value is ------------------------------------------------------------------------------------

    def _matched(self, ended: Ended) -> Match:
        start, node, units = ended.track
        values = tuple(map(self._index.value, node.ends))
        strength, value = self._judged(values, node)
        return Match(start, ended.end, units, ended.units, strength, value, values)

    def _judged(self, values: Sequence[KnownValue], node: ValueNode) -> tuple[Strength, KnownValue]:
        """Letters that are free as one value are free as any other."""
        for value in values:
            if any(name in self._view.cleared for name in value.audiences) or self._echo.has(value, node):
                return Strength.FREE, value
        strong = next((value for value in values if not value.weak), None)
        return (Strength.WEAK, values[0]) if strong is None else (Strength.STRONG, strong)

    # --- the longest wins -----------------------------------------------------------------------------------

    def _hold(self, match: Match) -> None:
        """Keep a match until nothing longer can come, unless one that is there hides it."""
        if any(hides(other, match) for other in self._pending):
            return
        if any(tail.hides(match) for tail in self._tails):
            return
        self._pending = [other for other in self._pending if not hides(match, other)]
        self._pending.append(match)
        self._pending.sort(key=lambda each: each.start)

    def _decide(self, at: int, alive: int) -> None:
        """Decide the matches that began before ``alive``, where the first thing that may still end began."""
        while self._pending and self._pending[0].start < alive:
            self._place(self._pending.pop(0), at)

    def _place(self, match: Match, at: int) -> None:
        """A match is decided: a finding, or a neighbour of others, or both."""
        self._recent = [each for each in self._recent if match.first - each.last <= BESIDE]
        proven = match.strength is Strength.WEAK and self._asked_for(match)
        for other in self._recent:
            if not beside(match, other):
                continue
            if other in self._waiting and proves(match, other):
                self._waiting.remove(other)
                self._report(other, at)
            proven = proven or (match.strength is Strength.WEAK and proves(other, match))
        self._recent.append(match)
        if match.strength is Strength.STRONG or proven:
            self._report(match, at)
        elif match.strength is Strength.WEAK:
            self._waiting.append(match)

    def _asked_for(self, match: Match) -> bool:
        """Whether the caller sent a value that tells a record of this one."""
        return any(
            not value.common
            and len(value.records) <= MANY
            and not self._echo.records.isdisjoint(value.records)
            for value in match.values
        )

    def _report(self, match: Match, at: int) -> None:
        for provenance in self._whose(match.value):
            self._findings.append(
                Finding(
                    detector=KnownValuesDetector.name,
                    entity=match.value.entity,
                    span=Span(match.start, match.end),
                    at=at,
                    provenance=provenance,
                    fingerprint=_fingerprint(match.value),
                )
            )

    def _whose(self, value: KnownValue) -> list[Provenance]:
        """One for each protected audience: a policy may treat them differently."""
        names = [name for name in value.audiences if name in self._view.protected]
        return [Provenance(self._index.document(value, name), name) for name in names]

    # --- long values ----------------------------------------------------------------------------------------

    def _grow(self, at: int, glyph: Glyph, acts: Sequence[Track]) -> None:
        """Follow the long values that have been found by one character, and take up new ones."""
        if glyph.letters:
            tails = []
            for tail in self._tails:
                for node in next_places(tail.node, glyph)[:1]:
                    tail.node = node
                    self._longer(tail, at)
                    tails.append(tail)
            self._tails = tails
        for start, place, _ in acts:
            if len(self._tails) < _MOST_TAILS or not self._tails[0].parts:
                tail = _Tail(place, start, start, at)
                self._longer(tail, at)
                self._tails.append(tail)
        for tail in self._tails:
            self._pending = [each for each in self._pending if not tail.hides(each)]

    def _longer(self, tail: _Tail, at: int) -> None:
        """One more letter of a long value. Where it may end it is judged anew while it is free."""
        if tail.parts:
            grown = Span(tail.end, at + 1)
            for part, first in tail.parts:
                self._findings.append(_part(first, part, grown, at))
        elif tail.node.ends:
            values = tuple(map(self._index.value, tail.node.ends))
            strength, value = self._judged(values, tail.node)
            if strength is Strength.FREE:
                tail.start = at + 1
            else:
                self._begin(tail, value, at)
        tail.end = at + 1

    def _begin(self, tail: _Tail, value: KnownValue, at: int) -> None:
        for provenance in self._whose(value):
            self._parts += 1
            span = Span(tail.start, at + 1)
            first = Finding(
                KnownValuesDetector.name,
                value.entity,
                span,
                at,
                provenance=provenance,
                part_of=self._parts,
                fingerprint=_fingerprint(value),
            )
            tail.parts.append((self._parts, first))
            self._findings.append(first)


def _waits(match: Match, at: int, units: int, alive: int) -> bool:
    """Whether a weak value still waits: a neighbour may begin within ``WAIT`` units, and end later.

    ``alive``: where the first thing that may still become a value began.
    """
    if at + 1 - match.end >= 3 * WAIT:
        return False
    if units - match.last < WAIT:
        return True
    match.until = match.until or at + 1
    return alive < match.until


def _part(first: Finding, part: int, span: Span, at: int) -> Finding:
    return Finding(
        first.detector,
        first.entity,
        span,
        at,
        provenance=first.provenance,
        part_of=part,
        fingerprint=first.fingerprint,
    )


def _fingerprint(value: KnownValue) -> str:
    return f"{value.number:016x}"
