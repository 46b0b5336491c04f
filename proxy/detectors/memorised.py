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

May import: the ground floor and this room. The rule that must stay true: what a caller may have is
decided here, once, before the first character is read.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.detectors.echo import Echo
from proxy.detectors.ladder import NAME, Ladder
from proxy.detectors.memorised_stream import MemorisedScanner
from proxy.detectors.near import NearMatch
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


class MemorisedDetector:
    """Finds runs of training text that the caller may not have. Immutable, shared by all answers."""

    name = NAME

    def __init__(self, index: TextIndex, allowed: Callable[[], Contains | None] = lambda: None) -> None:
        self._index = index
        self._allowed = allowed

    def scanner(self, view: View) -> Scanner:
        """A scanner for one channel. ``view`` says which audiences are protected, and from where on."""
        names = [name for name in self._index.audiences if name in view.protected]
        cuts = self._exemptions(view)
        style = self._index.house_style()
        ladders = [
            Ladder(
                self._index,
                name,
                view.thresholds[name],
                [*cuts, style] if name == NOBODY and style is not None else cuts,
                holds=name not in view.observed,
            )
            for name in names
        ]
        nears = [
            NearMatch(
                self._index,
                name,
                view.thresholds[name].cover,
                holds=name not in view.observed,
            )
            if view.thresholds[name].cover
            else None
            for name in names
        ]
        echo = Echo(self._index.key, self._index.exempt_run, view)
        return MemorisedScanner(
            self._index.key, ladders, nears, self._free_seeds(view), echo, self._index.exempt_run
        )

    def _free_seeds(self, view: View) -> list[Select]:
        """Which seeds are not distinctive: those of text that this caller may have."""
        free = [self._index.seeds(name) for name in view.cleared if name in self._index.audiences]
        background = self._index.background_seeds()
        return free if background is None else [*free, background]

    def begins(self, view: View) -> SeedProbe:
        """Quick tests whether a text may begin with, or hold, something that a scanner would find."""
        names = [name for name in self._index.audiences if name in view.protected]
        strict = any(view.thresholds[name].budget < SEED for name in names if name not in view.observed)
        return SeedProbe(self._index.key, [self._index.seeds(name) for name in names], strict=strict)

    def prepare(self, view: View) -> None:
        """Work out now, in this thread, what a scanner would work out when it first needs it."""
        echo = Echo(self._index.key, self._index.exempt_run, view)
        echo.grams()
        echo.seeds()

    def _exemptions(self, view: View) -> list[Contains]:
        """What a run of X units may stand in to be free for this caller."""
        cuts = [self._index.exempt(name) for name in view.cleared if name in self._index.audiences]
        for extra in (self._index.background(), self._allowed()):
            if extra is not None:
                cuts.append(extra)
        if view.echo:
            cuts.append(Echo(self._index.key, self._index.exempt_run, view).contains)
        return cuts
