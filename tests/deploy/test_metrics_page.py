"""docs/metrics.md: every metric with its labels and its alerts, as the program and the rules have them."""

from __future__ import annotations

import re

from proxy.metrics import Metrics
from tests.deploy.reading import ROOT, alerts, names, recorded

ROW = re.compile(r"\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*?) \|")
PAGE = (ROOT / "docs" / "metrics.md").read_text("utf-8")


def families() -> dict[str, tuple[str, set[str], str]]:
    """Kind, labels and help of each of our metrics, by its name in a query."""
    metrics = Metrics(roles=["public"], rules=["r"], policy=("p", "1"), version="0")
    metrics.index_opened(1, 2, 3.0, "v")
    metrics.traffic.known(upstreams=["u"], models=["m"])
    return {
        f"{each.name}_total" if each.type == "counter" else each.name: (
            each.type,
            {label for sample in each.samples for label in sample.labels} - {"le"},
            each.documentation,
        )
        for each in metrics.registry.collect()
        if each.name.startswith(("sluicegate", "gen_ai"))
    }


def asked_for(expr: str) -> set[str]:
    """The metrics that an expression reads, also through recorded ones."""
    found: set[str] = set()
    for name in names(expr):
        found |= asked_for(recorded()[name]) if name in recorded() else {name}
    return {re.sub(r"_(bucket|sum|count)$", "", each) for each in found}


def test_every_metric_is_on_the_page_as_the_program_has_it() -> None:
    """Name, type, labels and meaning; and the page has no metric that does not exist."""
    rows = {row[1]: row for row in ROW.finditer(PAGE)}
    assert set(rows) == set(families())
    for name, (kind, labels, text) in families().items():
        row = rows[name]
        assert (row[2], set(re.findall(r"`(\w+)`", row[3])), row[4]) == (kind, labels, text), name


def test_the_alerts_of_a_metric_are_those_that_read_it() -> None:
    """Neither more nor fewer, so that the page says which metrics wake somebody."""
    reads = {name: asked_for(rule["expr"]) for name, rule in alerts().items()}
    for row in ROW.finditer(PAGE):
        expected = {alert for alert, metrics in reads.items() if row[1] in metrics}
        assert set(re.findall(r"\w+", row[5])) == expected, row[1]


def test_dashboards_name_documents_that_exist() -> None:
    """A path in a text panel is a file of the repository."""
    for board in (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"):
        for path in re.findall(r"`((?:docs|deploy)/[\w./-]+)`", board.read_text("utf-8")):
            assert (ROOT / path).is_file(), f"{board.name}: {path}"
