"""proxy/metrics.py: what a scrape gets, from one worker and from several."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import proxy
from tests.counting import decision, made, value


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
