"""How closely a stream must be read, as far as thresholds and the index alone decide it.

May import: the ground floor and ``near``. The rule that must stay true: it is worked out before the first
character is read, and is the same for all callers with the same thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.detectors.near import SPAN
from proxy.grams import SEED
from proxy.types import Threshold


@dataclass(frozen=True, slots=True)
class Pace:
    """How a stream is read, by its thresholds alone."""

    keep: int
    """Units that a look-back may need."""
    stride: int
    """Every so many units a seed is looked up while nothing matches."""
    blind: int
    """Units that are always held, as a match shorter than a seed cannot be seen."""

    @classmethod
    def of(
        cls, run: int, lengths: Sequence[int], thresholds: Sequence[Threshold], holding: Sequence[Threshold]
    ) -> Pace:
        """``lengths``: those of the levels. ``holding``: the thresholds that may hold text."""
        longest = max([SEED, run, *lengths, *(each.act for each in thresholds)])
        near = any(each.cover for each in thresholds)
        # A lone seed is a match of SEED units, which a budget of as many lets go: then every second unit
        # is enough to notice that a match begins. Its first seed is looked up when its second is met.
        return cls(
            keep=max(longest + run + 1, 2 * SPAN if near else 0),
            stride=2 if all(each.budget >= SEED for each in holding) else 1,
            blind=max([SEED - 1 - each.budget for each in holding], default=0),
        )
