"""Memorised text, exact: how much of the stream's tail is, letter for letter, training text.

Strategy. Let m be the longest suffix of the units read so far that stands in a document of a
protected audience, and z the last unit at which a run of X units ended that this caller may have (a
document within its clearance, its own words, the operator's background). The *live match* is
n = min(m, units - z). The scanner holds n - b units and acts at n >= L. Since n grows by
at most one a unit, the release pointer never moves back, and of a forbidden span in which no exempt run
ends within its first L units at most b units are ever let go, whatever the cutting.

m is not known exactly but bounded from above by a ladder of levels: a run of length k that is not in
level k makes m < k; c consecutive hits in it make m <= k - 1 + c. Each bound grows by at most
one a unit, so their least does too, and the guarantee holds for it. At L the bound is exact, but
for one stranger in a hundred among runs all of whose parts of X units are in the index.

z is looked up once m is X: of the matches that begin in ordinary text few come so far, and up to there no
more than X - b units too many are held.

May import: the ground floor and this room. The rule that must stay true: what a caller may have is
decided here, once, before the first character is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from proxy.detectors.echo import Echo
from proxy.detectors.ladder import NAME, Ladder
from proxy.detectors.memorised_stream import MemorisedScanner
from proxy.detectors.near import NearMatch
from proxy.detectors.pace import Pace
from proxy.detectors.probe import SeedProbe
from proxy.grams import SEED
from proxy.types import (
    NOBODY,
    Contains,
    Scanner,
    Select,
    TextIndex,
    View,
)

_KEPT = 256
"""Kinds of callers whose plans are kept: a policy has one for each role."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What of a scanner is the same for all callers of one kind, as long as the index is."""

    names: tuple[str, ...]
    """The audiences that are protected."""
    exempt: tuple[Contains, ...]
    free: tuple[Select, ...]
    pace: Pace
    probe: SeedProbe


class MemorisedDetector:
    """Finds runs of training text that the caller may not have. Immutable, shared by all answers."""

    name = NAME

    def __init__(self, index: TextIndex, allowed: Callable[[], Contains | None] = lambda: None) -> None:
        self._index = index
        self._allowed = allowed
        self._plans: dict[tuple[object, ...], _Plan] = {}

    def scanner(self, view: View) -> Scanner:
        """A scanner for one channel. ``view`` says which audiences are protected, and from where on."""
        plan, index = self._plan(view), self._index
        echo = Echo(index.key, index.exempt_run, view)
        cuts = self._exemptions(plan, view, echo)
        style = index.house_style()
        ladders: list[Ladder] = []
        nears: list[NearMatch | None] = []
        for name in plan.names:
            threshold, holds = view.thresholds[name], name not in view.observed
            own = [*cuts, style] if name == NOBODY and style is not None else cuts
            ladders.append(Ladder(index, name, threshold, own, holds=holds))
            cover = threshold.cover
            nears.append(NearMatch(index, name, cover, holds=holds) if cover else None)
        background = index.background_seeds()
        free = plan.free if background is None else (*plan.free, background)
        return MemorisedScanner(index.key, ladders, nears, free, echo, index.exempt_run, plan.pace)

    def begins(self, view: View) -> SeedProbe:
        """Quick tests whether a text may begin with, or hold, something that a scanner would find."""
        return self._plan(view).probe

    def prepare(self, view: View) -> None:
        """Work out now, in this thread, what a scanner would work out when it first needs it."""
        echo = Echo(self._index.key, self._index.exempt_run, view)
        echo.grams()
        echo.seeds()

    def _plan(self, view: View) -> _Plan:
        kind = (view.protected, view.cleared, view.observed, *view.thresholds.items())
        plan = self._plans.get(kind)
        if plan is None:
            if len(self._plans) >= _KEPT:
                self._plans.clear()
            plan = self._plans[kind] = self._planned(view)
        return plan

    def _planned(self, view: View) -> _Plan:
        index = self._index
        names = tuple(name for name in index.audiences if name in view.protected)
        cleared = [name for name in view.cleared if name in index.audiences]
        thresholds = [view.thresholds[name] for name in names]
        holding = [view.thresholds[name] for name in names if name not in view.observed]
        lengths = [length for name in names for length, _ in index.levels(name)]
        strict = any(each.budget < SEED for each in holding)
        return _Plan(
            names,
            tuple(index.exempt(name) for name in cleared),
            tuple(index.seeds(name) for name in cleared),
            Pace.of(index.exempt_run, lengths, thresholds, holding),
            SeedProbe(index.key, [index.seeds(name) for name in names], strict=strict),
        )

    def _exemptions(self, plan: _Plan, view: View, echo: Echo) -> list[Contains]:
        """What a run of X units may stand in to be free for this caller."""
        cuts = list(plan.exempt)
        for extra in (self._index.background(), self._allowed()):
            if extra is not None:
                cuts.append(extra)
        if view.echo:
            cuts.append(echo.contains)
        return cuts
