"""Passages of protected documents, and the ordinary answers they are put into.

The rule that must stay true: a passage shares no run of 20 units with text that the caller may have, and the
answer it stands in passes unchanged without it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks import material
from benchmarks.material import Answer, Units
from proxy.server.firewall import Firewall
from proxy.types import Document

_SENTENCE_END = re.compile(r"[.!?]\s+|[。！？]|\n+")
_SHORTEST, _LONGEST = 120, 360


@dataclass(frozen=True, slots=True)
class Carrier:
    """An ordinary answer in two, and what was asked for it."""

    prompt: str
    head: str
    tail: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, and the answer it is put into. ``source`` is the document's number."""

    source: int
    text: str
    carrier: Carrier


class Passages:
    """Cuts passages from documents. ``words``: whether they begin with a word (else anywhere)."""

    def __init__(
        self,
        items: Sequence[Document],
        free: Iterable[str],
        carriers: Sequence[Carrier],
        *,
        words: bool,
    ) -> None:
        """``free``: the texts that the caller may have."""
        self._texts = [material.joined(item) for item in items]
        self._carriers = carriers
        self._words = words
        self._units = Units()
        own = set(self._units.runs(self._texts))
        self._shared = {run for run in self._units.runs(free) if run in own}
        self.drawn = 0
        self.excluded = 0
        """Passages that were not taken: they share a run with a text that the caller may have."""

    def draw(self, size: int, count: int, seed: int) -> list[Passage]:
        """``count`` passages of ``size`` characters, from documents as often as they are long."""
        dice = random.Random(f"passages {size} {seed}")
        places = [(number, text) for number, text in enumerate(self._texts) if len(text) >= size]
        weights = [len(text) - size + 1 for _, text in places]
        found: list[Passage] = []
        while len(found) < count and self.drawn < 100_000:
            number, text = dice.choices(places, weights)[0]
            at = self._begin(text, dice.randrange(len(text) - size + 1))
            if at + size > len(text):
                continue
            self.drawn += 1
            piece = text[at : at + size]
            if not self._shared.isdisjoint(self._units.runs([piece])):
                self.excluded += 1
                continue
            found.append(Passage(number, piece, dice.choice(self._carriers)))
        return found

    def _begin(self, text: str, at: int) -> int:
        """The next beginning of a word."""
        if self._words:
            while 0 < at < len(text) and not (text[at - 1].isspace() and not text[at].isspace()):
                at += 1
        return at


def halves(answer: Answer) -> Carrier | None:
    """An answer in two at the end of a sentence about its middle."""
    text = answer.text
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if 0.25 < match.end() / len(text) < 0.75]
    if not ends:
        return None
    at = min(ends, key=lambda end: abs(end - len(text) / 2))
    head, tail = text[:at], text[at:]
    if not head[-1].isspace() and head[-1] not in "。！？":
        head += " "
    return Carrier(answer.prompt, head, tail if tail[:1].isspace() else " " + tail)


def carriers(answers: Sequence[Answer], house: Firewall, count: int) -> list[Carrier]:
    """Answers of 120 to 360 characters that reach ``public`` unchanged."""
    found: list[Carrier] = []
    for answer in random.Random(7).sample(answers, len(answers)):
        carrier = halves(answer) if _SHORTEST <= len(answer.text) <= _LONGEST else None
        if carrier is None:
            continue
        whole = carrier.head + carrier.tail
        if material.judge(house, "public", [whole], (carrier.prompt,)).text == whole:
            found.append(carrier)
            if len(found) == count:
                break
    return found
