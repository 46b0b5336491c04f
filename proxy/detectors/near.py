"""Memorised text, near-verbatim: chains of distinctive seeds on one diagonal of a document.

Strategy. Text that was changed a little still holds intact runs. Where a sampled seed of a protected
document is met, its *diagonal* (position in the training set minus position in the stream) stays
the same from run to run, but for insertions and deletions. A chain gathers what is covered on one
diagonal within the last ``SPAN`` units. Seeds that also stand in text this caller may have are not
distinctive and count for nothing; seeds that stand in very many places continue a chain but start
none. From a cover of ``HOLD`` (of C / 3, if that is more) on the text is held from there; at the
audience's C it acts. A second kind of chain takes a document's seeds in any order, for shuffled sentences,
and asks for more cover.

A sampled seed vouches for its neighbours: in a document any ``window`` neighbouring seeds hold a
sampled one, so of the run of known seeds around it at most ``window - 1`` on each side are counted.

Guarantee (see ``policies/README.md``): a passage of m units with e changed characters leaves at
least m - e - (e + 1)(SEED + window - 2) covered units, if its seeds are distinctive.

May import: the ground floor. The rule that must stay true: what a chain covers depends on the units read
alone, so the result does not depend on the cutting.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from operator import itemgetter

from proxy.grams import SEED
from proxy.types import TextIndex

SPAN = 160
"""Units that a chain looks back."""

HOLD = 24
"""Units of cover from which text is held, or a third of C, if that is more."""

GAP = 32
"""Units without a new seed after which a chain no longer holds text."""

CLOSE_GAP = 20
"""The same where C is high, as for text that is only not to be repeated: there much ordinary text is alike in
places, and would be held for long."""
_HIGH = 3 * HOLD

ACTING_GAP = 80
"""The same for a chain that has acted: what follows a leak is likelier to belong to it."""

DRIFT = 24
"""Units by which insertions and deletions may shift the diagonal from one seed to the next."""

SHUFFLED = 16
"""Units of cover that a chain in any order must have beyond C, and beyond ``HOLD``."""

_MANY = 8
"""Sampled seeds after which each is asked whether it is free: most answers have fewer, and an answer that
repeats what its caller wrote would have a chain for every document that is like it."""

_BAND = 32
_MOST_CHAINS = 1024


class Chain:
    """What is covered of one document, on one diagonal or in any order."""

    __slots__ = ("cover", "diagonal", "extra", "intervals", "last", "place", "seeds", "where")

    def __init__(self, diagonal: int, place: int, extra: int) -> None:
        self.diagonal = diagonal
        self.place = place
        self.extra = extra
        """Cover asked for beyond the usual."""
        self.intervals: deque[tuple[int, int]] = deque()
        self.cover = 0
        """Covered units within the last ``SPAN``."""
        self.last = 0
        """The last covered unit."""
        self.seeds = 0
        self.where = 0
        """The position in the training set that follows the last covered unit."""

    def touch(self, start: int, end: int) -> None:
        """Units (start, end] are covered."""
        intervals = self.intervals
        while intervals and intervals[0][1] <= end - SPAN:
            first, last = intervals.popleft()
            self.cover -= last - first
        if intervals and start <= intervals[-1][1]:
            first, last = intervals[-1]
            if end > last:
                self.cover += end - last
                intervals[-1] = (first, end)
        else:
            intervals.append((start, end))
            self.cover += end - start
        self.where += end - self.last
        self.last = end


class NearMatch:
    """The chains of one stream in one protected audience."""

    def __init__(
        self,
        index: TextIndex,
        audience: str,
        cover: int,
        *,
        holds: bool,
    ) -> None:
        """``cover``: C in units."""
        self.audience = audience
        self.holds = holds
        self._index = index
        self._cover = cover
        self._hold = max(HOLD, cover // 3)
        self._gap = CLOSE_GAP if cover > _HIGH else GAP
        self._window = index.window
        self._common = index.most_places
        self._bands: dict[int, Chain] = {}
        self._documents: dict[int, Chain] = {}
        """Those in any order, by where their document begins."""
        self._live: list[Chain] = []
        self._sampled = 0
        self._met = 0
        """Sampled seeds so far."""
        self._run = 0
        self._run_end = 0
        self.holders: list[Chain] = []
        """Chains that have enough cover to hold text, and have grown lately."""
        self.since: int | None = None
        """Raw offset from which text is held; None where nothing is."""
        self.acting = False
        """Whether a span has begun and may grow."""
        self.part = 0
        self.leader: Chain | None = None
        """The chain that acted last."""
        self.votes: dict[int, int] = {}
        """Units of the whole text that the sampled seeds of a document have covered, by where it begins."""

    # --- one unit -------------------------------------------------------------------------------------

    def age(self, unit: int) -> bool:
        """A unit was read: chains that have not grown for long hold nothing any more.

        True when the last of them has gone: a span that it began is to be closed, with :meth:`close`.
        """
        gap = ACTING_GAP if self.acting else self._gap
        self.holders = [chain for chain in self.holders if unit - chain.last <= gap]
        return not self.holders

    def close(self) -> None:
        """Nothing is held for a chain any more."""
        self.holders = []
        self.since = None
        self.acting = False
        self.leader = None

    def hit(self, unit: int, gram: int, exempt: Callable[[], bool]) -> Chain | None:
        """A distinctive seed ends at ``unit``: the chain that now has the cover to act, if one has.

        ``gram`` is its composed form. ``exempt`` tells whether what ends here is free for this caller
        after all; it is asked only where a chain would hold text, or many seeds were met.
        """
        self._run = self._run + 1 if self._run_end == unit - 1 else 1
        self._run_end = unit
        places = self._index.places(self.audience, gram)
        if places:
            self._met += 1
            if (self.holders or self._met > _MANY) and exempt():
                self._live = []
                return None
            start = unit - SEED - min(self._run - 1, self._window - 1)
            self._live = self._touched(places, start, unit)
            self._sampled = unit
        elif self._run > 1 and unit - self._sampled < self._window:
            for chain in self._live:
                chain.touch(unit - 1, unit)
        else:
            return None
        return self._strongest(exempt)

    def samples(self, gram: int) -> bool:
        """Whether a seed, given in its composed form, is a sampled one of some document."""
        return bool(self._index.places(self.audience, gram))

    def document_of(self, chain: Chain) -> str:
        """The document that a chain was begun in."""
        return self._index.document_at(self.audience, chain.place)

    def words(self, chain: Chain, before: int, after: int) -> tuple[list[int], list[int]]:
        """The words of a chain's document around where its cover ends, with room for what was inserted."""
        return self._index.words(self.audience, max(0, chain.where - 1), before + DRIFT, after + DRIFT)

    def nearest(self) -> tuple[str, int]:
        """The document with the most covered units, and how many they are."""
        start, units = max(self.votes.items(), key=itemgetter(1))
        return self._index.document_at(self.audience, start), units

    def _touched(self, places: Sequence[int], start: int, unit: int) -> list[Chain]:
        """The chains that a sampled seed continues or starts."""
        common = len(places) >= self._common
        touched = []
        for place in places:
            chain = self._on_diagonal(place - unit, place, unit, common)
            if chain is not None:
                chain.touch(start, unit)
                chain.seeds += 1
                chain.diagonal = place - unit
                chain.where = place + SEED
                touched.append(chain)
        if not common:
            start_of, audience = self._index.start_of, self.audience
            for document, place in {start_of(audience, place): place for place in places}.items():
                touched.append(self._in_any_order(document, place, start, unit))
        if len(self._bands) + len(self._documents) > _MOST_CHAINS:
            self._forget(unit)
        return touched

    def _on_diagonal(self, diagonal: int, place: int, unit: int, common: bool) -> Chain | None:
        band = diagonal // _BAND
        for key in (band, band - 1, band + 1):
            chain = self._bands.get(key)
            if chain is not None and abs(chain.diagonal - diagonal) <= DRIFT and unit - chain.last < SPAN:
                if key != band:
                    del self._bands[key]
                    self._bands[band] = chain
                return chain
        if common:
            return None
        chain = self._bands[band] = Chain(diagonal, place, 0)
        return chain

    def _in_any_order(self, document: int, place: int, start: int, unit: int) -> Chain:
        chain = self._documents.get(document)
        if chain is None or unit - chain.last >= SPAN:
            chain = self._documents[document] = Chain(0, place, SHUFFLED)
        more = min(unit - start, unit - chain.last)
        self.votes[document] = self.votes.get(document, 0) + more
        chain.touch(start, unit)
        chain.seeds += 1
        chain.where = place + SEED
        return chain

    def _strongest(self, exempt: Callable[[], bool]) -> Chain | None:
        """Which of the chains that just grew may act; the others that may hold are remembered."""
        acting = None
        free: bool | None = None
        for chain in self._live:
            if chain.cover < self._hold + chain.extra:
                continue
            if chain not in self.holders:
                if free is None:
                    free = exempt()
                if free:
                    continue
                self.holders.append(chain)
            if chain.cover >= self._cover + chain.extra and chain.seeds >= 2:
                acting = chain
        return acting

    def _forget(self, unit: int) -> None:
        """Drop chains that have left the look-back."""
        self._bands = {key: c for key, c in self._bands.items() if unit - c.last < SPAN}
        self._documents = {key: c for key, c in self._documents.items() if unit - c.last < SPAN}
        if len(self.votes) > _MOST_CHAINS:
            self.votes = dict(Counter(self.votes).most_common(_MOST_CHAINS // 2))
