"""``sluicegate reload``: who serves what, and whether all have taken what is new."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.keys import KeyStore, Worker


def reload(tmp_path: Path, *arguments: str) -> int:
    return main(["reload", "--state", str(tmp_path / "s.sqlite"), *arguments], {})


def report(tmp_path: Path, worker: Worker) -> None:
    store = KeyStore(tmp_path / "s.sqlite")
    store.report(worker)
    store.close()


def answering(tmp_path: Path, fault: str = "") -> threading.Thread:
    """A worker that answers the next request."""

    def answer() -> None:
        store = KeyStore(tmp_path / "s.sqlite")
        while not store.signals().reload:
            time.sleep(0.01)
        store.report(Worker("w", time.time(), "host", 17, "p2", "i2", reload=1, fault=fault))
        store.close()

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_all_have_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and a line for each worker."""
    report(tmp_path, Worker("w", time.time(), "host", 17, "p1", "i1"))
    thread = answering(tmp_path)
    assert reload(tmp_path) == 0
    thread.join(30)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "host\tpid\tpolicy\tindex\tallowed\treported"
    assert lines[1].startswith("host\t17\tp2\ti2\t0\t")


def test_one_has_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and why."""
    report(tmp_path, Worker("w", time.time(), "host", 17, "p1", "i1"))
    thread = answering(tmp_path, "policy.yaml:3: nonsense\npolicy.yaml:4: more")
    assert reload(tmp_path) == 2
    thread.join(30)
    said = capsys.readouterr().err
    assert "pid 17 refused what is new and serves what it had: policy.yaml:3: nonsense" in said
    assert "policy.yaml:4: more" in said


def test_one_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and which."""
    report(tmp_path, Worker("w-1", time.time(), "host", 17, "p1", "i1"))
    assert reload(tmp_path, "--wait", "1") == 2
    assert "w-1 has not answered in 1 s" in capsys.readouterr().err


def test_a_list_asks_for_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what is served, for scripts too."""
    report(tmp_path, Worker("w", time.time(), "host", 17, "p1", "i1"))
    assert reload(tmp_path, "--list", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["id"], told["policy"], told["index"], told["fault"]) == ("w", "p1", "i1", "")
    store = KeyStore(tmp_path / "s.sqlite")
    assert store.signals().reload == 0
    store.close()


def test_nobody_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With this state; perhaps it is the wrong one. One that is not there is not made."""
    assert reload(tmp_path) == 2
    assert "s.sqlite: no state file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    KeyStore(tmp_path / "s.sqlite").close()
    assert reload(tmp_path) == 2
    assert f"{tmp_path / 's.sqlite'}: no worker that serves with this state" in capsys.readouterr().err
