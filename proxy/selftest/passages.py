"""Choose the passages that a self-test scans: a random sample of every source and of every file.

Passages have twice the units at which a match acts. A text with fewer units than that is one passage,
and one that is too short to act on is only counted.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def offer(self, make: Callable[[], Passage | None]) -> None:
        """Draw one more; ``make`` runs only for what is drawn, and gives None for what is no passage."""
        self.seen += 1
        place = len(self.kept) if len(self.kept) < self.size else int(self.random.random() * self.seen)
        if place < self.size and (passage := make()) is not None:
            self.kept[place : place + 1] = [passage]


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
        """Texts that were drawn and have too few units to act on."""
        self.codes = 0
        """Passages that were drawn and are no prose: codes, paths, media."""

    def add(self, text: Text, audience: str) -> None:
        """Offer the passages of one text to the samples."""
        act = self._act(audience)
        if 2 * len(text.text) < act:
            self.short += 1
            return
        samples = (
            self._of(self._by_audience, audience, PER_SOURCE),
            self._of(self._by_file, text.file, PER_FILE),
        )
        for start in range(0, len(text.text), round(2 * act * _SPREAD)):

            def make(start: int = start) -> Passage | None:
                piece = self._piece(text.text, start, act)
                if piece is None:
                    return None
                return Passage(self._source, text.file, text.record, text.field, piece, audience)

            for each in samples:
                each.offer(make)

    def _of(self, samples: dict[str, Reservoir], name: str, size: int) -> Reservoir:
        if name not in samples:
            samples[name] = Reservoir(size, self._random)
        return samples[name]

    def passages(self) -> list[Passage]:
        """Return the sample, each passage once."""
        kept = (*self._by_audience.values(), *self._by_file.values())
        return list(dict.fromkeys(passage for each in kept for passage in each.kept))

    def _piece(self, text: str, start: int, act: int) -> str | None:
        """Return the text from ``start``, of twice ``act`` units at most; None where it is no passage."""
        window = text[start : start + 8 * act]
        total = 0
        for end, count in enumerate(self._units.counts(window), 1):
            total += count
            if total >= 2 * act:
                window = window[:end]
                break
        if total < act:
            self.short += 1
            return None
        if not is_prose(window):
            self.codes += 1
            return None
        return window


def is_prose(text: str) -> bool:
    """Return whether a text has words, rather than being one code, path or piece of media."""
    return len(text.split()) >= _WORDS or sum(0x3040 <= ord(each) <= 0x9FFF for each in text) >= _WIDE
