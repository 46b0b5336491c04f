"""The trail: one JSON line for each decision, chained by hash, rotated, and found again by its incident.

A worker writes a chain of its own: ``begun``; for each request that goes to the model ``opened`` and later
its ``decision``; ``changed`` where what decisions are made by was replaced; ``dropped`` where a rotation
took a file away; ``closed``. The fields of a line may grow: readers pass over those they do not know.

May import: ``proxy.types`` and ``proxy.errors``. The rule that must stay true: a line holds no text of
an answer or of the training set.
"""

from __future__ import annotations

from proxy.audit.chain import KEY_VARIABLE, Place, trail_key
from proxy.audit.lines import MOST_VERDICTS, new_incident, told
from proxy.audit.reading import find
from proxy.audit.trail import FILES, SIZE, Trail
from proxy.audit.verify import Fault, Report, verify

__all__ = [
    "FILES",
    "KEY_VARIABLE",
    "MOST_VERDICTS",
    "SIZE",
    "Fault",
    "Place",
    "Report",
    "Trail",
    "find",
    "new_incident",
    "told",
    "trail_key",
    "verify",
]
