"""From a blocked answer to a pager: a real server, Prometheus and Alertmanager, and what ``deploy/`` says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.upstreams.scripted import Raw, Said, Says
from tests.deploy.reading import Asked, asked_by_dashboards, dashboards, filled
from tests.e2e.watching import Watch, faster, until, watching
from tests.serving import CHAT, Served, serving
from tests.training import ADMIN, NOBODY, PUBLIC, SmallIndex

ATTEMPTS = 20
"""Blocked answers of a burst: more than the alert lets pass on a quiet day."""


@dataclass(slots=True)
class Scene:
    """The guarded server and who watches it, after a mixed load and a burst of attempts."""

    served: Served
    watch: Watch
    quiet: list[dict[str, Any]]
    """The alerts that fired after the ordinary load, before the burst."""


@pytest.fixture(scope="module")
def scene(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One story for all tests: ordinary requests of every kind, then somebody extracts."""
    with serving(small_index, tmp_path_factory.mktemp("state")) as served:
        target = served.url.removeprefix("http://")
        with watching(target, tmp_path_factory.mktemp("watch")) as watch:
            until("two scrapes", lambda: watch.query('count_over_time(up{job="sluicegate"}[1m]) >= 2'))
            ordinary(served)
            until("a scrape of that", lambda: scraped(served, watch))
            now = watch.query("time()")[0]["value"][0]
            until("two evaluations more", lambda: watch.query(f"vector(time()) > {now} + 2"))
            quiet = watch.query('ALERTS{alertstate="firing"}')
            burst(served, ATTEMPTS)
            until("the alert", lambda: told(watch, "LeakAttemptsHigh"))
            ordinary(served)
            until("a scrape of all that", lambda: scraped(served, watch))
            yield Scene(served, watch, quiet)


def ordinary(served: Served) -> None:
    """A request of each kind: passed, blocked, redacted, allowed, refused, without a key, failed."""
    for said, role in ((PUBLIC, "public"), (ADMIN, "public"), (NOBODY, "staff"), (ADMIN, "admin")):
        for stream in (True, False):
            served.up.script(Says(Said(said)))
            assert served.ask(role, stream=stream).status_code == 200
    assert served.web.post(CHAT, json={}).status_code == 401
    assert served.ask("public", messages="none").status_code == 400
    served.up.script(Raw([b"{}"], status=500, headers={}))
    assert served.ask("public").status_code >= 500
    assert served.web.get("/v1/models", headers=served.headers("public")).status_code == 200


def burst(served: Served, attempts: int) -> None:
    """Attempts to draw an admin's text out of the model with a public key."""
    served.up.script(*(Says(Said(ADMIN)) for _ in range(attempts)))
    for _ in range(attempts):
        assert served.stream("public").finish() == "content_filter"


def told(watch: Watch, name: str) -> list[dict[str, Any]]:
    return [alert for alert in watch.alerts() if alert["labels"]["alertname"] == name]


def scraped(served: Served, watch: Watch) -> bool:
    """Whether Prometheus knows as many requests as the server has counted."""
    counted = served.metric("sluicegate_request_seconds_count")
    return bool(watch.query(f"sluicegate_request_seconds_count == {counted}"))


def test_windows_are_shortened() -> None:
    """The copy of the rules asks for the same, in less time."""
    assert faster("rate(a[5m]) > avg_over_time(b[1d] offset 15m)") == (
        "rate(a[15000ms]) > avg_over_time(b[4320000ms] offset 45000ms)"
    )


def test_a_burst_of_blocked_requests_calls_somebody(scene: Scene) -> None:
    """LeakAttemptsHigh goes from blocked answers through Alertmanager to the receiver of critical alerts."""
    (notification,) = [
        each for each in scene.watch.notifications if each["groupLabels"]["alertname"] == "LeakAttemptsHigh"
    ]
    (alert,) = notification["alerts"]
    assert notification["to"] == notification["receiver"] == "pager"
    assert alert["status"] == "firing"
    assert alert["labels"]["role"] == "public"
    assert alert["labels"]["severity"] == "critical"
    assert alert["labels"]["environment"] == "production"
    count = re.match(r"(\d+) answers to role public", alert["annotations"]["description"])
    assert count is not None and int(count[1]) >= 10  # rounded; it is above ten
    assert "sluicegate keys revoke" in alert["annotations"]["runbook"]


def test_nobody_is_called_for_ordinary_requests(scene: Scene) -> None:
    """One blocked and one redacted answer, a wrong key and a failure of the model wake nobody."""
    assert [each["metric"] for each in scene.quiet if each["metric"]["severity"] == "critical"] == []
    names = {alert["labels"]["alertname"] for alert in scene.watch.alerts()}
    assert not names & {
        "SluicegateDown",
        "GuardFailingClosed",
        "AnswersNotRead",
        "IndexEmpty",
        "UpstreamFailing",
    }


def test_every_rule_is_evaluated_without_error(scene: Scene) -> None:
    """On real data no rule fails, such as by matching many to many."""
    groups = scene.watch.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 30
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


@pytest.mark.parametrize("each", list(asked_by_dashboards()), ids=lambda each: each.where)
def test_every_panel_shows_something(scene: Scene, each: Asked) -> None:
    """Each expression of each dashboard gives at least one number."""
    asks = each.expr.removesuffix(" > 0") if each.event else each.expr
    expr = filled(asks, __rate_interval="30s", __range="2m")
    values = [float(series["value"][1]) for series in scene.watch.query(expr)]
    assert [value for value in values if not math.isnan(value)], expr


@pytest.mark.parametrize("name", dashboards())
def test_every_variable_can_be_chosen(scene: Scene, name: str) -> None:
    """Each variable of a dashboard offers at least one value."""
    for variable in dashboards()[name]["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            assert found is not None
            assert scene.watch.get(f"label/{found[2]}/values", **{"match[]": found[1]}), variable["name"]
