"""Choose the passages that a self-test scans: a random sample of every source and of every file.

Passages have twice the units at which a match acts. A text with fewer units than that is one passage,
and one that is too short to act on is only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from proxy.selftest.reading import Text
from proxy.text import UnitTable

PER_SOURCE = 200
"""Passages of a source at least, or all that it has."""

PER_FILE = 20
"""Passages of each file of a source at least, or all that it has."""

_SPREAD = 1.4
"""Characters of prose for each unit, at most; the rest is spaces and punctuation."""

_WORDS = 4
_WIDE = 8
"""A passage with fewer words and fewer wide letters is a code, a path or media, not prose."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of training text. ``audience``: for whom it was written, by the independent reading."""

    source: str
    file: str
    record: str
    field: str
    text: str
    audience: str

    @property
    def where(self) -> str:
        return f"{self.file}: record {self.record}, field {self.field}"


@dataclass(slots=True)
class Reservoir:
    """A uniform sample of a stream (Vitter 1985, algorithm R)."""

    size: int
    random: Random
    kept: list[Passage] = field(default_factory=list)
    seen: int = 0

    def offer(self, make: Callable[[], Passage]) -> None:
        self.seen += 1
        if len(self.kept) < self.size:
            self.kept.append(make())
            return
        place = self.random.randrange(self.seen)
        if place < self.size:
            self.kept[place] = make()


class Sampler:
    """Collects passages of one source."""

    def __init__(self, source: str, act: Callable[[str], int], seed: int) -> None:
        """``act``: the units at which a match of an audience acts."""
        self._source = source
        self._act = act
        self._random = Random(seed)
        self._units = UnitTable()
        self._by_audience: dict[str, Reservoir] = {}
        self._by_file: dict[str, Reservoir] = {}
        self.short = 0
        """Texts with too few units to act on."""
        self.codes = 0
        """Passages that are no prose: codes, paths, media."""

    def add(self, text: Text, audience: str) -> None:
        """Offer the passages of one text to the samples."""
        act = self._act(audience)
        for piece in self._pieces(text.text, act):

            def make(piece: str = piece) -> Passage:
                return Passage(self._source, text.file, text.record, text.field, piece, audience)

            audiences, files = self._by_audience, self._by_file
            for samples, name, size in ((audiences, audience, PER_SOURCE), (files, text.file, PER_FILE)):
                if name not in samples:
                    samples[name] = Reservoir(size, self._random)
                samples[name].offer(make)

    def passages(self) -> list[Passage]:
        """Return the sample, each passage once."""
        kept = (*self._by_audience.values(), *self._by_file.values())
        return list(dict.fromkeys(passage for each in kept for passage in each.kept))

    def _pieces(self, text: str, act: int) -> Iterator[str]:
        stride = round(2 * act * _SPREAD)
        found = False
        for start in range(0, len(text), stride):
            piece = self._cut(text, start, 2 * act)
            if piece is None or self._count(piece) < act:
                continue
            found = True
            if is_prose(piece):
                yield piece
            else:
                self.codes += 1
        self.short += not found

    def _cut(self, text: str, start: int, units: int) -> str | None:
        """Return the text from ``start`` with at most so many units; None where nothing is left."""
        window = text[start : start + 4 * units]
        total = 0
        for end, count in enumerate(self._units.counts(window), 1):
            total += count
            if total >= units:
                return window[:end]
        return window or None

    def _count(self, text: str) -> int:
        return sum(self._units.counts(text))


def is_prose(text: str) -> bool:
    """Return whether a text has words, rather than being one code, path or piece of media."""
    return len(text.split()) >= _WORDS or sum(0x3040 <= ord(each) <= 0x9FFF for each in text) >= _WIDE
