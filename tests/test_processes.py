"""proxy/processes.py: process metrics of several processes, summed, from what the kernel says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.processes import ProcessesCollector


def process(proc: Path, pid: int, cpu: int, children: int, pages: int, files: int = 3) -> None:
    """A process in a made-up ``/proc``, with times in ticks."""
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    for number in range(files):
        (folder / "fd" / str(number)).touch()
    times = [str(cpu), "0", str(children), "0"]
    fields = ["S", *["0"] * 10, *times, "20", "0", "1", "0", str(100 + pid), "4096"]
    (folder / "stat").write_text(f"{pid} (a) b) {' '.join([*fields, str(pages)])} 0 0\n")
    (folder / "limits").write_text("Limit  Soft  Hard  Units\nMax open files  1024  4096  files\n")


def values(collector: ProcessesCollector) -> dict[str, float]:
    return {sample.name: sample.value for family in collector.collect() for sample in family.samples}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "stat").write_text("cpu 1\nbtime 1000\n")
    return folder


def test_processes_are_added_up(tmp_path: Path, proc: Path) -> None:
    """The supervisor and each worker that has gauges; a worker that has ended is not among them."""
    ticks = os.sysconf("SC_CLK_TCK")
    process(proc, os.getpid(), cpu=ticks, children=5 * ticks, pages=10)
    process(proc, 11, cpu=2 * ticks, children=0, pages=20, files=5)
    process(proc, 12, cpu=4 * ticks, children=0, pages=40)
    for name in ("gauge_livesum_11.db", "gauge_livemax_11.db", "counter_12.db", "gauge_livemin_99.db"):
        (tmp_path / name).touch()
    found = values(ProcessesCollector(tmp_path, proc))
    assert found["process_cpu_seconds_total"] == 1 + 5 + 2
    assert found["process_resident_memory_bytes"] == 30 * os.sysconf("SC_PAGE_SIZE")
    assert found["process_open_fds"] == 8
    assert found["process_max_fds"] == 2048
    assert found["process_start_time_seconds"] == 1000 + min(111, 100 + os.getpid()) / ticks


def test_a_system_without_proc_has_no_such_metrics(tmp_path: Path) -> None:
    assert values(ProcessesCollector(tmp_path, tmp_path / "none")) == {}


CHILD = "x = sum(range(10_000_000)); print('worked', flush=True); input()"


def test_time_of_a_worker_that_ended_stays(tmp_path: Path) -> None:
    """The counter does not fall when a worker ends: Prometheus would take that for a restart."""
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdin is not None
    gauges = tmp_path / f"gauge_livesum_{child.pid}.db"
    gauges.touch()
    assert child.stdout.readline() == b"worked\n"
    collector = ProcessesCollector(tmp_path)
    alone = values(ProcessesCollector(tmp_path / "none"))
    before = values(collector)
    assert before["process_cpu_seconds_total"] > alone["process_cpu_seconds_total"]
    assert before["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"]
    child.communicate(b"\n")
    assert values(collector)["process_cpu_seconds_total"] >= before["process_cpu_seconds_total"]
    gauges.unlink()
    assert values(collector)["process_cpu_seconds_total"] >= before["process_cpu_seconds_total"]
