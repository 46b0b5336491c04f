"""The index key of a running server: in no argument, no environment and no output of any of its processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.keys import KeyStore
from tests.cli.running import environment, run
from tests.server.test_workers import until
from tests.training import SmallIndex

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SOURCES = ("VARIABLE", "FILE", "FD")


@contextmanager
def given(source: str, key: str, folder: Path) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """The variables that give a key by one of the sources, and the descriptors to inherit."""
    if source == "VARIABLE":
        yield {"SLUICEGATE_INDEX_KEY": key}, ()
    elif source == "FILE":
        path = folder / "secret"
        path.touch(0o600)
        path.write_text(f"{key}\n")
        yield {"SLUICEGATE_INDEX_KEY_FILE": str(path)}, ()
    else:
        reading, writing = os.pipe()
        os.write(writing, key.encode())
        os.close(writing)
        try:
            yield {"SLUICEGATE_INDEX_KEY_FD": str(reading)}, (reading,)
        finally:
            os.close(reading)


def family(pid: int) -> list[int]:
    """A process and all that it started, and they."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(each) for path in children for each in path.read_text().split()]
    return [pid, *(inner for each in found for inner in family(each))]


def seen(pid: int) -> bytes:
    """What others can see of a process without reading its memory."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline"))


@contextmanager
def two_workers(source: str, index: SmallIndex, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose two workers have reported, and that ends cleanly. What it says is in errors.txt."""
    state, errors = folder / "state.sqlite", folder / "errors.txt"
    arguments = ["--index", index.path, "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]
    arguments += ["--metrics-port", "0", "--workers", "2", "--state", state]
    with given(source, index.key, folder) as (variables, descriptors), errors.open("wb") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "proxy", "serve", *map(str, arguments)],
            env=environment(**variables),
            cwd=folder,
            pass_fds=descriptors,
            stdout=said,
            stderr=said,
        )
    try:
        until(lambda: server.poll() is not None or (state.exists() and len(workers(state)) == 2))
        assert server.poll() is None, errors.read_text()
        yield server
    finally:
        server.terminate()
        assert server.wait(60) == 0


@pytest.mark.parametrize("source", SOURCES)
def test_no_process_of_a_server_shows_the_key(
    source: str, small_index: SmallIndex, tmp_path: Path
) -> None:
    """Of two workers, their parent and what these start; each worker opened the index, and may not be
    dumped."""
    state = tmp_path / "state.sqlite"
    errors = tmp_path / "errors.txt"
    with two_workers(source, small_index, tmp_path) as server:
        processes = family(server.pid)
        assert {*workers(state), server.pid} <= set(processes)
        for pid in processes:
            assert small_index.key.encode() not in seen(pid)
        for pid in (server.pid, *workers(state)):
            limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
            core = next(line for line in limits if line.startswith("Max core file size"))
            assert core.split()[4:6] == ["0", "0"]
    assert small_index.key not in errors.read_text()
    assert "Traceback" not in errors.read_text()


def workers(state: Path) -> list[int]:
    """The pids that have reported."""
    store = KeyStore(state)
    pids = [worker.pid for worker in store.workers()]
    store.close()
    return pids


def test_a_worker_that_dies_is_replaced_by_one_that_has_the_key(
    small_index: SmallIndex, tmp_path: Path
) -> None:
    """Also where the key came from a descriptor, which can be read once only."""
    state = tmp_path / "state.sqlite"
    with two_workers("FD", small_index, tmp_path):
        one, other = workers(state)
        os.kill(one, 9)
        until(lambda: len([pid for pid in workers(state) if pid not in (one, other)]) == 1)


@pytest.mark.parametrize("source", SOURCES)
def test_a_build_in_several_processes_takes_the_key_from_each_source(source: str, tmp_path: Path) -> None:
    """The index opens with it, and no key file is made."""
    from proxy.index import open_index

    key = "a key of 16 characters or more"
    (tmp_path / "faq.txt").write_text("The shop is open from nine to five on every day but Sunday. " * 5)
    out, options = tmp_path / "x.idx", ("--workers", "2", "--no-ner")
    with given(source, key, tmp_path) as (variables, descriptors):
        done = subprocess.run(
            [sys.executable, "-m", "proxy", "index", "build", "faq.txt", "--out", str(out), *options],
            env=environment(**variables),
            cwd=tmp_path,
            pass_fds=descriptors,
            capture_output=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert key.encode() not in done.stdout + done.stderr
    assert open_index(out, key).manifest.documents == 1
    assert not out.with_name("x.idx.key").exists()


def test_two_sources_end_the_command_with_both_names(tmp_path: Path) -> None:
    done = run(
        *("index", "show", "x.idx"),
        cwd=tmp_path,
        SLUICEGATE_INDEX_KEY="a key of 16 characters or more",
        SLUICEGATE_INDEX_KEY_FILE="key",
    )
    assert done.returncode == 2
    assert b"SLUICEGATE_INDEX_KEY, SLUICEGATE_INDEX_KEY_FILE: more than one source" in done.stderr
    assert b"a key of" not in done.stderr
