"""One stream against the memorised text of several audiences: units in, findings and settled offsets out.

``memorised.py`` says what is matched and why it is safe. While nothing matches, a piece costs a look-up
for every second seed; where a match or a chain is open every unit is followed.

May import: the ground floor and this room. The rule that must stay true: ``settled`` never passes unit
``units - (n - b)``, nor the first character held for a chain, and never moves back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Sequence
from itertools import pairwise

from proxy.detectors.align import align
from proxy.detectors.echo import Echo
from proxy.detectors.ladder import NAME, NEAR_PASSAGE, PASSAGE, Ladder
from proxy.detectors.near import SPAN, Chain, NearMatch
from proxy.detectors.window import SeedWindow
from proxy.grams import SEED, GramKey, cut_words
from proxy.text import UNIT_BYTES
from proxy.types import Finding, Provenance, Scan, Select, Span

_SLACK = 4096  # units of history kept beyond what a look-back needs, so that trimming is rare


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
        self._keep = max(max(lengths) + run + 1, 2 * SPAN if any(nears) else 0)
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
        self._open = self._blind > 0  # whether a match, a chain or a small budget makes every unit count
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
        for ladder in self._ladders:  # noqa: SIM110 - a plain loop: every piece of every answer comes here
            if ladder.select(seeds):
                return True
        return False

    def drift(self) -> tuple[str, float] | None:
        """The protected document that shares most with the text so far, and how much of it that covers."""
        best = [near.nearest() for near in self._nears if near is not None and near.votes]
        if not best or not self._units:
            return None
        document, units = max(best, key=lambda each: each[1])
        return document, min(1.0, units / self._units)

    def finish(self) -> Sequence[Finding]:
        """The text has ended: near-verbatim spans end where their document's words do.

        A tail that never reached its threshold is let go: it is no finding.
        """
        findings: list[Finding] = []
        for near in self._nears:
            if near is not None and near.acting:
                self._close(near, self._position + 1, findings)
        return findings

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

    def _close(self, near: NearMatch, position: int, findings: list[Finding]) -> None:
        """A chain has died: its span, if it began one, grows to where the words cease to match."""
        chain, since = near.leader, near.since
        if near.acting and chain is not None and since is not None:
            end, score = self._aligned_end(near, chain)
            if end > since:
                findings.append(self._near_finding(near, chain, Span(since, end), position - 1, score))
        near.close()

    def _aligned_end(self, near: NearMatch, chain: Chain) -> tuple[int, float]:
        """The raw end of the last word that belongs to a span, and the share of its words that match."""
        import numpy as np

        units, covered = self._units, chain.last
        first = max(self._dropped, covered - SPAN)
        codes = np.frombuffer(self._window.encoded(first, units), dtype="<u4")
        places = np.array(self._raw[first - self._dropped : units - self._dropped], dtype=np.int64)
        edges = cut_words(codes, places).tolist()
        words = [
            self._key.word(self._window.encoded(first + begin, first + end)) for begin, end in pairwise(edges)
        ]
        sure = bisect_right(edges, covered - first) - 1
        document, _ = near.words(chain, covered - first, units - covered)
        aligned = align(words, document, sure)
        last = first + edges[aligned.words] - 1
        return (self._raw[last - self._dropped] + 1 if aligned.words > sure else 0), aligned.score

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
