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

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from xxhash import xxh3_64_intdigest

from proxy.detectors.near import SPAN, Chain, NearMatch
from proxy.grams import SEED, SEED_BYTES, GramKey
from proxy.text import UNIT_BYTES
from proxy.types import (
    NOBODY,
    Contains,
    Finding,
    Provenance,
    Scan,
    Scanner,
    Select,
    Span,
    TextIndex,
    Threshold,
    View,
)

_SLACK = 4096
"""Units of history kept beyond what a look-back needs, so that trimming is rare."""

PASSAGE = "passage"
NEAR_PASSAGE = "near_passage"


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
        nears = [
            NearMatch(
                self._index,
                name,
                view.thresholds[name].cover,
                holds=name not in view.observed,
            )
            if view.thresholds[name].cover
            else None
            for name in names
        ]
        echo = Echo(self._index.key, self._index.exempt_run, view)
        return MemorisedScanner(
            self._index.key, ladders, nears, self._free_seeds(view), echo, self._index.exempt_run
        )

    def _free_seeds(self, view: View) -> list[Select]:
        """Which seeds are not distinctive: those of text that this caller may have."""
        free = [self._index.seeds(name) for name in view.cleared if name in self._index.audiences]
        background = self._index.background_seeds()
        return free if background is None else [*free, background]

    def prepare(self, view: View) -> None:
        """Work out now, in this thread, what a scanner would work out when it first needs it."""
        echo = Echo(self._index.key, self._index.exempt_run, view)
        echo.grams()
        echo.seeds()

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

    def contains_seed(self, seed: int) -> bool:
        """Whether a seed stands in the caller's own words."""
        return bool(self._view.echo) and seed in self.seeds()

    def seeds(self) -> frozenset[int]:
        """All seeds of the texts the caller sent."""
        known: frozenset[int] | None = self._view.cache.get("memorised.echo_seeds")
        if known is None:
            found = set[int]()
            for text in self._view.echo:
                found.update(self._key.seed_array(self._key.codes(text)).tolist())
            known = self._view.cache["memorised.echo_seeds"] = frozenset(found)
        return known

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


class SeedWindow(Sequence[int]):
    """The last units of a stream, encoded: ``window[i]`` is the seed whose first unit is unit i (from 0)."""

    def __init__(self, key: GramKey, keep: int) -> None:
        """``keep``: how many units a look-back may need."""
        self._seed = key.seed
        self._keep = keep * UNIT_BYTES
        self._encoded = b""
        self._first = 0
        """The index of the first unit that is kept."""

    def extend(self, encoded: bytes) -> int:
        """More units have been read; returns how many."""
        held = self._encoded
        if len(held) > 2 * self._keep:
            self._first += (len(held) - self._keep) // UNIT_BYTES
            held = held[-self._keep :]
        self._encoded = held + encoded
        return len(encoded) // UNIT_BYTES

    def seeds(self, begin: int, end: int, stride: int) -> list[int]:
        """The seeds that end at the units begin, begin + stride, … before ``end`` (counted from 1)."""
        encoded, digest, secret = self._encoded, xxh3_64_intdigest, self._seed
        low = (begin - SEED - self._first) * UNIT_BYTES
        high = (end - SEED - self._first) * UNIT_BYTES
        return [digest(encoded[i : i + SEED_BYTES], secret) for i in range(low, high, stride * UNIT_BYTES)]

    def __getitem__(self, index: Any) -> Any:
        at = (index - self._first) * UNIT_BYTES
        return xxh3_64_intdigest(self._encoded[at : at + SEED_BYTES], self._seed)

    def __len__(self) -> int:
        return self._first + len(self._encoded) // UNIT_BYTES


class MemorisedScanner:
    """The ladders of one stream, fed with units. See the module's strategy."""

    def __init__(
        self,
        key: GramKey,
        ladders: Sequence[Ladder],
        nears: Sequence[NearMatch | None],
        free: Sequence[Select],
        echo: Echo,
        run: int,
    ) -> None:
        """``nears``: for each ladder the chains of its audience. ``free``: seeds that tell nothing."""
        self._key = key
        self._ladders = ladders
        self._nears = nears
        self._free = free
        self._echo = echo
        self._run = run
        lengths = {SEED, run}
        for ladder in ladders:
            lengths.update(length for length, _ in ladder.levels)
            lengths.add(ladder.threshold)
        self._composers = {length: key.composer(length) for length in lengths}
        self._keep = max(lengths) + run + 1
        """Units that a look-back may need."""
        self._window = SeedWindow(key, self._keep)
        self._raw: list[int] = []
        """``_raw[i - _dropped]`` is the raw offset of the unit at index i (from 0)."""
        self._dropped = 0
        self._units = 0
        self._position = 0
        self._settled = 0
        self._parts = 0
        # A match shorter than a seed cannot be seen: with a smaller budget, as much is always held.
        self._blind = max([SEED - 1 - ladder.budget for ladder in ladders if ladder.holds], default=0)
        self._open = self._blind > 0
        """Whether a match, a chain or a budget smaller than a seed makes every unit count."""
        # A lone seed is a match of SEED units, which a budget of as many lets go: then every second unit
        # is enough to notice that a match begins. Its first seed is looked up when its second is met.
        self._stride = 2 if all(x.budget >= SEED for x in ladders if x.holds) else 1
        self._checked = 0
        """The last unit whose seed was looked up in every ladder."""

    def feed(self, piece: str) -> Scan:
        start, size = self._position, len(piece)
        if not self._ladders:
            self._position += size
            return Scan((), range(start + 1, start + size + 1))
        encoded = list(map(self._key.table.__getitem__, piece))
        first = self._units + 1
        count = self._window.extend(b"".join(encoded))
        offsets = [offset for offset, units in enumerate(encoded, start) if units]
        if len(offsets) != count:  # some characters have more units than one
            offsets = [o for o, units in enumerate(encoded, start) for _ in range(len(units) // UNIT_BYTES)]
        self._raw += offsets
        if self._open or self._wakes(first, first + count):
            scan = self._follow(encoded, offsets, first)
        else:
            self._units += count
            self._position = self._settled = start + size
            scan = Scan((), range(start + 1, start + size + 1))
        if len(self._raw) > self._keep + _SLACK:
            self._trim()
        return scan

    def _wakes(self, first: int, end: int) -> bool:
        """Whether a seed that ends at one of the units [first, end) that are looked up while all is quiet
        may be in the index."""
        stride = self._stride
        begin = max(first, SEED)
        seeds = self._window.seeds(begin + begin % stride, end, stride)
        return any(ladder.select(seeds) for ladder in self._ladders)

    def drift(self) -> tuple[str, float] | None:
        """The protected document that shares most with the text so far, and how much of it that covers."""
        best = [near.nearest() for near in self._nears if near is not None and near.votes]
        if not best or not self._units:
            return None
        document, units = max(best, key=lambda each: each[1])
        return document, min(1.0, units / self._units)

    def finish(self) -> Sequence[Finding]:
        """A tail that never reached its threshold is let go: it is no finding."""
        return ()

    def _follow(self, encoded: Sequence[bytes], offsets: Sequence[int], first: int) -> Scan:
        """Unit by unit where a match or a chain is open; what lies between is settled as it comes.

        ``offsets`` are the raw offsets of the piece's units, ``first`` is the number of its first unit.
        """
        findings: list[Finding] = []
        settled: list[int] = []
        start, end = self._position, first + len(offsets)
        begin = max(first, SEED)
        seeds = self._window.seeds(begin, end, 1)
        hits = [{begin + index for index in ladder.select(seeds)} for ladder in self._ladders]
        free = self._free_of(seeds, hits, begin)
        quiet = deque(sorted(unit for unit in set().union(*hits) if unit % self._stride == 0))
        at, size = 0, len(encoded)
        while at < size:
            if not self._open:
                while quiet and quiet[0] <= self._units:
                    quiet.popleft()
                to = offsets[quiet[0] - first] - start if quiet else size
                if to > at:  # up to the character that holds the next unit of interest
                    settled.extend(range(start + at + 1, start + to + 1))
                    self._settled = start + to
                    self._units = first - 1 + bisect_left(offsets, start + to)
                    at = to
                    continue
            self._character(len(encoded[at]) // UNIT_BYTES, start + at, hits, free, findings)
            at += 1
            self._settled = max(self._settled, self._unit_limit(start + at))
            settled.append(self._settled)
        self._position = start + size
        return Scan(findings, settled)

    def _character(
        self, units: int, offset: int, hits: Sequence[set[int]], free: set[int], findings: list[Finding]
    ) -> None:
        """The units of one raw character through every ladder and chain."""
        limit = self._settled
        for _ in range(units):
            self._units = unit = self._units + 1
            if unit < SEED or not (self._open or unit % self._stride == 0):
                continue
            for ladder, near, found in zip(self._ladders, self._nears, hits, strict=True):
                if unit in found:
                    if self._checked < unit - 1:
                        self._look_back(ladder, near, limit, offset + 1, findings)
                    if self._climb(ladder):
                        self._act(ladder, offset + 1, findings)
                    if near is not None and unit not in free:
                        self._chain(ladder, near, unit, limit, offset + 1, findings)
                elif ladder.run:
                    self._fall(ladder)
                if near is not None and near.holders:
                    near.age(unit)
            self._checked = unit
            self._open = (
                self._blind > 0
                or any(ladder.run for ladder in self._ladders)
                or any(near is not None and near.holders for near in self._nears)
            )

    def _look_back(
        self, ladder: Ladder, near: NearMatch | None, limit: int, position: int, findings: list[Finding]
    ) -> None:
        """The unit before was not looked up: the match may have begun with it."""
        unit = self._units - 1
        if unit < SEED or ladder.run:
            return
        seed = self._window[unit - SEED]
        if ladder.select((seed,)):
            ladder.run = 1
            if near is not None and not any(select((seed,)) for select in self._free):
                self._chain(ladder, near, unit, limit, position, findings)

    def _free_of(self, seeds: Sequence[int], hits: Sequence[set[int]], begin: int) -> set[int]:
        """Those hits whose seeds also stand in text that this caller may have."""
        if not self._free or not any(self._nears):
            return set()
        asked = sorted(set().union(*hits))
        known = [seeds[unit - begin] for unit in asked]
        return {asked[found] for select in self._free for found in select(known)}

    def _chain(
        self,
        ladder: Ladder,
        near: NearMatch,
        unit: int,
        limit: int,
        position: int,
        findings: list[Finding],
    ) -> None:
        """A distinctive seed ends at ``unit``: chains may begin to hold, act, or grow."""
        acting = near.hit(
            unit,
            self._composers[SEED](self._window, unit - SEED),
            lambda: self._exempt(ladder, unit),
        )
        if near.holders and near.since is None:
            near.since = limit
        if acting is not None and near.since is not None:
            self._act_near(near, acting, near.since, position, findings)
            near.since = position

    def _exempt(self, ladder: Ladder, unit: int) -> bool:
        """Whether what ends at ``unit`` is the caller's own, or stands in a text it may have."""
        if self._echo.contains_seed(self._window[unit - SEED]):
            return True
        if unit < self._run:
            return False
        gram = self._gram(self._run, unit)
        return any(contains(gram) for contains in ladder.cuts)

    def _act_near(self, near: NearMatch, chain: Chain, start: int, end: int, findings: list[Finding]) -> None:
        """A chain has the cover to act: its span begins where text was held first, or grows to ``end``."""
        if start >= end:
            return
        if not near.acting:
            near.acting = True
            self._parts += 1
            near.part = self._parts
        findings.append(
            Finding(
                detector=MemorisedDetector.name,
                entity=NEAR_PASSAGE,
                span=Span(start, end),
                at=end - 1,
                score=round(min(1.0, chain.cover / SPAN), 3),
                provenance=Provenance(near.document_of(chain), near.audience),
                part_of=near.part,
                fingerprint=f"{self._gram(SEED, self._units):016x}",
            )
        )

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
        return self._composers[length](self._window, end - SEED)

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
        for near in self._nears:
            if near is not None and near.holds and near.since is not None:
                limit = min(limit, near.since)
        return limit

    def _trim(self) -> None:
        """Forget units that no look-back can need."""
        drop = len(self._raw) - self._keep
        del self._raw[:drop]
        self._dropped += drop
