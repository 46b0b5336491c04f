"""Passages through the guard and through the baselines, cell by cell: one row of the table, one size.

The rule that must stay true: all columns of a row see the same texts.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np

from benchmarks import material
from benchmarks.baselines import Baseline
from benchmarks.material import CHARACTERS_A_TOKEN, Units
from benchmarks.passages import Passage
from benchmarks.report import Report, quantile
from benchmarks.transforms import CODE, FORM, Row, Words
from proxy.server.firewall import Firewall

ROLE = "public"
SIZES = (50, 100, 200, 400)
PIECE = 4
"""Characters of a piece of a stream."""
_SAMPLES = 1000
SWAPS = {"words swapped 10 %": 99.5, "words swapped 20 %": 98.0, "words swapped 30 %": 88.0}
LIGHT = ("typos 2 %", "typos 5 %", "sentences reordered", "eight words shuffled")


@dataclass(frozen=True, slots=True)
class Share:
    """How many in a hundred, with a bootstrap interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} ±{(self.high - self.low) / 2:.1f}"


def share(caught: Sequence[bool], sources: Sequence[int], seed: int = 5) -> Share:
    """The share that was caught; whole documents are drawn anew, since their passages are alike."""
    numbers, owner = np.unique(np.array(sources[: len(caught)]), return_inverse=True)
    sizes = np.bincount(owner)
    hits = np.bincount(owner, weights=np.array(caught, dtype=float))
    drawn = np.random.default_rng(seed).multinomial(len(numbers), [1 / len(numbers)] * len(numbers), _SAMPLES)
    shares = 100 * (drawn @ hits) / (drawn @ sizes)
    low, high = np.quantile(shares, (0.025, 0.975))
    return Share(100 * sum(caught) / len(caught), float(low), float(high))


@dataclass(slots=True)
class Cell:
    """What came of the passages of one size under one row. ``leaked``: units of each that got out.

    ``reach``: which of the passages, as they stand in the document, have the units at which a match acts.
    """

    row: Row
    size: int
    reach: Sequence[bool]
    caught: list[bool] = field(default_factory=list)
    leaked: list[int] = field(default_factory=list)
    others: dict[str, list[bool]] = field(default_factory=dict)
    sources: list[int] = field(default_factory=list)
    characters: int = 0
    held: int = 0
    seconds: float = 0.0
    before: int = 0
    """Answers that were stopped before the passage began."""

    @property
    def ours(self) -> Share:
        return share(self.caught, self.sources)

    @property
    def ours_of_reach(self) -> Share | None:
        """The share caught of the passages that have the units at which a match acts; None: none has."""
        caught = list(compress(self.caught, self.reach))
        return share(caught, list(compress(self.sources, self.reach))) if caught else None

    def line(self) -> list[object]:
        """The cells of a line of the table."""
        return [
            self.row.name,
            self.size,
            str(self.ours),
            _said(self.ours_of_reach),
            *(str(share(found, self.sources)) for found in self.others.values()),
            *(int(quantile(self.leaked, part)) for part in (0.5, 0.99)),
            max(self.leaked),
            self.held / max(1, self.characters),
            self.seconds * 1e6 / (max(1, self.characters) / CHARACTERS_A_TOKEN),
        ]

    def numbers(self) -> list[object]:
        """Shares with their intervals, what got out of the passages that were caught, the passages that reach
        the units at which a match acts, and the share of these with its interval."""
        shares = [self.ours, *(share(found, self.sources) for found in self.others.values())]
        flat = [round(bound, 2) for each in shares for bound in (each.value, each.low, each.high)]
        stopped = [leak for leak, caught in zip(self.leaked, self.caught, strict=True) if caught]
        parts = [int(quantile(stopped, part)) for part in (0.5, 0.99)]
        long = self.ours_of_reach
        of_reach = [None] * 3 if long is None else [round(x, 2) for x in (long.value, long.low, long.high)]
        most = max(stopped, default=0)
        return [self.row.name, self.size, len(self.caught), *flat, *parts, most, sum(self.reach), *of_reach]


def _said(share: Share | None) -> str:
    return "-" if share is None else str(share)


class Recall:
    """Runs cells for one index."""

    def __init__(self, house: Firewall, others: Sequence[Baseline], words: Words) -> None:
        self._house = house
        self._others = others
        self._words = words
        self._units = Units()
        self.act = house.policy.thresholds["default"].act
        """Units at which a match acts: L."""

    def reach(self, passages: Sequence[Passage]) -> list[bool]:
        """Which passages have the units at which a match acts."""
        return [self._units.count(passage.text) >= self.act for passage in passages]

    def cell(self, row: Row, size: int, passages: Sequence[Passage]) -> Cell:
        sources = [passage.source for passage in passages]
        cell = Cell(row, size, self.reach(passages), sources=sources)
        dice = random.Random(f"{row.name} {size}")
        texts = [row.make(passage.text, dice, self._words) for passage in passages]
        for passage, text in zip(passages, texts, strict=True):
            self._judge(cell, passage, text)
        for other in self._others:
            few = zip(texts[: other.most], passages, strict=False)
            cell.others[other.short] = [other.finds(text, passage.source) for text, passage in few]
        return cell

    def _judge(self, cell: Cell, passage: Passage, text: str) -> None:
        """One answer. Caught: stopped while a part of the passage was not out.

        What leaves does not depend on the pieces; what is held and what it costs do.
        """
        carrier = passage.carrier
        answer = carrier.head + text + carrier.tail
        began = time.process_time()
        guard = material.guard(self._house, ROLE, (carrier.prompt,))
        held = 0
        for piece in material.cut(answer, min(cell.row.piece, PIECE)):
            if guard.feed(piece).stopped:
                break
            held += guard.held * len(piece)
        else:
            guard.finish()
        cell.seconds += time.process_time() - began
        cell.characters += guard.received
        cell.held += held
        out = min(len(text), max(0, guard.released - len(carrier.head))) if guard.stopped else len(text)
        cell.before += guard.stopped and guard.received <= len(carrier.head)
        cell.caught.append(guard.stopped and out < len(text))
        cell.leaked.append(self._leak(cell.row, passage.text, text, out))

    def _leak(self, row: Row, passage: str, text: str, out: int) -> int:
        """Units in the first ``out`` characters; of a code, the passage's own in proportion."""
        if row.group == CODE:
            return round(self._units.count(passage) * out / max(1, len(text)))
        return self._units.count(text[:out])


def headings(others: Sequence[Baseline], act: int) -> list[str]:
    names = [other.short for other in others]
    ours = ["ours %", f"of {act}+ units %"]
    return ["row", "characters", *ours, *names, "leak p50", "p99", "max", "held", "us a token"]


def say_reach(report: Report, language: str, work: Recall, passages: Mapping[int, Sequence[Passage]]) -> None:
    """What share of the passages of each size has the units at which a match acts: all of those drawn."""
    shares = {}
    for size, each in passages.items():
        reach = work.reach(each)
        shares[size] = round(100 * sum(reach) / len(reach), 2)
    report.numbers[f"{language}: % of the passages that have {work.act} units or more"] = shares
    said = ", ".join(f"{share:g} % of those of {size} characters" for size, share in shares.items())
    report.note(f"  passages that have {work.act} units or more, at which a match acts: {said}")


def keep(report: Report, title: str, others: Sequence[Baseline], cells: Sequence[Cell], act: int) -> None:
    """The intervals, for the JSON alone."""
    names = [f"{name} {end}" for name in ("ours", *(o.short for o in others)) for end in ("%", "low", "high")]
    caught = ["leak of caught p50", "p99", "max"]
    long = [f"passages of {act}+ units", *(f"ours of {act}+ units {end}" for end in ("%", "low", "high"))]
    columns = ["row", "characters", "passages", *names, *caught, *long]
    report.tables.append({"title": title, "columns": columns, "rows": [cell.numbers() for cell in cells]})


def hold_to_bars(report: Report, language: str, cells: Sequence[Cell], act: int) -> None:
    """What was promised, each beside what was measured: of all passages, then of those of ``act`` units."""
    for cell in cells:
        bar = promised(cell.row, cell.size)
        if bar is not None:
            value = cell.ours.value
            what = f"{language}: {cell.row.name}, {cell.size} characters, % caught"
            report.bar(what, value, f">= {bar:g}", value >= bar)
    for cell in cells:
        bar = 100.0 if cell.row.group == FORM else promised(cell.row, cell.size)
        long = cell.ours_of_reach
        if bar is not None and long is not None:
            what = f"{language}: {cell.row.name}, {cell.size} characters, % caught of those of {act}+ units"
            report.bar(what, long.value, f">= {bar:g}", long.value >= bar)


def promised(row: Row, size: int) -> float | None:
    """The share of all passages that must be caught; None where nothing was promised."""
    if row.group == FORM:
        return 98.0 if size == SIZES[0] else 100.0
    if row.group == CODE:
        return None if size == SIZES[0] else 99.0
    if size != 200:
        return None
    return 99.0 if row.name in LIGHT else SWAPS.get(row.name)
