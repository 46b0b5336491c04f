"""Secrets of a process: no core dump, no reading by other processes, nothing left in its environment."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.secrecy import Secret
from tests.cli.running import environment

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has prctl and /proc")


def python(code: str, **more: str) -> str:
    """Run some lines in a process of their own and return what they print."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(**more),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_secret_shows_nothing_of_itself() -> None:
    """Neither alone nor in what holds it; it stays a text, also in another process."""
    secret = Secret("the key of the index")
    assert repr(secret) == "Secret()"
    assert "key of" not in repr({"a": [secret]})
    copied = pickle.loads(pickle.dumps(secret))
    assert copied == "the key of the index"
    assert repr(copied) == "Secret()"


LIMITS = """
import ctypes, resource
from proxy.secrecy import forbid_dumps
assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 1
forbid_dumps()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""


@linux
def test_no_core_dump_is_written() -> None:
    assert python(LIMITS) == "0 (0, 0)\n"


READS = """
import ctypes, os, sys
from prometheus_client import ProcessCollector
from prometheus_client.registry import CollectorRegistry
from proxy.processes import ProcessesCollector
from proxy.secrecy import forbid_dumps

def barred(pid):  # what another process of the same user may not read
    reading, writing = os.pipe()
    if not os.fork():
        for name in ("environ", "mem", "maps"):
            try:
                open(f"/proc/{pid}/{name}", "rb").read(0)
            except PermissionError:
                os.write(writing, f" {name}".encode())
        os._exit(0)
    os.close(writing)
    os.wait()
    return os.read(reading, 100).decode()

os.setgroups([]), os.setgid(65534), os.setuid(65534)
assert ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0  # becoming another user has made it 0
print("before:" + barred(os.getpid()))
forbid_dumps()
print("after:" + barred(os.getpid()))
for name in ("stat", "status", "limits"):
    assert open(f"/proc/self/{name}").read()
found = [s.name for f in ProcessCollector(registry=CollectorRegistry()).collect() for s in f.samples]
assert {"process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"} <= set(found), found
"""


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_process_of_the_same_user_reads_neither_memory_nor_environment() -> None:
    """As an ordinary user; the process itself still reads what its metrics need."""
    assert python(READS).splitlines() == ["before:", "after: environ mem maps"]


FORGETS = """
import os, subprocess, sys
from proxy.secrecy import forget_variable
forget_variable("KEPT_SECRET")
forget_variable("NEVER_SET")
assert "KEPT_SECRET" not in os.environ
block = open("/proc/self/environ", "rb").read()
print(b"a secret of long standing" in block, b"STAYS=as it was" in block)
print(subprocess.run(["env"], capture_output=True, text=True).stdout.count("a secret"))
"""


@linux
def test_a_forgotten_variable_is_gone_from_the_kernels_block_too() -> None:
    """Child processes do not inherit it, and ``/proc/PID/environ`` does not show it; others stay."""
    told = python(FORGETS, KEPT_SECRET="a secret of long standing", STAYS="as it was")
    assert told.split() == ["False", "True", "0"]


CRASHES = """
import os, resource, signal, sys
from proxy.secrecy import forbid_dumps
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
if sys.argv[-1] == "forbid":
    forbid_dumps()
os.kill(os.getpid(), signal.SIGSEGV)
"""


@linux
def test_a_crash_leaves_no_core_dump(tmp_path: Path) -> None:
    """Even where the system would keep one, as it does for a process that says nothing."""

    def dumped(*arguments: str) -> bool:
        child = os.spawnve(
            os.P_NOWAIT,
            sys.executable,
            [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}){CRASHES}", *arguments],
            environment(),
        )
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGSEGV
        return os.WCOREDUMP(status)

    if not dumped():
        pytest.skip("this system keeps no core dumps")
    assert not dumped("forbid")


WORKERS = """
import ctypes
from proxy.index import hashing
from proxy.recognizers import crew
from proxy.server import workers
for start in (
    lambda: workers.work("{", None, ""),
    lambda: hashing._start_worker("a key of 16 or more"),
    lambda: crew._start_worker(False, 1, False),
):
    assert not ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    try:
        start()
    except Exception as error:
        print(type(error).__name__, end=" ")
    print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@linux
def test_every_process_that_holds_a_key_or_training_text_forbids_dumps_first() -> None:
    """Workers of a server, of a build and of the recognisers: a new program begins dumpable again."""
    assert [line.split()[-1] for line in python(WORKERS).splitlines()] == ["0", "0", "0"]
