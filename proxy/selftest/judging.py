"""Judge passages against an index: are they protected for everyone who may not have them?

A passage of an audience is scanned as a role that is cleared for nothing but strictly wider
audiences. Where nothing is found, the passage must be free elsewhere, and the independent reading
must agree that it is: the index alone cannot be asked, since it may hold admin text as public.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from proxy.detectors.memorised import MemorisedDetector
from proxy.selftest.marks import NOBODY, Readers
from proxy.selftest.passages import Passage
from proxy.selftest.reading import Text
from proxy.text import FoldTable
from proxy.types import Contains, TextIndex, Threshold, View

_FREE_SHARE = 0.5


class Outcome(Enum):
    """What a scan of a passage shows."""

    PROTECTED = "protected"
    NARROWER = "narrower"
    """Protected, and also withheld from roles that its author's mark lets read it."""
    FREE = "free elsewhere"
    """Half of it, or too much of it to act on the rest, is free in a text for a wider audience."""
    MISSING = "not protected"
    WIDER = "free for a wider audience than its author wrote"


@dataclass(frozen=True, slots=True)
class Judged:
    passage: Passage
    outcome: Outcome


@dataclass(slots=True)
class Judge:
    """Scans passages with the memorised detector of an index."""

    index: TextIndex
    readers: Readers
    threshold: Callable[[str], Threshold]
    before: TextIndex | None = None
    """The index before documents were added: what was free in it was tested then."""
    _detector: MemorisedDetector = field(init=False)
    _folds: FoldTable = field(init=False, default_factory=FoldTable)

    def __post_init__(self) -> None:
        self._detector = MemorisedDetector(self.index)

    def judge(
        self, passages: Sequence[Passage], texts: Callable[[], Iterable[tuple[Text, str]]]
    ) -> list[Judged]:
        """Return the outcome of each passage. ``texts`` reads every text and its audience once more;
        it is called only where the index calls a passage free for a wider audience."""
        judged: list[Judged] = []
        doubtful: list[Passage] = []
        for passage in passages:
            outcome = self._scan(passage)
            if outcome is None:
                if self._mostly_free(passage, self._declared(passage)):
                    outcome = Outcome.FREE
                elif self._mostly_free(passage, self._wider(passage)):
                    doubtful.append(passage)
                    continue
                else:
                    outcome = Outcome.MISSING
            judged.append(Judged(passage, outcome))
        if doubtful:
            judged += self._confirmed(doubtful, texts())
        return judged

    def _scan(self, passage: Passage) -> Outcome | None:
        """Return PROTECTED or NARROWER where the passage is found, else None."""
        own = [name for name in self.index.audiences if self.readers(name) == self.readers(passage.audience)]
        others = [name for name in self.index.audiences if not self._is_wider(name, passage)]
        if own and self._found(passage, own):
            return Outcome.PROTECTED
        if not self._found(passage, others):
            return None
        narrower = [name for name in others if self.readers.within(name, passage.audience)]
        return Outcome.NARROWER if self._found(passage, narrower) else None

    def _found(self, passage: Passage, protected: Sequence[str]) -> bool:
        if not protected:
            return False
        cleared = tuple(name for name in self.index.audiences if self._is_wider(name, passage))
        limits: Mapping[str, Threshold] = {name: self.threshold(name) for name in protected}
        view = View("self-test", tuple(protected), cleared, limits, exempt_run=self.index.exempt_run)
        scanner = self._detector.scanner(view)
        return bool(scanner.feed(passage.text).findings or scanner.finish())

    def _is_wider(self, name: str, passage: Passage) -> bool:
        return self.readers.wider(name, passage.audience)

    # --- free text ---------------------------------------------------------------------------------

    def _declared(self, passage: Passage) -> list[Contains]:
        """Return what is free by declaration: background, and house style for ``nobody``."""
        style = self.index.house_style() if passage.audience == NOBODY else None
        declared = [each for each in (self.index.background(), style) if each is not None]
        if self.before is not None:
            declared += self._free_in(self.before, passage)
        return declared

    def _wider(self, passage: Passage) -> list[Contains]:
        return [*self._declared(passage), *self._free_in(self.index, passage)]

    def _free_in(self, index: TextIndex, passage: Passage) -> list[Contains]:
        return [index.exempt(name) for name in index.audiences if self._is_wider(name, passage)]

    def _mostly_free(self, passage: Passage, sets: Sequence[Contains]) -> bool:
        """Return whether half of the units are in free runs, or no stretch between them can act."""
        if not sets:
            return False
        run = self.index.exempt_run
        grams = self._runs(passage.text)
        free = [any(contains(gram) for contains in sets) for gram in grams]
        units = len(grams) + run - 1
        covered = [False] * units
        longest = last = 0
        for start, inside in enumerate(free):
            if inside:
                covered[start : start + run] = [True] * run
                longest, last = max(longest, start + run - 1 - last), start + run
        longest = max(longest, units - last)
        if sum(covered) >= _FREE_SHARE * units:
            return True
        return any(free) and longest < self.threshold(passage.audience).act

    def _runs(self, text: str) -> list[int]:
        key, run = self.index.key, self.index.exempt_run
        grams: list[int] = key.arrays(key.seed_array(key.codes(text, self._folds)), run).tolist()
        return grams

    def _confirmed(self, doubtful: Sequence[Passage], texts: Iterable[tuple[Text, str]]) -> list[Judged]:
        """Judge passages that the index calls free by what the independent reading finds free."""
        runs = {passage: frozenset(self._runs(passage.text)) for passage in doubtful}
        seen: dict[int, set[str]] = {}
        free: list[Passage] = []
        for text, audience in texts:
            open_ones = [passage for passage in runs if self._is_wider(audience, passage)]
            if not open_ones:
                continue
            found = frozenset().union(*(runs[passage] for passage in open_ones)).intersection(
                self._runs(text.text)
            )
            for gram in found:
                seen.setdefault(gram, set()).add(audience)
            for passage in open_ones:
                if not runs[passage].isdisjoint(found) and self._seen_free(passage, seen):
                    free.append(passage)
                    del runs[passage]
            if not runs:
                break
        return [
            *(Judged(passage, Outcome.FREE) for passage in free),
            *(Judged(passage, Outcome.WIDER) for passage in runs),
        ]

    def _seen_free(self, passage: Passage, seen: Mapping[int, set[str]]) -> bool:
        def contains(gram: int) -> bool:
            return any(self._is_wider(name, passage) for name in seen.get(gram, ()))

        return self._mostly_free(passage, [*self._declared(passage), contains])
