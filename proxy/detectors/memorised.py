"""Memorised text, exact: how much of the stream's tail is, letter for letter, training text.

Strategy. Let m be the longest suffix of the units read so far that stands in a document of a
protected audience, and z the last unit at which a run of X units ended that this caller may have (a
document within its clearance, its own words, the operator's background). The *live match* is
n = min(m, units - z). The scanner holds n - b units and acts at n >= L. Since n grows by
at most one a unit, the release pointer never moves back, and of a forbidden span in which no exempt run
ends within its first L units at most b units are ever let go, whatever the cutting.

m is not known exactly but bounded from above by a ladder of levels: a run of length k that is not in
level k makes m < k; c consecutive hits in it make m <= k - 1 + c. Each bound grows by at most
one a unit, so their least does too, and the guarantee holds for it. At L the bound is exact, but
for one stranger in a hundred among runs all of whose parts of X units are in the index.

May import: the ground floor. The rule that must stay true: ``settled`` never passes unit
``units - (n - b)``, and never moves back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from proxy.grams import SEED, SEED_BYTES, GramKey
from proxy.text import UNIT_BYTES
from proxy.types import (
    NOBODY,
    Contains,
    Finding,
    Provenance,
    Scan,
    Scanner,
    Span,
    TextIndex,
    Threshold,
    View,
)

TAIL_BYTES = SEED_BYTES - UNIT_BYTES

_SLACK = 4096
"""Units of history kept beyond what a look-back needs, so that trimming is rare."""

PASSAGE = "passage"


class MemorisedDetector:
    """Finds runs of training text that the caller may not have. Immutable, shared by all answers."""

    name = "memorised"

    def __init__(self, index: TextIndex, allowed: Callable[[], Contains | None] = lambda: None) -> None:
        self._index = index
        self._allowed = allowed

    def scanner(self, view: View) -> Scanner:
        """A scanner for one channel. ``view`` says which audiences are protected, and from where on."""
        names = [name for name in self._index.audiences if name in view.protected]
        cuts = self._exemptions(view)
        style = self._index.house_style()
        ladders = [
            Ladder(
                self._index,
                name,
                view.thresholds[name],
                [*cuts, style] if name == NOBODY and style is not None else cuts,
                holds=name not in view.observed,
            )
            for name in names
        ]
        return MemorisedScanner(self._index.key, ladders, self._index.exempt_run)

    def prepare(self, view: View) -> None:
        """Work out now, in this thread, what a scanner would work out when it first needs it."""
        Echo(self._index.key, self._index.exempt_run, view).grams()

    def _exemptions(self, view: View) -> list[Contains]:
        """What a run of X units may stand in to be free for this caller."""
        cuts = [self._index.exempt(name) for name in view.cleared if name in self._index.audiences]
        for extra in (self._index.background(), self._allowed()):
            if extra is not None:
                cuts.append(extra)
        if view.echo:
            cuts.append(Echo(self._index.key, self._index.exempt_run, view).contains)
        return cuts


class Echo:
    """The runs of X units of the caller's own words, worked out when they are first asked for."""

    def __init__(self, key: GramKey, run: int, view: View) -> None:
        self._key = key
        self._run = run
        self._view = view

    def contains(self, gram: int) -> bool:
        return gram in self.grams()

    def grams(self) -> frozenset[int]:
        """All runs of X units of each text the caller sent (none crosses from one text to another)."""
        known: frozenset[int] | None = self._view.cache.get("memorised.echo")
        if known is None:
            key, found = self._key, set[int]()
            for text in self._view.echo:
                seeds = key.seed_array(key.codes(text))
                found.update(key.arrays(seeds, self._run).tolist())
            known = self._view.cache["memorised.echo"] = frozenset(found)
        return known


class Ladder:
    """The live match of one stream in one protected audience."""

    __slots__ = (
        "active",
        "audience",
        "budget",
        "counts",
        "cuts",
        "floor",
        "held",
        "holds",
        "index",
        "levels",
        "looked",
        "match",
        "part",
        "provenance",
        "run",
        "select",
        "threshold",
        "z",
    )

    def __init__(
        self,
        index: TextIndex,
        audience: str,
        threshold: Threshold,
        cuts: Sequence[Contains],
        *,
        holds: bool,
    ) -> None:
        self.index = index
        self.audience = audience
        self.threshold = threshold.act
        self.budget = threshold.budget
        self.holds = holds
        self.cuts = cuts
        self.select = index.seeds(audience)
        self.levels = index.levels(audience)
        self.run = 0
        """Neighbouring seeds in the index that end at the last unit."""
        self.counts = [0] * len(self.levels)
        """The same for each longer level."""
        self.match = 0
        """The live match n, in units, after the last unit."""
        self.held = 0
        """Units to be held back: n - b, or 0."""
        self.z = 0
        self.looked = 0
        """Units up to which exemptions have been looked up."""
        self.floor = 0
        """Units that a verdict covers already; the hold never reaches below."""
        self.active = False
        """Whether a span ends at the last unit and may grow."""
        self.part = 0
        self.provenance: Provenance | None = None


class MemorisedScanner:
    """The ladders of one stream, fed with units. See the module's strategy."""

    def __init__(self, key: GramKey, ladders: Sequence[Ladder], run: int) -> None:
        self._key = key
        self._ladders = ladders
        self._run = run
        lengths = {SEED, run}
        for ladder in ladders:
            lengths.update(length for length, _ in ladder.levels)
            lengths.add(ladder.threshold)
        self._composers = {length: key.composer(length) for length in lengths}
        self._keep = max(lengths) + run + 1
        self._tail = b""
        """The last SEED - 1 encoded units, which the next seeds begin in."""
        self._seeds: list[int] = []
        """``_seeds[u - SEED - _dropped]`` ends at unit u (units are counted from 1)."""
        self._raw: list[int] = []
        """``_raw[i - _dropped]`` is the raw offset of the unit at index i (from 0)."""
        self._dropped = 0
        self._units = 0
        self._position = 0
        self._settled = 0
        self._parts = 0
        # A match shorter than a seed cannot be seen: with a smaller budget, as much is always held.
        self._blind = max([SEED - 1 - ladder.budget for ladder in ladders if ladder.holds], default=0)

    def feed(self, piece: str) -> Scan:
        start, size = self._position, len(piece)
        if not self._ladders:
            self._position += size
            return Scan((), range(start + 1, start + size + 1))
        encoded = list(map(self._key.table.__getitem__, piece))
        block = self._tail + b"".join(encoded)
        seeds = self._key.seeds(block)
        self._tail = block[-TAIL_BYTES:]
        self._seeds += seeds
        self._raw += [
            offset for offset, units in enumerate(encoded, start) for _ in range(len(units) // UNIT_BYTES)
        ]
        hits = [ladder.select(seeds) for ladder in self._ladders]
        if self._blind <= 0 and not any(hits) and not any(ladder.run for ladder in self._ladders):
            self._units = self._dropped + len(self._raw)
            self._position = self._settled = start + size
            scan = Scan((), range(start + 1, start + size + 1))
        else:
            scan = self._follow(encoded, [set(found) for found in hits], len(seeds))
        if len(self._raw) > self._keep + _SLACK:
            self._trim()
        return scan

    def finish(self) -> Sequence[Finding]:
        """A tail that never reached its threshold is let go: it is no finding."""
        return ()

    def _follow(self, encoded: Sequence[bytes], hits: Sequence[set[int]], count: int) -> Scan:
        """Unit by unit, where some ladder has a match or may get one."""
        findings: list[Finding] = []
        settled: list[int] = []
        position, units, limit = self._position, self._units, self._settled
        first = self._dropped + len(self._raw) - count + 1
        pairs = list(zip(self._ladders, hits, strict=True))
        for code in encoded:
            position += 1
            for _ in range(len(code) // UNIT_BYTES):
                units += 1
                if units < SEED:
                    continue
                self._units = units
                for ladder, found in pairs:
                    if units - first in found:
                        if self._climb(ladder):
                            self._act(ladder, position, findings)
                    elif ladder.run:
                        self._fall(ladder)
            self._units = units
            limit = max(limit, self._unit_limit(position))
            settled.append(limit)
        self._position, self._settled = position, limit
        return Scan(findings, settled)

    # --- one unit of one ladder ------------------------------------------------------------------------

    def _fall(self, ladder: Ladder) -> None:
        """The seed that ends here is in no document: the match is shorter than a seed."""
        ladder.run = ladder.match = ladder.held = 0
        ladder.counts[:] = [0] * len(ladder.counts)
        ladder.active = False

    def _climb(self, ladder: Ladder) -> bool:
        """The seed that ends here is in the index: bound the match; True when it acts."""
        units, counts = self._units, ladder.counts
        ladder.run += 1
        match = ladder.run + SEED - 1
        for number, (length, contains) in enumerate(ladder.levels):
            if match < length:
                break
            if contains(self._gram(length, units)):
                counts[number] += 1
                match = min(match, counts[number] + length - 1)
            else:
                counts[number:] = [0] * (len(counts) - number)
                match = length - 1
                break
        if match > ladder.budget and ladder.cuts:
            self._cut(ladder, units - match)
        live = min(match, units - ladder.z)
        ladder.match = live
        ladder.held = max(0, live - ladder.budget) if ladder.holds else 0
        if live < ladder.threshold:
            ladder.active = False
            return False
        return True

    def _cut(self, ladder: Ladder, origin: int) -> None:
        """Look up the runs of X units that end after ``origin`` and have not been looked up."""
        run = self._run
        for end in range(self._units, max(ladder.looked, origin, run - 1), -1):
            gram = self._gram(run, end)
            if any(contains(gram) for contains in ladder.cuts):
                ladder.z = end
                break
        ladder.looked = self._units

    def _gram(self, length: int, end: int) -> int:
        """The gram of the ``length`` units before unit ``end``."""
        return self._composers[length](self._seeds, end - SEED - self._dropped)

    # --- acting --------------------------------------------------------------------------------------------

    def _act(self, ladder: Ladder, end: int, findings: list[Finding]) -> None:
        """The live match reaches the threshold, or stays there: a span begins, or grows to ``end``."""
        raw, dropped = self._raw, self._dropped
        if ladder.active:
            start = raw[ladder.floor - 1 - dropped] + 1
            origin = None
            ladder.floor = self._units
            if start >= end:  # the second unit of a wide character: the first has covered it
                return
        else:
            first = self._units - ladder.match
            origin = raw[first - dropped]
            # What an earlier span covers is gone already: this one begins at the first unit after it.
            start = raw[max(first + ladder.budget, ladder.floor) - dropped]
            ladder.active = True
            self._parts += 1
            ladder.part = self._parts
            ladder.provenance = Provenance(self._document(ladder, first), ladder.audience)
        ladder.floor = self._units
        finding = Finding(
            detector=MemorisedDetector.name,
            entity=PASSAGE,
            span=Span(start, end),
            at=end - 1,
            provenance=ladder.provenance,
            origin=origin,
            part_of=ladder.part,
            fingerprint=f"{self._gram(ladder.threshold, self._units):016x}",
        )
        findings.append(finding)

    def _document(self, ladder: Ladder, first: int) -> str:
        """The document most of whose sampled seeds lie in the match, on one diagonal."""
        votes: Counter[int] = Counter()
        somewhere: dict[int, int] = {}
        for end in range(first + SEED, self._units + 1):
            for place in ladder.index.places(ladder.audience, self._gram(SEED, end)):
                votes[place - end] += 1
                somewhere[place - end] = place
        if not votes:
            return ""
        return ladder.index.document_at(ladder.audience, somewhere[votes.most_common(1)[0][0]])

    def _unit_limit(self, position: int) -> int:
        """The raw offset before which nothing to come can begin."""
        limit = position
        for ladder in self._ladders:
            if not ladder.holds:
                continue
            held = ladder.held if ladder.match else SEED - 1 - ladder.budget
            first = max(self._units - max(0, held), ladder.floor, self._dropped)
            if first < self._units:
                limit = min(limit, self._raw[first - self._dropped])
            elif ladder.active:
                # What follows a span's last unit (spaces, punctuation) belongs to it if it grows.
                limit = min(limit, self._raw[ladder.floor - 1 - self._dropped] + 1)
        return limit

    def _trim(self) -> None:
        """Forget units that no look-back can need."""
        drop = len(self._raw) - self._keep
        del self._raw[:drop]
        del self._seeds[:drop]
        self._dropped += drop
