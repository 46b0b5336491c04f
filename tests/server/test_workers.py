"""Workers behind one port: one that dies is replaced and its gauges forgotten; none outlives its parent."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from proxy.keys import KeyStore
from proxy.policy import policies_folder
from tests.cli.running import Running, running
from tests.training import SmallIndex


@dataclass(slots=True)
class Place:
    """A server of two workers whose model is down, and its files."""

    server: Running
    folder: Path
    metrics: str

    def workers(self) -> list[int]:
        """The pids that have reported."""
        store = KeyStore(self.folder / "state.sqlite")
        pids = [worker.pid for worker in store.workers()]
        store.close()
        return pids

    def metric(self, series: str) -> list[str]:
        told = httpx.get(f"{self.metrics}/metrics", trust_env=False, timeout=60).text
        return [line for line in told.splitlines() if line.startswith(f"sluicegate_{series}")]


def until(look: Callable[[], object]) -> None:
    for _ in range(600):
        if look():
            return
        time.sleep(0.05)
    pytest.fail("waited in vain")


@pytest.fixture
def place(small_index: SmallIndex, tmp_path: Path) -> Iterator[Place]:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes((policies_folder() / "default.yaml").read_bytes())
    arguments = ["serve", "--index", small_index.path, "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]
    with running(
        *arguments,
        *("--workers", "2", "--metrics-port", "0", "--policy", policy, "--state", tmp_path / "state.sqlite"),
        cwd=tmp_path,
        **small_index.environment,
    ) as server:
        found = re.search(r"metrics on (http://127\.0\.0\.1:\d+)/", server.wait_for("metrics on "))
        assert found is not None
        made = Place(server, tmp_path, found[1])
        until(lambda: len(made.workers()) == 2)
        yield made


def test_a_worker_that_dies_is_replaced(place: Place) -> None:
    """Another one starts; what the dead one's gauges said is not added up any more."""
    one, other = place.workers()
    os.kill(one, signal.SIGKILL)
    until(lambda: len([pid for pid in place.workers() if pid not in (one, other)]) == 1)
    assert "a worker has ended (signal 9); starting another" in place.server.wait_for("a worker has ended")
    assert place.metric("in_flight_streams") == ["sluicegate_in_flight_streams 0.0"]
    assert place.server.end() == 0
    assert "Traceback" not in place.server.errors.read_text("utf-8")


def test_a_new_policy_reaches_every_worker(place: Place) -> None:
    """By the file alone, and at once by a signal to their parent; the metrics show one policy, not two."""
    policy = place.folder / "policy.yaml"
    store = KeyStore(place.folder / "state.sqlite")
    (before,) = {worker.policy for worker in store.workers()}
    policy.write_text(policy.read_text("utf-8").replace("act: 32", "act: 30"), "utf-8")
    until(lambda: before not in {worker.policy for worker in store.workers()})
    (after,) = {worker.policy for worker in store.workers()}
    assert sorted(line for line in place.metric("policy_info") if line.endswith(" 1.0")) == [
        f'sluicegate_policy_info{{name="default",version="{after}"}} 1.0'
    ]
    policy.write_text("nonsense", "utf-8")
    place.server.process.send_signal(signal.SIGHUP)
    until(lambda: all(worker.fault for worker in store.workers()))
    assert {worker.policy for worker in store.workers()} == {after}
    assert place.metric('reloads_total{result="refused",what="policy"}') == [
        'sluicegate_reloads_total{result="refused",what="policy"} 2.0'
    ]
    store.close()


def test_no_worker_outlives_its_parent(place: Place) -> None:
    """Where the parent is killed the workers end by themselves."""
    pids = place.workers()
    place.server.process.kill()
    place.server.process.wait(60)
    until(lambda: not any(_alive(pid) for pid in pids))


def test_workers_that_cannot_start(small_index: SmallIndex, tmp_path: Path) -> None:
    """What is wrong is said once, by the parent, before any worker starts."""
    arguments = ["serve", "--index", tmp_path / "none", "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]
    with running(*arguments, "--workers", "2", cwd=tmp_path, **small_index.environment) as server:
        assert server.process.wait(60) == 2
    assert server.errors.read_text("utf-8").count("there is no index here") == 1


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
