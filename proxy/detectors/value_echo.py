"""The known values in the caller's own words: they are no leak, and tell which records the caller asks about.

May import: the ground floor, ``value_walk`` and ``value_match``. The rule that must stay true: of a long
value only as many letters are the caller's as stood in one of its texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxy.detectors.value_match import MANY
from proxy.detectors.value_walk import Ended, Track, Walk, next_places
from proxy.types import ValueIndex
from proxy.values import GlyphTable, KnownValue, ValueNode
from proxy.values.reading import Glyph


class Echo:
    """The values in the caller's own words, overlapping and nested ones included.

    ``depths``: to how many letters of each value the caller's words went; ``records``: the documents
    that a value among them tells.
    """

    def __init__(self) -> None:
        self.depths: dict[int, int] = {}
        self.records: set[int] = set()
        self.busy = False
        self._index: ValueIndex
        self._tails: list[ValueNode] = []

    def read(self, index: ValueIndex, glyphs: GlyphTable, text: str) -> None:
        """Add one text."""
        self._index, self._tails, self.busy = index, [], False
        walk = Walk(index, glyphs)
        walk.feed(text, self)
        self._note_all(each.track[1] for each in walk.finish())

    def note(
        self, at: int, glyph: Glyph, ended: Sequence[Ended], acts: Sequence[Track], floor: int, units: int
    ) -> int:
        if glyph.letters:
            self._tails = [place for node in self._tails for place in next_places(node, glyph)]
        self._tails += [node for _, node, _ in acts]
        self._note_all([*(each.track[1] for each in ended), *self._tails])
        self.busy = bool(self._tails)
        return floor

    def _note_all(self, nodes: Iterable[ValueNode]) -> None:
        for node in nodes:
            for number in node.ends:
                if number not in self.depths:
                    value = self._index.value(number)
                    if not value.weak and len(value.records) <= MANY:
                        self.records.update(value.records)
                self.depths[number] = max(node.depth, self.depths.get(number, 0))

    def has(self, value: KnownValue, node: ValueNode) -> bool:
        """Whether the caller sent the value; of a long one, all its letters up to this place."""
        depth = self.depths.get(value.number, 0)
        return depth >= node.depth if value.long else depth > 0
