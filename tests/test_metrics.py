"""proxy/metrics.py: every name, one observation a request, and what is in force."""

from __future__ import annotations

import pytest

from proxy.types import Action
from tests.counting import decision, made, value, verdict


def test_the_names() -> None:
    """The names are a contract with dashboards and alerts."""
    assert made().names() == (
        "gen_ai_server_request_duration_seconds",
        "gen_ai_server_time_to_first_token_seconds",
        "sluicegate_allowed_texts",
        "sluicegate_build_info",
        "sluicegate_connections_closed_total",
        "sluicegate_drift_ratio",
        "sluicegate_faults_total",
        "sluicegate_first_token_added_seconds",
        "sluicegate_first_token_seconds",
        "sluicegate_guard_calls_total",
        "sluicegate_held_characters",
        "sluicegate_hold_seconds",
        "sluicegate_http_responses_total",
        "sluicegate_in_flight_streams",
        "sluicegate_index_built_timestamp_seconds",
        "sluicegate_index_bytes",
        "sluicegate_index_documents",
        "sluicegate_index_info",
        "sluicegate_keys",
        "sluicegate_policy_info",
        "sluicegate_policy_loaded_timestamp_seconds",
        "sluicegate_policy_observing",
        "sluicegate_probed_documents",
        "sluicegate_reloads_total",
        "sluicegate_request_seconds",
        "sluicegate_requests_total",
        "sluicegate_scan_seconds",
        "sluicegate_state_seen_timestamp_seconds",
        "sluicegate_state_unread_records",
        "sluicegate_state_up",
        "sluicegate_tokens_total",
        "sluicegate_unscannable_total",
        "sluicegate_upstream_first_byte_seconds",
        "sluicegate_upstream_requests_total",
        "sluicegate_upstream_up",
        "sluicegate_verdicts_total",
    )


def test_a_request_is_counted_and_timed() -> None:
    """One decision is one request, one duration, and its verdicts by rule, action and mode."""
    metrics = made()
    verdicts = (
        verdict("memorised"),
        verdict("memorised", Action.REDACT, enforced=False),
        verdict("memorised", Action.REDACT, enforced=False),
        verdict("no-rule", Action.ALLOW),
    )
    metrics.record(
        decision(
            outcome="redacted",
            verdicts=verdicts,
            received=50,
            held_max=30,
            seconds=2.0,
            first_upstream=0.1,
            first_delivered=0.2,
        ),
        held_mean=8.5,
        hold_seconds=0.5,
        scan_seconds=0.002,
    )
    endpoint = "/v1/chat/completions"
    assert value(metrics, "requests_total", endpoint=endpoint, role="public", outcome="redacted") == 1
    assert value(metrics, "verdicts_total", rule="memorised", action="block", mode="enforce") == 1
    assert value(metrics, "verdicts_total", rule="memorised", action="redact", mode="observe") == 2
    assert value(metrics, "verdicts_total", rule="no-rule", action="allow", mode="enforce") == 1
    assert value(metrics, "request_seconds_sum") == 2.0
    assert value(metrics, "held_characters_sum", stat="max") == 30
    assert value(metrics, "held_characters_sum", stat="mean") == 8.5
    assert value(metrics, "hold_seconds_sum") == 0.5
    assert value(metrics, "scan_seconds_sum") == 0.002
    assert value(metrics, "first_token_seconds_sum", side="upstream") == 0.1
    assert value(metrics, "first_token_seconds_sum", side="delivered") == 0.2
    assert value(metrics, "first_token_added_seconds_sum") == pytest.approx(0.1)


def test_what_is_not_known_is_not_observed() -> None:
    """A request without an answer counts as a request and draws no zero into the histograms."""
    metrics = made()
    metrics.record(decision(outcome="unauthorised"))
    assert value(metrics, "request_seconds_count") == 1
    assert value(metrics, "hold_seconds_count") == 0
    assert value(metrics, "scan_seconds_count") == 0
    for stat in ("mean", "max"):
        assert value(metrics, "held_characters_count", stat=stat) == 0
    for side in ("upstream", "delivered"):
        assert value(metrics, "first_token_seconds_count", side=side) == 0
    metrics.record(decision(outcome="blocked", first_upstream=0.1))
    assert value(metrics, "first_token_seconds_count", side="upstream") == 1
    assert value(metrics, "first_token_added_seconds_count") == 0


def test_a_policy_that_only_observes_is_shown() -> None:
    """Whether anything is stopped at all can be alerted on."""
    assert value(made(), "policy_observing") == 0
    metrics = made(observe=True)
    assert value(metrics, "policy_observing") == 1
    metrics.policy_loaded("mine", "def456", roles=[], rules=[])
    assert value(metrics, "policy_observing") == 0


def test_streams_in_flight() -> None:
    """A stream counts while it lasts, also when it ends in an error."""
    metrics = made()
    with metrics.stream():
        with metrics.stream():
            assert value(metrics, "in_flight_streams") == 2
        assert value(metrics, "in_flight_streams") == 1
    with pytest.raises(RuntimeError), metrics.stream():
        raise RuntimeError
    assert value(metrics, "in_flight_streams") == 0


def test_index_policy_and_build() -> None:
    """What is in force is shown; a policy that was replaced falls to 0."""
    metrics = made()
    metrics.index_opened(120, 4096, 1700000000.0)
    assert value(metrics, "index_documents") == 120
    assert value(metrics, "index_bytes") == 4096
    assert value(metrics, "index_built_timestamp_seconds") == 1700000000.0
    assert value(metrics, "build_info", version="0.1.0") == 1
    assert value(metrics, "policy_info", version="abc123", name="default") == 1
    metrics.policy_loaded("mine", "def456", roles=["legal"], rules=["new-rule"])
    assert value(metrics, "policy_info", version="abc123", name="default") == 0
    assert value(metrics, "policy_info", version="def456", name="mine") == 1
    metrics.record(decision(role="legal", verdicts=(verdict("new-rule"),)))
    assert value(metrics, "verdicts_total", rule="new-rule", action="block", mode="enforce") == 1


def test_what_is_taken_up_is_counted() -> None:
    """New policies, indexes and lists of allowed texts, taken or refused; anything else is other."""
    metrics = made()
    assert value(metrics, "reloads_total", what="index", result="refused") == 0
    metrics.reloaded("index", "refused")
    metrics.reloaded("a file", "lost")
    assert value(metrics, "reloads_total", what="index", result="refused") == 1
    assert value(metrics, "reloads_total", what="other", result="other") == 1


def test_one_index_is_in_force() -> None:
    """The version of the one before is told to be out of force."""
    metrics = made()
    metrics.index_opened(1, 2, 3.0, "aaa")
    metrics.index_opened(4, 5, 6.0, "bbb")
    assert value(metrics, "index_info", version="aaa") == 0
    assert value(metrics, "index_info", version="bbb") == 1


def test_keys_by_role() -> None:
    """A role that has lost its last key is told with 0; one that no policy knows is other."""
    metrics = made()
    metrics.keys_counted({"staff": 3, "gone": 2, "lost": 1})
    assert [value(metrics, "keys", role=role) for role in ("public", "staff", "other")] == [0, 3, 3]
    metrics.keys_counted({})
    assert value(metrics, "keys", role="staff") == 0


def test_what_it_stands_on() -> None:
    """State and model server are up until they are seen to be down."""
    metrics = made()
    assert (value(metrics, "state_up"), value(metrics, "upstream_up")) == (1, 1)
    before = value(metrics, "state_seen_timestamp_seconds")
    metrics.state_seen(False)
    metrics.upstream_seen(False)
    assert (value(metrics, "state_up"), value(metrics, "upstream_up")) == (0, 0)
    assert value(metrics, "state_seen_timestamp_seconds") == before
    metrics.probed(7)
    metrics.texts_allowed(2)
    assert (value(metrics, "probed_documents"), value(metrics, "allowed_texts")) == (7, 2)


def test_names_of_opentelemetry() -> None:
    """A request that reached the model is observed under the standard names too."""
    metrics = made()
    metrics.record(decision(received=5, seconds=2.0, first_upstream=0.5))
    metrics.record(decision(path="/v1/models", seconds=2.0))
    labels = {"gen_ai_operation_name": "chat"}
    registry = metrics.registry
    assert registry.get_sample_value("gen_ai_server_request_duration_seconds_sum", labels) == 2.0
    assert registry.get_sample_value("gen_ai_server_time_to_first_token_seconds_sum", labels) == 0.5


@pytest.mark.parametrize("outcome", ["blocked", "fault"])
def test_the_mean_hold_of_a_stopped_answer_is_not_observed(outcome: str) -> None:
    """Its caller does not wait for what is held: it was dropped. The greatest hold is observed."""
    metrics = made()
    metrics.record(decision(outcome=outcome, received=50, held_max=30), held_mean=25.0)
    assert value(metrics, "held_characters_count", stat="mean") == 0
    assert value(metrics, "held_characters_count", stat="max") == 1
