"""How a server ends: it takes no new connection, finishes what runs, and says so with its exit code."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from proxy.keys import KeyStore
from proxy.upstreams.scripted import Raw
from tests.cli.running import Running, environment
from tests.cli.test_serve import url_of
from tests.serving import CHAT, QUESTION, chunk, model_server
from tests.training import SmallIndex

STREAM = {"Content-Type": "text/event-stream"}
TICKS = 40
BODY = {"model": "m", "messages": QUESTION, "stream": True}
workers = pytest.mark.parametrize("workers", [1, 2])


@dataclass(slots=True)
class Place:
    """A server, a key for it, and its files."""

    server: Running
    url: str
    key: str
    folder: Path

    def pids(self) -> list[int]:
        store = KeyStore(self.folder / "state.sqlite")
        found = [worker.pid for worker in store.workers()]
        store.close()
        return found


@contextmanager
def place(index: SmallIndex, folder: Path, workers: int, *more: str) -> Iterator[Place]:
    """A server in a process group of its own, in front of a model that says ten words a second."""
    tick = chunk({"content": "tick "})
    ticks = Raw([*[tick, 0.1] * TICKS, chunk({}, "stop"), b"data: [DONE]\n\n"], headers=STREAM)
    store = KeyStore(folder / "state.sqlite")
    key = store.create("public").secret
    store.close()
    out, errors = folder / "out.txt", folder / "errors.txt"
    with model_server(ticks) as model, out.open("wb") as to_out, errors.open("wb") as to_errors:
        arguments = ["serve", "--index", index.path, "--upstream", model, "--port", "0", *more]
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", *map(str, arguments), "--workers", str(workers)],
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_errors,
            cwd=folder,
            env=environment(**index.environment, SLUICEGATE_STATE=str(folder / "state.sqlite")),
            start_new_session=True,
        )
        try:
            server = Running(process, out, errors)
            made = Place(server, url_of(server), key, folder)
            until(lambda: len(made.pids()) == workers)
            yield made
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(60)


def until(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it has not happened within twenty seconds")


@contextmanager
def running_stream(place: Place) -> Iterator[Iterator[str]]:
    """An answer of which the first piece has come; the pieces that follow, up to the end."""
    with (
        httpx.Client(base_url=place.url, trust_env=False, timeout=60, headers={"api-key": place.key}) as web,
        web.stream("POST", CHAT, json=BODY) as answer,
    ):
        assert answer.status_code == 200
        lines = answer.iter_lines()
        next(lines)
        yield lines


def refused(place: Place) -> bool:
    """Whether a new connection is turned away at once. One that is taken and left alone fails the test."""
    where = urlsplit(place.url)
    try:
        with socket.create_connection((where.hostname, where.port), timeout=2.5) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return not connection.recv(100)
    except TimeoutError:
        pytest.fail("a new connection was taken, and nobody answers it")
    except ConnectionError:
        return True


def is_whole(lines: Iterator[str]) -> bool:
    """Whether a stream comes to its end."""
    try:
        return "data: [DONE]" in list(lines)
    except httpx.TransportError:
        return False


def has_ended(place: Place) -> int:
    code = place.server.process.wait(60)
    assert "Traceback" not in place.server.errors.read_text("utf-8")
    until(lambda: not any(_alive(pid) for pid in _group(place.server.process.pid)))
    return code


def _group(leader: int) -> list[int]:
    """The processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == leader:
                found.append(int(entry.name))
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@workers
@pytest.mark.parametrize("again", [(), (signal.SIGHUP, signal.SIGTERM, signal.SIGTERM)])
def test_sigterm_finishes_answers_and_takes_no_connection(
    small_index: SmallIndex, tmp_path: Path, workers: int, again: tuple[signal.Signals, ...]
) -> None:
    """With several workers the parent kept its listener: new connections hung until the last answer was over.
    A second SIGTERM, or a SIGHUP, changes nothing."""
    with place(small_index, tmp_path, workers) as made, running_stream(made) as lines:
        made.server.process.send_signal(signal.SIGTERM)
        until(lambda: refused(made))
        for number in again:
            made.server.process.send_signal(number)
            assert refused(made)
        assert made.server.process.poll() is None
        assert is_whole(lines)
        assert has_ended(made) == 0


@workers
def test_an_interrupt_from_the_terminal_finishes_answers(
    small_index: SmallIndex, tmp_path: Path, workers: int
) -> None:
    """Ctrl-C goes to the whole group: the workers leave it to their parent."""
    with place(small_index, tmp_path, workers) as made, running_stream(made) as lines:
        os.killpg(made.server.process.pid, signal.SIGINT)
        until(lambda: refused(made))
        assert is_whole(lines)
        assert has_ended(made) == 130


@workers
def test_a_second_interrupt_ends_at_once(small_index: SmallIndex, tmp_path: Path, workers: int) -> None:
    with place(small_index, tmp_path, workers) as made, running_stream(made) as lines:
        os.killpg(made.server.process.pid, signal.SIGINT)
        until(lambda: refused(made))
        os.killpg(made.server.process.pid, signal.SIGINT)
        assert not is_whole(lines)
        assert has_ended(made) == 130


@workers
def test_answers_beyond_the_grace_are_cut(small_index: SmallIndex, tmp_path: Path, workers: int) -> None:
    with place(small_index, tmp_path, workers, "--grace", "1") as made, running_stream(made) as lines:
        made.server.process.send_signal(signal.SIGTERM)
        assert not is_whole(lines)
        assert has_ended(made) == 0


@pytest.mark.parametrize("victims", [1, 2])
def test_workers_that_die_while_the_server_ends(
    small_index: SmallIndex, tmp_path: Path, victims: int
) -> None:
    """They are not replaced, and nobody waits for them."""
    with place(small_index, tmp_path, 2) as made, running_stream(made) as lines:
        pids = made.pids()
        made.server.process.send_signal(signal.SIGTERM)
        until(lambda: refused(made))
        for pid in pids[:victims]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # the one without an answer has ended
        is_whole(lines)
        assert has_ended(made) == 0
        assert "starting another" not in made.server.errors.read_text("utf-8")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_ended_while_its_workers_start(
    small_index: SmallIndex, tmp_path: Path, number: signal.Signals
) -> None:
    with model_server(Raw([])) as model:
        arguments = ["serve", "--index", small_index.path, "--upstream", model, "--port", "0"]
        with (tmp_path / "e.txt").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "proxy", *map(str, arguments), "--workers", "2"],
                stdout=errors,
                stderr=errors,
                cwd=tmp_path,
                env=environment(**small_index.environment),
                start_new_session=True,
            )
        until(lambda: re.search("listening on", (tmp_path / "e.txt").read_text("utf-8")))
        os.killpg(process.pid, number)
        assert process.wait(30) == (0 if number == signal.SIGTERM else 130)
        until(lambda: not any(_alive(pid) for pid in _group(process.pid)))
        assert "Traceback" not in (tmp_path / "e.txt").read_text("utf-8")
