"""An attack does not look like hold-back: the mean leaves out what a stop drops."""

from __future__ import annotations

import re
from pathlib import Path

from proxy.upstreams.scripted import Said, Says
from tests.deploy.reading import alerts
from tests.serving import serving
from tests.training import ADMIN, PUBLIC, SmallIndex

PASSED, BLOCKED = 24, 8


def test_a_load_with_a_quarter_of_its_answers_blocked_raises_no_hold_back_alert(
    small_index: SmallIndex, tmp_path: Path
) -> None:
    """Long answers, whole and streamed, some with the admin's text: the alert stays silent."""
    threshold = re.search(r"> (\d+)\s*$", alerts()["HoldBackHigh"]["expr"])
    assert threshold is not None
    tail = " ".join(f"Sentence {number} of a long answer follows here." for number in range(200))
    with serving(small_index, tmp_path) as served:
        for number in range(PASSED + BLOCKED):
            attacks = number % 4 == 3
            said = f"{PUBLIC} {ADMIN} {tail}" if attacks else f"{PUBLIC} {tail[:900]}"
            served.up.script(Says(Said(said)))
            answer = served.ask("public", stream=number % 2 == 0)
            assert answer.status_code == 200
            assert ("content_filter" in answer.text) is attacks
        held = {
            (stat, what): served.metric(f"sluicegate_held_characters_{what}", stat=stat)
            for stat in ("mean", "max")
            for what in ("sum", "count")
        }
        blocked = served.metric(
            "sluicegate_requests_total",
            endpoint="/v1/chat/completions",
            role="public",
            outcome="blocked",
        )
    assert blocked == BLOCKED
    assert held["mean", "count"] == PASSED
    assert held["max", "count"] == PASSED + BLOCKED
    mean = held["mean", "sum"] / held["mean", "count"]
    assert mean < int(threshold[1])
    assert mean <= held["max", "sum"] / held["max", "count"]
