"""Warn where an index holds text for an audience that the policy does not name: nobody gets that text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from difflib import get_close_matches

from proxy.policy import Policy

_log = logging.getLogger("sluicegate")


def unnamed(policy: Policy, audiences: Sequence[str]) -> list[str]:
    """Return a sentence for each audience of an index that the policy does not name, with the remedy."""
    found = []
    for each in audiences:
        if each in policy.audiences:
            continue
        near = get_close_matches(each, policy.audiences, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        found.append(
            f"the index holds text for {each!r}, an audience that the policy {policy.name} does not name, so "
            f"no role gets it{guess or ';'} name it in `audiences` and in the clearance of a role, or build "
            "the index with another audience"
        )
    return found


def warn_of_unnamed(policy: Policy, audiences: Sequence[str]) -> None:
    """Log a warning for each audience of an index that the policy does not name."""
    for line in unnamed(policy, audiences):
        _log.warning("%s", line)
