"""proxy/metrics.py: labels come from closed sets, and every series of them is there from the start."""

from __future__ import annotations

import pytest

from proxy.metrics import ACTIONS, FAULTS, OUTCOMES, UNSCANNABLE
from tests.counting import decision, made, value, verdict

SECRET = "sk-sg-what-must-not-be-a-label"


def test_labels_come_from_closed_sets() -> None:
    """Whatever a request, a verdict or a fault brings, a label not declared becomes `other`."""
    metrics = made()
    for number in range(50):
        strange = f"{SECRET}{number}"
        metrics.record(
            decision(path=strange, role=strange, outcome=strange, model=strange, verdicts=(verdict(strange),))
        )
        metrics.fault(strange)
        metrics.unscannable(strange)
    text = metrics.render()[0].decode()
    assert SECRET not in text
    assert value(metrics, "requests_total", endpoint="other", role="other", outcome="other") == 50
    assert value(metrics, "verdicts_total", rule="other", action="block", mode="enforce") == 50
    assert value(metrics, "faults_total", where="other") == 50
    assert value(metrics, "unscannable_total", what="other") == 50


def test_nothing_of_a_decision_but_its_labels_is_shown() -> None:
    """Key, incident, model and document never get into a metric."""
    metrics = made()
    metrics.record(decision(model="secret-model", verdicts=(verdict("memorised"),)))
    text = metrics.render()[0].decode()
    for each in ("secret-model", "key_0123456789ab", "inc_0123456789abcdef"):
        assert each not in text


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_declared_outcomes_keep_their_name(outcome: str) -> None:
    """Every outcome there is has its own series."""
    metrics = made()
    metrics.record(decision(outcome=outcome, role="staff", path="/v1/completions"))
    assert value(metrics, "requests_total", endpoint="/v1/completions", role="staff", outcome=outcome) == 1


def test_faults_start_at_zero() -> None:
    """An alert on an increase sees the first fault: every series is there from the start."""
    metrics = made()
    assert [value(metrics, "faults_total", where=each) for each in FAULTS] == [0] * len(FAULTS)
    assert [value(metrics, "unscannable_total", what=each) for each in UNSCANNABLE] == [0] * len(UNSCANNABLE)
    metrics.fault("scanner")
    metrics.unscannable("field", 3)
    assert value(metrics, "faults_total", where="scanner") == 1
    assert value(metrics, "unscannable_total", what="field") == 3


def test_requests_and_verdicts_start_at_zero() -> None:
    """The first blocked request of a role, and the first verdict of a rule, are an increase too."""
    metrics = made()
    endpoint = "/v1/chat/completions"
    assert value(metrics, "requests_total", endpoint=endpoint, role="public", outcome="blocked") == 0
    assert value(metrics, "requests_total", endpoint=endpoint, role="other", outcome="unauthorised") == 0
    assert value(metrics, "verdicts_total", rule="memorised", action="block", mode="enforce") == 0
    metrics.policy_loaded("mine", "def456", roles=["legal"], rules=["new-rule"])
    assert value(metrics, "requests_total", endpoint=endpoint, role="legal", outcome="blocked") == 0
    assert value(metrics, "verdicts_total", rule="new-rule", action="redact", mode="observe") == 0


def test_every_action_is_a_label() -> None:
    """The actions of the vocabulary are the actions of the metric."""
    assert ACTIONS == ("allow", "redact", "block")


def test_the_number_of_series_is_held() -> None:
    """Whatever callers and models do, no series comes into being beyond those of the closed sets."""
    metrics = made()

    def series() -> int:
        return sum(
            len(family.samples) for family in metrics.registry.collect() if "process" not in family.name
        )

    metrics.record(decision(role="?", path="?", outcome="?", verdicts=(verdict("?"),)))
    metrics.fault("?")
    metrics.unscannable("?")
    known = series()
    assert known < 1200
    for number in range(300):
        metrics.record(
            decision(
                role="?", path=f"/{number}", outcome="?", model=f"m{number}", key_id=f"k{number}",
                verdicts=(verdict("?"),), received=number, seconds=number, first_upstream=1.0,
            )
        )  # fmt: skip
        metrics.fault(f"f{number}")
        metrics.unscannable(f"u{number}")
        metrics.keys_counted({f"r{number}": number})
    assert series() == known
