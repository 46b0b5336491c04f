"""proxy/metrics.py: every name, closed labels, one observation a request."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import proxy
from proxy.metrics import ACTIONS, FAULTS, OUTCOMES, UNSCANNABLE, Metrics
from proxy.types import Action, Decision, Finding, Span, Verdict


def made(**changes: Any) -> Metrics:
    given: dict[str, Any] = {
        "roles": ("public", "staff"),
        "rules": ("memorised", "no-rule"),
        "policy": ("default", "abc123"),
        "version": "0.1.0",
    }
    return Metrics(**{**given, **changes})


def decision(**changes: Any) -> Decision:
    given: dict[str, Any] = {
        "incident": "inc_0123456789abcdef",
        "time": 0.0,
        "key_id": "key_0123456789ab",
        "role": "public",
        "model": "tuned",
        "path": "/v1/chat/completions",
        "outcome": "passed",
    }
    return Decision(**{**given, **changes})


def verdict(rule: str, action: Action = Action.BLOCK, enforced: bool = True) -> Verdict:
    return Verdict(action, rule, Finding("d", "e", Span(0, 1), 0), enforced)


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"sluicegate_{name}", labels)


def test_the_names() -> None:
    """The names are a contract with dashboards and alerts."""
    assert made().names() == (
        "gen_ai_server_request_duration_seconds",
        "gen_ai_server_time_to_first_token_seconds",
        "sluicegate_allowed_texts",
        "sluicegate_build_info",
        "sluicegate_drift_ratio",
        "sluicegate_faults_total",
        "sluicegate_first_token_added_seconds",
        "sluicegate_first_token_seconds",
        "sluicegate_held_characters",
        "sluicegate_hold_seconds",
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
        "sluicegate_state_up",
        "sluicegate_unscannable_total",
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
            outcome="blocked",
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
    assert value(metrics, "requests_total", endpoint=endpoint, role="public", outcome="blocked") == 1
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


def test_a_policy_that_only_observes_is_shown() -> None:
    """Whether anything is stopped at all can be alerted on."""
    assert value(made(), "policy_observing") == 0
    metrics = made(observe=True)
    assert value(metrics, "policy_observing") == 1
    metrics.policy_loaded("mine", "def456", roles=[], rules=[])
    assert value(metrics, "policy_observing") == 0


def test_every_action_is_a_label() -> None:
    """The actions of the vocabulary are the actions of the metric."""
    assert ACTIONS == ("allow", "redact", "block")


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


def test_two_servers_do_not_share_a_number() -> None:
    """Each object has its own registry; nothing is global."""
    first, second = made(), made()
    first.fault("scanner")
    assert value(second, "faults_total", where="scanner") == 0


def test_a_scrape_can_be_read() -> None:
    """What a scrape gets is Prometheus text with its content type, and every name with its help."""
    metrics = made()
    metrics.record(decision(seconds=0.1))
    body, kind = metrics.render()
    assert kind.startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    for name in metrics.names():
        assert families[name.removesuffix("_total")].documentation
    assert "process_resident_memory_bytes" in families


def test_declared_buckets_hold_what_we_promise() -> None:
    """The bounds a promise is made about (15 held characters, 3 ms) lie at or near a bucket's edge."""
    text = made().render()[0].decode()
    metrics = made()
    metrics.record(decision(received=1, held_max=1), held_mean=15.0)
    assert value(metrics, "held_characters_bucket", stat="mean", le="15.0") == 1
    assert value(metrics, "held_characters_bucket", stat="mean", le="12.0") == 0
    edges = {float(each) for each in re.findall(r'sluicegate_request_seconds_bucket\{le="([\d.]+)"\}', text)}
    assert {0.01, 81.92} <= edges


WORKER = """
import os
import sys
from proxy.metrics import Metrics, worker_ended
from proxy.types import Decision
metrics = Metrics(roles=["public"], policy=("default", "abc"), version="1")
metrics.record(Decision("i", 0.0, "k", "public", "m", "/v1/completions", "passed", seconds=0.5))
metrics.index_opened(120, 10, 1.0)
if sys.argv[1] == "die":
    stream = metrics.stream()
    stream.__enter__()
    print(os.getpid(), flush=True)
    os._exit(1)
for pid in sys.argv[2:]:
    worker_ended(int(pid))
if sys.argv[1] == "show":
    sys.stdout.write(metrics.render()[0].decode())
"""


def test_workers_are_added_up(tmp_path: Path) -> None:
    """With a folder for several processes, a scrape of one worker shows the requests of all.

    What was in flight in a worker that died counts until it is said to have ended.
    """
    root = str(Path(proxy.__file__).parents[1])
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": root}

    def worker(*arguments: str) -> str:
        run = [sys.executable, "-c", WORKER, *arguments]
        return subprocess.run(run, env=environment, timeout=60, capture_output=True, text=True).stdout

    worker("count")
    dead = worker("die").strip()
    shown = worker("show")
    series = 'sluicegate_requests_total{endpoint="/v1/completions",outcome="passed",role="public"}'
    assert f"{series} 3.0" in shown
    assert "sluicegate_request_seconds_sum 1.5" in shown
    assert "sluicegate_index_documents 120.0" in shown
    assert 'sluicegate_policy_info{name="default",version="abc"} 1.0' in shown
    assert "sluicegate_in_flight_streams 1.0" in shown
    shown = worker("show", dead)
    assert f"{series} 4.0" in shown
    assert "sluicegate_in_flight_streams 0.0" in shown


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


def test_prometheus_likes_the_names() -> None:
    """Prometheus' own check of names, units and help texts has nothing to say."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    metrics = made()
    metrics.index_opened(1, 1, 1.0, "v")
    run = subprocess.run(
        [promtool, "check", "metrics"],
        input=metrics.render()[0],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout + run.stderr) == (0, b"")
