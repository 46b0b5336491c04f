"""``process_*`` metrics of a server of several processes, read from ``/proc``.

``prometheus_client`` exports them for one process only: it drops them where several write to one folder.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_GAUGES = re.compile(r"gauge_\w+_(\d+)\.db")
_LIMIT = re.compile(r"^Max open files\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Process:
    """What the kernel says about one process.

    ``cpu`` and ``children_cpu``: seconds; the second is of children that have ended. ``start``: epoch
    seconds. None: not readable.
    """

    cpu: float
    children_cpu: float
    start: float
    virtual: int
    resident: int
    open_files: int | None
    most_files: int | None


class ProcessesCollector(Collector):
    """Sums over the supervisor and the workers whose gauges are in ``folder``.

    Invariant: the CPU time never falls when a worker ends. Its time moves to its parent's children in the
    moment in which the worker is gone. Resident memory counts pages that processes share once for each.
    """

    def __init__(self, folder: Path, proc: Path = Path("/proc")) -> None:
        self._folder = folder
        self._proc = proc

    def collect(self) -> Iterator[Metric]:
        found = [process for pid in self._pids() if (process := self._read(pid)) is not None]
        if not found:
            return
        yield _counter(
            "process_cpu_seconds",
            "CPU time of all processes of this server, ended workers included.",
            sum(each.cpu + each.children_cpu for each in found),
        )
        gauges = {
            "process_resident_memory_bytes": sum(each.resident for each in found),
            "process_virtual_memory_bytes": sum(each.virtual for each in found),
            "process_start_time_seconds": min(each.start for each in found),
            "process_open_fds": _sum([each.open_files for each in found]),
            "process_max_fds": _sum([each.most_files for each in found]),
        }
        for name, value in gauges.items():
            if value is not None:
                yield GaugeMetricFamily(name, f"{_TEXTS[name]}, over all processes of this server.", value)

    def _pids(self) -> list[int]:
        parent = multiprocessing.parent_process()
        supervisor = parent.pid if parent is not None and parent.pid is not None else os.getpid()
        pids = {supervisor}
        for name in os.listdir(self._folder) if self._folder.is_dir() else ():
            if (matched := _GAUGES.fullmatch(name)) is not None:
                pids.add(int(matched[1]))
        return sorted(pids)

    def _read(self, pid: int) -> _Process | None:
        """Read one process; None where it has ended, or the kernel has no ``/proc``."""
        at = self._proc / str(pid)
        try:
            # The second field is the program's name, which may hold blanks and parentheses.
            fields = (at / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            boot = _boot_time(self._proc)
        except OSError:
            return None
        ticks = os.sysconf("SC_CLK_TCK")
        try:
            limit = _LIMIT.search((at / "limits").read_text("utf-8"))
        except OSError:
            limit = None
        most = int(limit[1]) if limit else None
        return _Process(
            cpu=(int(fields[11]) + int(fields[12])) / ticks,
            children_cpu=(int(fields[13]) + int(fields[14])) / ticks,
            start=boot + int(fields[19]) / ticks,
            virtual=int(fields[20]),
            resident=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
            open_files=_open_files(at / "fd"),
            most_files=most,
        )


_TEXTS = {
    "process_resident_memory_bytes": "Resident memory",
    "process_virtual_memory_bytes": "Virtual memory",
    "process_start_time_seconds": "When the oldest process started, in seconds since the epoch",
    "process_open_fds": "Open files",
    "process_max_fds": "The limits on open files",
}


def _open_files(folder: Path) -> int | None:
    """Count the open files of a process; None where the kernel keeps the number from us.

    Processes of this server are not dumpable (see ``secrecy``), so another one of the same user may not list
    them. Since Linux 6.2 the folder's size is their number, and anybody may read that.
    """
    try:
        return len(os.listdir(folder))
    except PermissionError:
        with suppress(OSError):
            return folder.stat().st_size or None
    except OSError:
        pass
    return None


def _boot_time(proc: Path) -> float:
    for line in (proc / "stat").read_text("utf-8").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _sum(values: list[int | None]) -> int | None:
    known = [each for each in values if each is not None]
    return sum(known) if len(known) == len(values) else None
