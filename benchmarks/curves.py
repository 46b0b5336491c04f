"""The tables and the drawing of false alarms: how many ordinary completions are touched, at which thresholds.

The rule that must stay true: each rate stands beside its count and its exact Poisson interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import alarms, plot
from benchmarks.alarms import Alarms, Sweep
from benchmarks.baselines import Baseline
from benchmarks.false_alarms import poisson_interval
from benchmarks.material import Answer
from benchmarks.report import Report
from proxy.policy import Policy
from proxy.types import NOBODY, Document

TOUCHED = (
    "index",
    "background",
    "completions",
    "tokens, millions",
    "touched",
    "a million",
    "95 % from",
    "to",
    "pii only",
    "by",
    "mean held",
)
PRIVATE, GENERIC = 1.5, 5.0
"""Completions touched a million tokens, at most."""

MOST_HELD = 15.0
"""Characters held in the mean, at most."""

Kept = Mapping[str, tuple[Mapping[int, float], Mapping[int, float]]]
"""Kind of passage to the share found (%) by each L alone and by each C alone."""


@dataclass(frozen=True, slots=True)
class Index:
    """A training set, and the ordinary answers judged against it, by the half of their prompt.

    ``per``: characters of a token. ``bar``: completions touched a million tokens, at most.
    """

    name: str
    audience: str
    items: Sequence[Document]
    halves: Sequence[Sequence[Answer]]
    per: float
    bar: float | None


@dataclass(slots=True)
class Judged:
    """Both halves judged: with the other half as background, without one, and as thresholds move."""

    index: Index
    with_background: Alarms
    without: Alarms
    exact: dict[int, int]
    near: dict[int, int]

    @property
    def millions(self) -> float:
        return self.with_background.characters / self.index.per / 1e6

    def rate(self, count: int) -> tuple[float, float, float]:
        """A count a million tokens, and its interval."""
        return rate(count, self.millions)


def rate(count: int, millions: float) -> tuple[float, float, float]:
    low, high = poisson_interval(count)
    return count / millions, low / millions, high / millions


def judge(index: Index, folder: Path) -> Judged:
    one, other = index.halves
    empty = alarms.house(folder / "plain", index.items, ())
    result = Judged(index, Alarms(), Alarms(), {}, {})
    for number, (background, answers) in enumerate(((one, other), (other, one))):
        house = alarms.house(folder / str(number), index.items, background)
        result.with_background.add(alarms.judged(house, answers))
        result.without.add(alarms.judged(empty, answers))
        exact, near = alarms.curves(Sweep(house, index.items, index.audience), answers)
        result.exact = alarms.added(exact, result.exact)
        result.near = alarms.added(near, result.near)
    return result


def show_alarms(report: Report, results: Sequence[Judged]) -> None:
    """What is touched under the default policy, and the bars."""
    lines = []
    for each in results:
        for word, found in (("half of the prompts", each.with_background), ("none", each.without)):
            by = ", ".join(f"{kind} {count}" for kind, count in sorted(found.by.items())) or "-"
            rates = [round(value, 2) for value in each.rate(found.touched)]
            line = [each.index.name, word, found.answers, round(each.millions, 3), found.touched, *rates]
            lines.append([*line, found.personal, by, found.mean_held])
    report.table("ordinary completions touched, default policy, all detectors", TOUCHED, lines)
    for each in results:
        name = each.index.name
        if each.index.bar is not None:
            value = each.rate(each.with_background.touched)[0]
            what = f"{name}: completions touched a million tokens"
            report.bar(what, value, f"<= {each.index.bar:g}", value <= each.index.bar)
        held = each.with_background.mean_held
        report.bar(f"{name}: mean held, characters", held, f"<= {MOST_HELD:g}", held <= MOST_HELD)


def show_baselines(
    report: Report, name: str, others: Sequence[Baseline], answers: Sequence[Answer], per: float
) -> None:
    """What the baselines touch of some ordinary answers, without echo and background, which they know not."""
    lines = []
    for other in others:
        if not other.searches:
            continue
        some = answers[: other.most]
        touched = sum(other.finds(answer.text, 0) for answer in some)
        millions = sum(len(answer.text) for answer in some) / per / 1e6
        line = [other.short, len(some), round(millions, 3), touched]
        lines.append([*line, *(round(value, 2) for value in rate(touched, millions))])
    columns = ("baseline", "completions", "tokens, millions", "touched", "a million", "95 % from", "to")
    report.table(f"{name}: ordinary completions the baselines touch", columns, lines)


def show_curve(
    report: Report, title: str, results: Sequence[Judged], of: Callable[[Judged], Mapping[int, int]]
) -> None:
    """Touched completions for each threshold: count, a million tokens, interval."""
    lines = []
    for each in results:
        for threshold, count in of(each).items():
            lines.append([each.index.name, threshold, count, *(round(v, 2) for v in each.rate(count))])
    report.table(title, ("index", "threshold", "touched", "a million", "95 % from", "to"), lines)


def show_kept(report: Report, name: str, kept: Kept) -> None:
    """What each threshold alone finds."""
    for side, title in enumerate(("L", "C")):
        thresholds = list(next(iter(kept.values()))[side])
        lines = [[at, *(both[side][at] for both in kept.values())] for at in thresholds]
        report.table(f"{name}: % of passages found by {title} alone", (title, *kept), lines)


def drawing(results: Sequence[Judged], kept: Kept, policy: Policy) -> str:
    """False alarms above, what is found below; over L on the left, over C on the right."""

    def false(of: Callable[[Judged], Mapping[int, int]]) -> list[plot.Line]:
        return [
            plot.Line(each.index.name, [(float(at), *each.rate(count)) for at, count in of(each).items()])
            for each in results
        ]

    def true(side: int) -> list[plot.Line]:
        return [
            plot.Line(name, [(float(at), value, value, value) for at, value in both[side].items()])
            for name, both in kept.items()
        ]

    private, generic = policy.thresholds["default"], policy.thresholds[NOBODY]
    exact = ((float(private.act), "private"), (float(generic.act), "nobody"))
    near = ((float(private.cover), "private"), (float(generic.cover), "nobody"))
    top = 2 * max(each.rate(max(each.exact.values()))[2] for each in results)
    rates, shares = "touched / million tokens", "% of passages"
    run, cover = "L, units of one run", "C, units covered"
    panels = (
        plot.Panel("Exact runs alone: ordinary answers", run, rates, false(_exact), 0.3, top, True, exact),
        plot.Panel("Near-verbatim alone: ordinary answers", cover, rates, false(_near), 0.3, top, True, near),
        plot.Panel("Exact runs alone: passages found", run, shares, true(0), 0, 100, False, exact),
        plot.Panel("Near-verbatim alone: passages found", cover, shares, true(1), 0, 100, False, near),
    )
    note = "Hollow: none touched; drawn at the end of the 95 % Poisson interval. Passages: English."
    return plot.svg(panels, note)


def _exact(judged: Judged) -> Mapping[int, int]:
    return judged.exact


def _near(judged: Judged) -> Mapping[int, int]:
    return judged.near
