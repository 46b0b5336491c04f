"""Dashboards and rules against the metrics: no name, label or value stands on one side only."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.metrics import Metrics
from tests.deploy.reading import (
    DEPLOY,
    TARGET_LABELS,
    Asked,
    Matcher,
    asked,
    asked_by_dashboards,
    dashboards,
    exported,
    filled,
    groupings,
    labels_of,
    matchers,
    names,
    panels,
    recorded,
)

every = pytest.mark.parametrize("each", asked(), ids=lambda each: each.where)
boards = pytest.mark.parametrize("board", dashboards().values(), ids=dashboards())


def test_names_are_read_from_promql() -> None:
    """The reader that the other tests stand on finds names, labels, values and groupings."""
    expr = """
      1 - sum by (le, role) (rate(a_bucket{le="0.5", role=~"x|y"}[5m])) / on (role) group_left ()
        b:c{d!="e"} offset 15m > 2 * (time() - f or vector(0)) and g == 1
    """
    assert names(expr) == ["a_bucket", "b:c", "f", "g"]
    assert matchers(expr) == [
        Matcher("a_bucket", "le", "0.5"),
        Matcher("a_bucket", "role", "x|y"),
        Matcher("b:c", "d", "e"),
    ]
    assert matchers(expr)[1].alternatives == ["x", "y"]
    assert groupings(expr) == [frozenset({"le", "role"}), frozenset({"role"}), frozenset()]


@every
def test_names_exist(each: Asked) -> None:
    """A dashboard or a rule asks for nothing that is not exported, recorded, or known to be another's."""
    found = names(each.expr)
    assert found, f"{each.where}: asks for nothing"
    assert [name for name in found if labels_of(name) is None] == []


def test_every_exported_metric_is_on_a_dashboard() -> None:
    """What is worth exporting is worth a panel."""
    shown = {name for each in asked_by_dashboards() for name in names(each.expr)}
    shown |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert [name for name in Metrics().names() if name not in shown] == []


@every
def test_labels_and_their_values_exist(each: Asked) -> None:
    """A matcher names a label of its series and values that it can have: a typo would match nothing."""
    for matcher in matchers(each.expr):
        labels = labels_of(matcher.name)
        assert labels is not None
        assert matcher.label in labels, f"{each.where}: {matcher.name} has no label {matcher.label}"
        values = exported().get(matcher.name, {}).get(matcher.label)
        if values is not None:
            strange = [value for value in matcher.alternatives if value not in values]
            assert not strange, f"{each.where}: {matcher.label} is never {strange}"


@every
def test_groupings_and_legends_exist(each: Asked) -> None:
    """What is grouped by, and what a legend shows, are labels of the series that are asked for."""
    known = frozenset().union(*(labels_of(name) or frozenset() for name in names(each.expr))) | TARGET_LABELS
    for labels in groupings(each.expr):
        assert labels <= known, f"{each.where}: {labels - known}"
    shown = frozenset(re.findall(r"\{\{(\w+)\}\}", each.legend))
    kept = groupings(each.expr)[0] if groupings(each.expr) else known
    assert shown <= kept, f"{each.where}: the legend shows {shown - kept}"


@boards
def test_panels_say_what_they_are(board: dict[str, Any]) -> None:
    """Every panel has a title, a sentence that explains it, a unit, and the data source that was chosen."""
    for panel in panels(board):
        assert panel["title"] and panel["description"].endswith("."), panel["title"]
        options = panel["options"]
        unit = panel["fieldConfig"]["defaults"].get("unit") or options.get("yAxis", {}).get("unit")
        assert unit, f"{panel['title']} has no unit"
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        ids = [target["refId"] for target in panel["targets"]]
        assert len(set(ids)) == len(ids)


@boards
def test_an_empty_panel_says_so(board: dict[str, Any]) -> None:
    """Nothing to show is a sentence, not a blank."""
    silent = [panel for panel in panels(board) if not panel["fieldConfig"]["defaults"].get("noValue")]
    assert [panel["title"] for panel in silent] == []


@boards
def test_reloads_and_restarts_are_marked(board: dict[str, Any]) -> None:
    """A step in a curve is seen beside what changed at that time."""
    asked_for = {note["name"]: names(note["expr"]) for note in board["annotations"]["list"]}
    assert asked_for["Reloads"] == ["sluicegate_reloads_total"]
    assert asked_for["Restarts"] == ["process_start_time_seconds"]


@boards
def test_one_instance_can_be_chosen(board: dict[str, Any]) -> None:
    """Every series that has the label is filtered by it; what is recorded over all instances lacks it."""
    for panel in panels(board):
        for target in panel["targets"]:
            for name in set(names(target["expr"])) - set(recorded()) - {"ALERTS"}:
                chosen = [m for m in matchers(target["expr"]) if m.name == name and m.label == "instance"]
                assert chosen, f"{panel['title']}: {name}"


def test_data_links_lead_somewhere() -> None:
    """Each names a dashboard, a panel and variables that exist; withheld answers lead to the trail."""
    known = {board["uid"]: board for board in dashboards().values()}
    for board in known.values():
        for panel in panels(board):
            links = panel["fieldConfig"]["defaults"].get("links", [])
            for link in links:
                found = re.match(r"/d/([\w-]+)\?", link["url"])
                assert found is not None and found[1] in known, link["url"]
                target = known[found[1]]
                variables = {each["name"] for each in target["templating"]["list"]}
                assert set(re.findall(r"var-(\w+)=", link["url"])) <= variables
                for number in re.findall(r"viewPanel=(\d+)", link["url"]):
                    (shown,) = [each for each in target["panels"] if each["id"] == int(number)]
                    assert "sluicegate audit show INCIDENT" in shown["options"]["content"]
                legends = " ".join(each["legendFormat"] for each in panel["targets"])
                for label in re.findall(r"__field.labels.(\w+)", link["url"]):
                    assert f"{{{{{label}}}}}" in legends
            if "blocked" in str(panel["targets"]):
                assert any("viewPanel" in link["url"] for link in links), panel["title"]


@boards
def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    """The panels lie side by side on a grid of 24 columns, each with an id of its own."""
    places = [panel["gridPos"] for panel in board["panels"]]
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
    for place in places:
        assert place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24
    for one, other in itertools.combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, f"{one} overlaps {other}"


@boards
def test_variables_are_declared(board: dict[str, Any]) -> None:
    """What an expression or a title leaves to choose can be chosen, and asks for labels that exist."""
    declared = {variable["name"] for variable in board["templating"]["list"]}
    texts = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    texts += [panel["title"] for panel in board["panels"]]
    used = {name for text in texts for name in re.findall(r"\$\{?(\w+)", text)}
    assert {name for name in used if not name.startswith("__")} <= declared
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            assert label in (labels_of(name) or ()), variable["definition"]


def test_dashboards_are_provisioned() -> None:
    """Each dashboard has its own id and title; Grafana is given the folder and the source they ask for."""
    uids = [board["uid"] for board in dashboards().values()]
    titles = [board["title"] for board in dashboards().values()]
    assert len(set(uids)) == len(set(titles)) == 3
    provisioning = DEPLOY / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "sluicegate.yaml").read_text())["providers"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    mounted = [volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"]]
    assert ["./grafana/dashboards", provider["options"]["path"]] in mounted
    sources = yaml.safe_load((provisioning / "datasources" / "sluicegate.yaml").read_text())["datasources"]
    chosen = {board["templating"]["list"][0]["current"]["value"] for board in dashboards().values()}
    assert chosen == {source["uid"] for source in sources if source["type"] == "prometheus"}


def test_promtool_reads_every_expression(tmp_path: Path) -> None:
    """Prometheus itself parses what the dashboards ask, with Grafana's variables filled in."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    rules = [
        {"record": f"panel:{number}", "expr": filled(each.expr)}
        for number, each in enumerate(asked_by_dashboards())
    ]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert f"{len(rules)} rules found" in run.stdout
