"""Protected passages in the middle of ordinary answers, and how much of one a caller got.

The rule that must stay true: whether a role may have a part of a passage is told by comparing folded texts;
only house style, which the texts alone do not tell, is asked of the index.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks import material
from benchmarks.material import Units
from proxy.server.firewall import Firewall
from proxy.types import Document

MASK = "[REDACTED]"
_SENTENCE_END = re.compile(r"[.!?。！？]\s+|[。！？]|\n+")


@dataclass(frozen=True, slots=True)
class Case:
    """A passage in the middle of an ordinary answer."""

    head: str
    passage: str
    tail: str

    @property
    def text(self) -> str:
        return self.head + self.passage + self.tail


class Measure:
    """How many units of a passage a caller got."""

    def __init__(self) -> None:
        self._units = Units()

    def leaked(self, case: Case, text: str, stopped: bool) -> int:
        """Units of the passage in ``text``; what stands between two masks counts as leaked.

        Raises ``AssertionError`` where the text is not the answer with something cut out.
        """
        count = self._units.count
        first, *rest = text.split(MASK)
        assert case.text.startswith(first), "the text before a mask is not the answer's"
        most = count(case.passage)
        leaked = max(0, count(first) - count(case.head))
        if rest and not stopped:
            last = rest.pop()
            assert case.text.endswith(last), "the text after a mask is not the answer's"
            leaked += max(0, count(last) - count(case.tail))
        return min(most, leaked + sum(map(count, rest)))


class Planter:
    """Cuts passages from documents and sets them in carriers."""

    def __init__(
        self, carriers: Sequence[tuple[str, str]], free: set[str], style: Callable[[str], bool]
    ) -> None:
        """``free``: runs that the role may have; ``style``: whether a text holds a run of house style."""
        self._carriers = carriers
        self._free = free
        self._style = style
        self._units = Units()
        self.excluded = 0
        self.short = 0

    def draw(
        self, items: Sequence[Document], size: int, act: int, count: int, seed: int, *, shared: bool = False
    ) -> list[Case]:
        """``count`` passages of ``size`` characters with ``act`` units or more.

        ``shared``: instead those that do hold a run of 20 units that the role may have.
        """
        dice = random.Random(seed)
        texts = [text for text in map(material.joined, items) if len(text) >= size]
        weights = [len(text) - size + 1 for text in texts]
        cases: list[Case] = []
        tried = 0
        while len(cases) < count and tried < 50 * count:
            tried += 1
            text = dice.choices(texts, weights)[0]
            at = dice.randrange(len(text) - size + 1)
            case = self.case(text[at : at + size], act, dice, shared=shared)
            if case is not None:
                cases.append(case)
        return cases

    def case(self, passage: str, act: int, dice: random.Random, *, shared: bool = False) -> Case | None:
        """The passage in a carrier; None where it is too short, or the role may have a part of it.

        ``shared``: None where the role may have no part of it.
        """
        head, tail = dice.choice(self._carriers)
        case = Case(head, passage, tail)
        before = self._units.skeleton(head)[1 - material.RUN :]
        units = before + self._units.skeleton(passage)
        if len(units) - len(before) < act:
            self.short += 1
            return None
        runs = (units[at : at + material.RUN] for at in range(len(units) - material.RUN + 1))
        if shared != (any(run in self._free for run in runs) or self._style(passage)):
            self.excluded += not shared
            return None
        return case


def style_of(house: Firewall) -> Callable[[str], bool]:
    """Whether a text holds house style, as the index knows it: the one thing the texts alone do not tell."""
    contains = house.index.house_style()
    key = house.index.key

    def holds(text: str) -> bool:
        if contains is None:
            return False
        return any(map(contains, key.arrays(key.seed_array(key.codes(text)), material.RUN).tolist()))

    return holds


def halves(text: str) -> tuple[str, str] | None:
    """An answer in two at the end of a sentence about its middle."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if 0.25 < match.end() / len(text) < 0.75]
    if not ends:
        return None
    at = min(ends, key=lambda end: abs(end - len(text) / 2))
    head, tail = text[:at], text[at:]
    wide = any(map("。！？".__contains__, head[-1:]))
    return (head, tail) if wide or head[-1:].isspace() else (head + " ", " " + tail)


def carriers(texts: Iterable[str], houses: Sequence[Firewall], count: int) -> list[tuple[str, str]]:
    """Answers of 150 to 400 characters that pass unchanged for every role, in two."""
    found: list[tuple[str, str]] = []
    for text in texts:
        if len(found) == count:
            break
        parts = halves(text) if 150 <= len(text) <= 400 else None
        if parts is None:
            continue
        whole = "".join(parts)
        if all(
            material.judge(house, role, [whole]).text == whole
            for house in houses
            for role in ("public", "staff")
        ):
            found.append(parts)
    return found


def free_runs(items: Sequence[Document], *names: str) -> set[str]:
    """The runs of all documents of these audiences."""
    return set(Units().runs(material.joined(item) for item in items if item.audience in names))


def in_traditional(cases: Sequence[Case]) -> list[Case]:
    table = material.traditional_table()
    return [Case(*(part.translate(table) for part in (c.head, c.passage, c.tail))) for c in cases]
