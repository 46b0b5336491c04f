"""An index in memory with exact sets: the double of the stored one, for tests of the matching alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from proxy.grams import SEED, GramKey
from proxy.index.words import hash_words
from proxy.types import Contains, Select

KEY = GramKey("the key of the tests, long enough")


def encode(text: str) -> bytes:
    return b"".join(map(KEY.table.__getitem__, text))


def runs(text: str, length: int) -> list[int]:
    """The grams of every run of ``length`` units of a text."""
    seeds = KEY.seeds(encode(text))
    compose = KEY.composer(length)
    return [compose(seeds, last) for last in range(length - SEED, len(seeds))]


class MemoryIndex:
    """``types.TextIndex`` over a few small documents: every answer is exact."""

    def __init__(
        self,
        documents: Mapping[str, Sequence[str]],
        *,
        acts: Mapping[str, int] | None = None,
        exempt_run: int = 20,
        background: Sequence[str] = (),
        style: Sequence[str] = (),
    ) -> None:
        self.key = KEY
        self.audiences = tuple(sorted(documents))
        self.exempt_run = exempt_run
        self.window = 1
        self.most_places = 32
        self.documents = documents
        acts = acts or {}
        self._acts = {name: acts.get(name, 80 if name == "nobody" else 32) for name in documents}
        self._sets = {
            (name, length): {gram for text in texts for gram in runs(text, length)}
            for name, texts in documents.items()
            for length in (exempt_run, self._acts[name])
        }
        self._seeds = {
            name: {g for t in texts for g in KEY.seeds(encode(t))} for name, texts in documents.items()
        }
        self._background = {gram for text in background for gram in runs(text, exempt_run)}
        self._background_seed_set = {gram for text in background for gram in KEY.seeds(encode(text))}
        self._style = {gram for text in style for gram in runs(text, exempt_run)}
        self._places: dict[tuple[str, int], list[int]] = {}
        self._starts: dict[str, list[int]] = {}
        for name, texts in documents.items():
            base, starts = 0, []
            for text in texts:
                starts.append(base)
                for offset, gram in enumerate(runs(text, SEED)):
                    self._places.setdefault((name, gram), []).append(base + offset)
                base += len(encode(text)) // 4
            self._starts[name] = starts

    def seeds(self, audience: str) -> Select:
        known = self._seeds[audience]
        return lambda grams: [index for index, gram in enumerate(grams) if gram in known]

    def levels(self, audience: str) -> Sequence[tuple[int, Contains]]:
        lengths = sorted({self.exempt_run, self._acts[audience]})
        return [(length, self._sets[audience, length].__contains__) for length in lengths]

    def exempt(self, audience: str) -> Contains:
        return self._sets[audience, self.exempt_run].__contains__

    def background(self) -> Contains | None:
        return self._background.__contains__ if self._background else None

    def background_seeds(self) -> Select | None:
        known = self._background_seed_set
        return (lambda grams: [i for i, gram in enumerate(grams) if gram in known]) if known else None

    def house_style(self) -> Contains | None:
        return self._style.__contains__ if self._style else None

    def places(self, audience: str, gram: int) -> Sequence[int]:
        return self._places.get((audience, gram), ())

    def words(self, audience: str, position: int, before: int, after: int) -> tuple[list[int], list[int]]:
        number = bisect_right(self._starts[audience], position) - 1
        hashes, lengths, _ = hash_words(KEY, *KEY.spaced_codes(self.documents[audience][number]))
        at, kept, ends = self._starts[audience][number] - position, [], []
        for word, length in zip(hashes.tolist(), lengths.tolist(), strict=True):
            at += length
            if -before < at <= after:
                kept.append(word)
                ends.append(at)
        return kept, ends

    def start_of(self, audience: str, position: int) -> int:
        starts = self._starts[audience]
        return starts[bisect_right(starts, position) - 1]

    def document_at(self, audience: str, position: int) -> str:
        return f"{audience}:{bisect_right(self._starts[audience], position)}"
