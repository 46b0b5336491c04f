"""The walk of one text through the trie of known values: where values may begin, go on and end.

From every place where a word may begin a path sets out through the trie and goes on, letter by letter, while
some value goes on so; all else is passed over, up to ``GAP`` characters at once. A value that ends at
a path's place has been found once the next character shows that a word may end there. The paths that
are alive are what is to be held: nothing else can become a value.

May import: the ground floor. The rule that must stay true: a path is alive exactly while the letters
since its start begin a value, and whatever a walk tells depends on the text read, not on how it was cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from proxy.types import ValueIndex
from proxy.values import ACTS, GlyphTable, ValueNode
from proxy.values.reading import LOOSE, MEETS, SEPARATOR, UNSEEN, Glyph

GAP = 64
"""Characters that are no letters, one after the other, that may stand inside a value."""


Track = tuple[int, ValueNode, int]
"""A path: the raw offset where it began, the place it has come to, and the units read before it."""


class Ended(NamedTuple):
    """A path that ended at a value. ``end``: raw offset after its last letter; ``units`` read until then."""

    track: Track
    end: int
    units: int


_TOKENS = re.compile("[a-z]+|[^a-z]+")
_SHORT = 8
"""Characters of a piece up to which it is not worth while to look for the ends of words."""


class Sink(Protocol):
    """What listens to a walk."""

    busy: bool
    """Whether it wants every character; else only those at which something ended or began to act."""

    def note(
        self, at: int, glyph: Glyph, ended: Sequence[Ended], acts: Sequence[Track], floor: int, units: int
    ) -> int:
        """Character ``at`` has been read. ``acts``: paths on which a long value is found; they are no longer
        followed here. ``floor``: where the first path that is alive began. Returns what is settled."""
        ...


def next_places(node: ValueNode, glyph: Glyph) -> list[ValueNode]:
    """Where the readings of a character lead from a place."""
    readings = (glyph.letters, glyph.digit) if glyph.digit else (glyph.letters,)
    places = (_follow(node, reading) for reading in readings)
    return [place for place in places if place is not None]


def _follow(node: ValueNode, letters: str) -> ValueNode | None:
    for letter in letters:
        following = node[letter]
        if following is None:
            return None
        node = following
    return node


class Walk:
    """One text's walk. Not shared."""

    __slots__ = (
        "_before",
        "_end",
        "_end_units",
        "_ended",
        "_gap",
        "_glyphs",
        "_index",
        "_live",
        "_position",
        "_units",
    )

    def __init__(self, index: ValueIndex, glyphs: GlyphTable) -> None:
        self._index = index
        self._glyphs = glyphs
        self._live: list[Track] = []
        self._ended: list[Track] = []
        """Paths that stand where a value ends, at the last letter."""
        self._end = self._end_units = 0
        self._before = SEPARATOR
        """The kind of the last character that is seen."""
        self._gap = 0
        self._position = 0
        self._units = 0

    @property
    def position(self) -> int:
        """Characters read."""
        return self._position

    def feed(self, piece: str, sink: Sink) -> list[int]:
        """Read the next characters; what is settled after each of them."""
        settled: list[int] = []
        settle = settled.append
        glyphs, root = self._glyphs, self._index.root
        live, ended, before, gap = self._live, self._ended, self._before, self._gap
        position, units, busy = self._position, self._units, sink.busy
        found: list[Ended] = []
        acts: list[Track] = []
        for token in _TOKENS.findall(piece) if len(piece) > _SHORT else (piece,):
            plain = len(piece) > _SHORT and "a" <= token[0] <= "z"
            end = position + len(token)
            for character in token:
                letters, kind, size, single, _ = glyphs[character]
                if ended:
                    if kind == UNSEEN:
                        self._end = position + 1
                    else:
                        if MEETS[before][kind]:
                            found = [Ended(track, self._end, self._end_units) for track in ended]
                        ended = []
                if size:
                    gap = 0
                    if not single:
                        tracks = self._branch(glyphs[character], live, MEETS[before][kind], position, units)
                        ended = [track for track in tracks if track[1].ends]
                        live = [track for track in tracks if not track[1].last]
                    else:
                        if live:
                            tracks, live = live, []
                            for start, place, first in tracks:
                                node = place[letters]
                                if node is not None:
                                    track = (start, node, first)
                                    if node.ends:
                                        ended.append(track)
                                        if node.last:
                                            continue
                                    live.append(track)
                        if MEETS[before][kind]:
                            node = root[letters]
                            if node is not None:
                                live.append((position, node, units))
                    before = kind
                    units += size
                    if ended:
                        self._end, self._end_units = position + 1, units
                        if ended[0][1].depth >= ACTS:
                            acts = [track for track in ended if track[1].depth >= ACTS]
                            live = [track for track in live if track not in acts]
                            ended = ended[len(acts) :]
                        if kind == LOOSE:
                            found += [Ended(track, self._end, units) for track in ended]
                            ended = []
                else:
                    gap += 1
                    if kind == SEPARATOR:
                        before = kind
                    if gap > GAP:
                        live = []
                position += 1
                if found or acts or busy or ended:
                    floor = min(live[0][0] if live else position, ended[0][0] if ended else position)
                    if not (found or acts or busy):
                        settle(floor)
                        continue
                    settle(sink.note(position - 1, glyphs[character], found, acts, floor, units))
                    busy = sink.busy
                    found, acts = [], []
                elif live:
                    settle(live[0][0])
                else:
                    settle(position)
                    if plain:  # no value begins inside a word
                        settled += range(position + 1, end + 1)
                        units += end - position
                        position = end
                        break
        self._live, self._ended, self._before, self._gap = live, ended, before, gap
        self._position, self._units = position, units
        return settled

    def _branch(
        self, glyph: Glyph, live: Sequence[Track], begins: bool, position: int, units: int
    ) -> list[Track]:
        """A character of several letters, or of two readings."""
        tracks = [(start, node, first) for start, place, first in live for node in next_places(place, glyph)]
        if begins:
            tracks += [(position, node, units) for node in next_places(self._index.root, glyph)]
        return tracks

    def finish(self) -> list[Ended]:
        """The text has ended, and a word with it: the values that end here."""
        ended, self._ended, self._live = self._ended, [], []
        return [Ended(track, self._end, self._end_units) for track in ended]
