"""The state of an exact match of one stream in one audience: what ``memorised.py`` climbs.

May import: the ground floor. The rule that must stay true: it is state alone; what changes it stands in
``memorised.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.types import Contains, Provenance, TextIndex, Threshold

NAME = "memorised"
"""What findings call the detector."""

PASSAGE = "passage"
NEAR_PASSAGE = "near_passage"


class Ladder:
    """The live match of one stream in one protected audience."""

    __slots__ = (
        "active",
        "audience",
        "budget",
        "counts",
        "cuts",
        "floor",
        "held",
        "holds",
        "index",
        "levels",
        "looked",
        "match",
        "part",
        "provenance",
        "run",
        "select",
        "telling",
        "threshold",
        "z",
    )

    def __init__(
        self,
        index: TextIndex,
        audience: str,
        threshold: Threshold,
        cuts: Sequence[Contains],
        *,
        holds: bool,
    ) -> None:
        self.index = index
        self.audience = audience
        self.threshold = threshold.act
        self.budget = threshold.budget
        self.telling = max(threshold.budget + 1, min(threshold.act, index.exempt_run))
        """Units of a match from which on exemptions are looked up: most matches never come so far."""
        self.holds = holds
        self.cuts = cuts
        self.select = index.seeds(audience)
        self.levels = index.levels(audience)
        self.run = 0
        """Neighbouring seeds in the index that end at the last unit."""
        self.counts = [0] * len(self.levels)
        """The same for each longer level."""
        self.match = 0
        """The live match n, in units, after the last unit."""
        self.held = 0
        """Units to be held back: n - b, or 0."""
        self.z = 0
        self.looked = 0
        """Units up to which exemptions have been looked up."""
        self.floor = 0
        """Units that a verdict covers already; the hold never reaches below."""
        self.active = False
        """Whether a span ends at the last unit and may grow."""
        self.part = 0
        self.provenance: Provenance | None = None
