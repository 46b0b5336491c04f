"""Alerting: every rule is explained, tested both ways, and reaches a receiver."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from proxy.cli import parser
from tests.deploy.reading import DEPLOY, RULES, RULES_TEST, alerts, names, recorded, rule_groups

each_alert = pytest.mark.parametrize("name", alerts())
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yaml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yaml"


def test_each_alert_has_a_name_of_its_own() -> None:
    """Silences, inhibitions and runbooks are found by the name."""
    found = [rule["alert"] for group in rule_groups() for rule in group["rules"] if "alert" in rule]
    assert len(found) == len(set(found)) >= 20


@each_alert
def test_an_alert_says_what_to_do(name: str) -> None:
    """Each has a severity that is routed, one line, an explanation, and numbered steps."""
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook"}
    assert "\n" not in annotations["summary"] and not annotations["summary"].endswith(".")
    assert annotations["description"].strip().endswith(".")
    assert len(re.findall(r"^\d\. ", annotations["runbook"], re.MULTILINE)) >= 2


@each_alert
def test_a_runbook_names_commands_that_exist(name: str) -> None:
    """Nobody reads at night about a command that was renamed."""
    known = _commands()
    text = " ".join(alerts()[name]["annotations"].values())
    for first, second in re.findall(
        r"sluicegate (index|serve|keys|scan|audit|policy|demo)(?: ([a-z]+))?", text
    ):
        assert first in known
        if known[first]:
            assert second in known[first], f"sluicegate {first} {second}"


def _commands() -> dict[str, set[str]]:
    def inner(made: Any) -> dict[str, Any]:
        return {
            key: value for action in made._subparsers._group_actions for key, value in action.choices.items()
        }

    return {key: set(inner(value)) if value._subparsers else set() for key, value in inner(parser()).items()}


@each_alert
def test_an_alert_is_tested_both_ways(name: str) -> None:
    """rules_test.yaml has a case in which it fires, and one in which it does not."""
    cases = [
        bool(case["exp_samples"])
        for test in yaml.safe_load(RULES_TEST.read_text("utf-8"))["tests"]
        for case in test["promql_expr_test"]
        if f'alertname="{name}"' in case["expr"]
    ]
    assert set(cases) == {True, False}


def test_what_is_recorded_is_used() -> None:
    """No rule is worked out for nobody."""
    from tests.deploy.reading import asked

    used = {name for each in asked() for name in names(each.expr)}
    assert set(recorded()) <= used


def test_inhibitions_name_alerts() -> None:
    """An inhibition with a name that no alert has would never inhibit."""
    config = yaml.safe_load(ALERTMANAGER.read_text("utf-8"))
    for rule in config["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            found = re.fullmatch(r'alertname="(\w+)"', matcher)
            assert found is not None and found[1] in alerts()


def _run(tool: str, package: str, *arguments: str) -> str:
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed (Debian: {package})")
    run = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=250)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_promtool_reads_configuration_and_rules() -> None:
    """Prometheus itself accepts prometheus.yaml and the rules that it names."""
    assert "SUCCESS" in _run("promtool", "prometheus", "check", "config", str(PROMETHEUS))
    assert "rules found" in _run("promtool", "prometheus", "check", "rules", str(RULES))


def test_promtool_runs_the_rules_tests() -> None:
    """Every alert fires when it should, and stays silent in the nearest case in which it should not."""
    assert "SUCCESS" in _run("promtool", "prometheus", "test", "rules", str(RULES_TEST))


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "operators")])
def test_amtool_routes_by_severity(severity: str, receiver: str) -> None:
    """Alertmanager itself accepts its configuration, and tells who is called."""
    tool, package = "amtool", "prometheus-alertmanager"
    assert "SUCCESS" in _run(tool, package, "check-config", str(ALERTMANAGER))
    route = _run(
        tool, package, "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}"
    )
    assert route.strip() == receiver
