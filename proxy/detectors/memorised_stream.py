"""One stream against the memorised text of several audiences: units in, findings and settled offsets out.

``memorised.py`` says what is matched and why it is safe. While nothing matches, a piece costs a look-up
for every second seed; where a match or a chain is open every unit is followed.

May import: the ground floor and this room. The rule that must stay true: ``settled`` never passes unit
``units - (n - b)``, nor the first character held for a chain, and never moves back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence

from proxy.detectors.align import aligned_end
from proxy.detectors.echo import Echo
from proxy.detectors.ladder import NAME, NEAR_PASSAGE, PASSAGE, Ladder
from proxy.detectors.near import SPAN, Chain, NearMatch
from proxy.detectors.pace import Pace
from proxy.detectors.recent import Recent
from proxy.grams import SEED, GramKey
from proxy.types import QUIET, Finding, Provenance, Scan, Select, Span, in_full

_SEGMENT = 128
"""Characters that are read together at most."""


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
        pace: Pace,
    ) -> None:
        """``nears``: for each ladder the chains of its audience. ``free``: seeds that tell nothing."""
        self._key = key
        self._ladders = ladders
        self._nears = nears
        self._free = free
        self._echo = echo
        self._run = run
        self._stride = pace.stride
        self._recent = Recent(key, pace.keep, pace.stride)
        self._units = 0
        """The last unit that was followed, or passed over."""
        self._settled = 0
        self._parts = 0
        self._blind = pace.blind
        self._open = pace.blind > 0  # whether a match, a chain or a small budget makes every unit count
        self._checked = 0
        """The last unit whose seed was looked up in every ladder."""

    def feed(self, piece: str) -> Scan:
        if not self._ladders:
            return QUIET
        if len(piece) > _SEGMENT:
            return self._segments(piece)
        recent = self._recent
        start = recent.position
        seeds = recent.read(piece)
        if self._open or (seeds and self._wakes(seeds)):
            return self._follow(piece, start)
        self._settled = recent.position
        return QUIET

    def _segments(self, piece: str) -> Scan:
        """A long piece in several: what begins in one is followed to the end of that one at most."""
        start = self._recent.position
        parts = [piece[at : at + _SEGMENT] for at in range(0, len(piece), _SEGMENT)]
        scans = [self.feed(part) for part in parts]
        if all(scan is QUIET for scan in scans):
            return QUIET
        findings: list[Finding] = []
        settled: list[int] = []
        for part, scan in zip(parts, scans, strict=True):
            scan = in_full(scan, start + len(settled), len(part))
            findings += scan.findings
            settled += scan.settled
        return Scan(findings, settled)

    def _wakes(self, seeds: Sequence[int]) -> bool:
        """Whether one of the seeds that are looked up while all is quiet matters."""
        for ladder, near in zip(self._ladders, self._nears, strict=True):
            found = ladder.select(seeds)
            if found:
                units = self._recent.units
                last = units // self._stride * self._stride - (len(seeds) - 1) * self._stride
                if any(self._matters(last + at * self._stride, units, ladder, near) for at in found):
                    return True
        return False

    def _matters(self, unit: int, units: int, ladder: Ladder, near: NearMatch | None) -> bool:
        """Whether the seed that ends at ``unit`` is more than a stranger that the filter took for its own.

        Alone, it is a match that the budget lets go, and says something only where it is a sampled one.
        ``units``: those read.
        """
        if unit >= units or self._stride == 1:
            return True  # its neighbour is still to come, or the budget does not let a seed go
        recent = self._recent
        beside = [recent.seed(end) for end in (unit - 1, unit + 1) if end >= SEED]
        if ladder.select(beside):
            return True
        return near is not None and near.samples(recent.gram(SEED, unit))

    def drift(self) -> tuple[str, float] | None:
        """The protected document that shares most with the text so far, and how much of it that covers."""
        best = [near.nearest() for near in self._nears if near is not None and near.votes]
        if not best:
            return None
        document, units = max(best, key=lambda each: each[1])
        return document, min(1.0, units / self._recent.units)

    def finish(self) -> Sequence[Finding]:
        """The text has ended: near-verbatim spans end where their document's words do.

        A tail that never reached its threshold is let go: it is no finding.
        """
        findings: list[Finding] = []
        self._units = self._recent.units
        for near in self._nears:
            if near is not None and near.acting:
                self._close(near, self._recent.position + 1, findings)
        return findings

    def _follow(self, piece: str, start: int) -> Scan:
        """Unit by unit where a match or a chain is open; what lies between is settled as it comes.

        ``piece`` is the last that was read, ``start`` its raw offset.
        """
        findings: list[Finding] = []
        settled: list[int] = []
        counts = self._key.table.counts(piece)
        end = self._recent.units + 1
        first = end - sum(counts)
        offsets = self._recent.offsets(first - 1, end - 1)
        if not self._open:  # what came before was passed over
            self._units = first - 1
        begin = max(first, SEED)
        seeds = self._recent.seeds(begin, end)
        hits = [{begin + index for index in ladder.select(seeds)} for ladder in self._ladders]
        free = self._free_of(seeds, hits, begin)
        quiet = deque(sorted(unit for unit in set().union(*hits) if unit % self._stride == 0))
        at, size = 0, len(counts)
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
            self._character(counts[at], start + at, hits, free, findings)
            at += 1
            self._settled = max(self._settled, self._unit_limit(start + at))
            settled.append(self._settled)
        self._units = end - 1
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
                if near is not None and near.holders and near.age(unit):
                    self._close(near, offset + 1, findings)
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
        seed = self._recent.seed(unit)
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
            self._recent.gram(SEED, unit),
            lambda: self._exempt(ladder, unit),
        )
        if near.holders and near.since is None:
            near.since = limit
        if acting is not None and near.since is not None:
            self._act_near(near, acting, near.since, position, findings)
            near.since = position

    def _exempt(self, ladder: Ladder, unit: int) -> bool:
        """Whether what ends at ``unit`` is the caller's own, or stands in a text it may have."""
        if self._echo.contains_seed(self._recent.seed(unit)):
            return True
        if unit < self._run:
            return False
        gram = self._gram(self._run, unit)
        return any(contains(gram) for contains in ladder.cuts)

    def _close(self, near: NearMatch, position: int, findings: list[Finding]) -> None:
        """A chain has died: its span, if it began one, grows to where the words cease to match."""
        chain, since = near.leader, near.since
        if near.acting and chain is not None and since is not None:
            end, score = aligned_end(self._key, self._recent, near, chain, self._units)
            if end > since:
                findings.append(self._near_finding(near, chain, Span(since, end), position - 1, score))
        near.close()

    def _act_near(self, near: NearMatch, chain: Chain, start: int, end: int, findings: list[Finding]) -> None:
        """A chain has the cover to act: its span begins where text was held first, or grows to ``end``."""
        if start >= end:
            return
        if not near.acting:
            near.acting = True
            self._parts += 1
            near.part = self._parts
        near.leader = chain
        score = min(1.0, chain.cover / SPAN)
        findings.append(self._near_finding(near, chain, Span(start, end), end - 1, score))

    def _near_finding(self, near: NearMatch, chain: Chain, span: Span, at: int, score: float) -> Finding:
        return Finding(
            detector=NAME,
            entity=NEAR_PASSAGE,
            span=span,
            at=at,
            score=round(score, 3),
            provenance=Provenance(near.document_of(chain), near.audience),
            part_of=near.part,
            fingerprint=f"{self._gram(SEED, self._units):016x}",
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
        if match >= ladder.telling and ladder.cuts:
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
        run, recent, found = self._run, self._recent, False
        for end in range(self._units, max(ladder.looked, origin, run - 1), -1):
            gram = recent.gram(run, end)
            for contains in ladder.cuts:
                if contains(gram):
                    ladder.z, found = end, True
                    break
            if found:
                break
        ladder.looked = self._units

    def _gram(self, length: int, end: int) -> int:
        """The gram of the ``length`` units before unit ``end``."""
        return self._recent.gram(length, end)

    # --- acting --------------------------------------------------------------------------------------------

    def _act(self, ladder: Ladder, end: int, findings: list[Finding]) -> None:
        """The live match reaches the threshold, or stays there: a span begins, or grows to ``end``."""
        raw = self._recent.offset
        if ladder.active:
            start = raw(ladder.floor - 1) + 1
            origin = None
            ladder.floor = self._units
            if start >= end:  # the second unit of a wide character: the first has covered it
                return
        else:
            first = self._units - ladder.match
            origin = raw(first)
            # What an earlier span covers is gone already: this one begins at the first unit after it.
            start = raw(max(first + ladder.budget, ladder.floor))
            ladder.active = True
            self._parts += 1
            ladder.part = self._parts
            ladder.provenance = Provenance(self._document(ladder, first), ladder.audience)
        ladder.floor = self._units
        finding = Finding(
            detector=NAME,
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
            first = max(self._units - max(0, held), ladder.floor, self._recent.first)
            if first < self._units:
                limit = min(limit, self._recent.offset(first))
            elif ladder.active:
                # What follows a span's last unit (spaces, punctuation) belongs to it if it grows.
                limit = min(limit, self._recent.offset(ladder.floor - 1) + 1)
        for near in self._nears:
            if near is not None and near.holds and near.since is not None:
                limit = min(limit, near.since)
        return limit
