"""Detect extraction attempts: count, per subject, the distinct documents its blocked answers matched lately.

One stopped answer may be bad luck; a subject whose answers are stopped for ever new documents extracts. A
subject is a key, an owner's keys, or the end user that a trusted caller names. A key's users count together
as well: one that changes its name with each request is still one key. The metrics have the greatest number,
without a key: whose it is stands in the trail.

May import: ``proxy.types``. The rule that must stay true: what is kept is bounded, whatever callers do.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from proxy.types import Action, Decision

WINDOW_SECONDS = 3600.0
MOST_KEYS = 10_000
MOST_DOCUMENTS = 1_000
"""Documents that are counted of one key."""


class Probing:
    """What is known of each subject and key; threads may share it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._keys: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def note(self, decision: Decision) -> None:
        """Remember the documents because of which an answer was stopped."""
        named = {
            verdict.finding.provenance.document
            for verdict in decision.verdicts
            if verdict.enforced and verdict.action is not Action.ALLOW and verdict.finding.provenance
        }
        if not named:
            return
        for counted in {decision.key_id, decision.subject or decision.key_id}:
            self._note(counted, named)

    def _note(self, counted: str, named: set[str]) -> None:
        documents = self._keys.setdefault(counted, OrderedDict())
        self._keys.move_to_end(counted)
        for document in sorted(named):
            documents[document] = self._now()
            documents.move_to_end(document)
            if len(documents) > MOST_DOCUMENTS:
                documents.popitem(last=False)
        if len(self._keys) > MOST_KEYS:
            self._keys.popitem(last=False)

    def most(self) -> int:
        """The most documents that one key's stopped answers named within the window."""
        since, most = self._now() - WINDOW_SECONDS, 0
        for key, documents in list(self._keys.items()):
            while documents and next(iter(documents.values())) < since:
                documents.popitem(last=False)
            if not documents:
                self._keys.pop(key, None)
            most = max(most, len(documents))
        return most
