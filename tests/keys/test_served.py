"""The state as a server uses it: requests read memory; changes count soon; a lock is borne for a while."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import ConfigError
from proxy.keys import KeyStore
from proxy.keys.served import ServedKeyStore
from proxy.keys.sqlite_file import StateLocked
from proxy.keys.state import Worker
from proxy.types import Caller


@contextmanager
def unreadable() -> Iterator[None]:
    """Reading the file fails as it does where it is locked (in WAL mode: during a recovery)."""

    def raises(_store: KeyStore) -> None:
        raise StateLocked("state.db: the state file cannot be used: database is locked")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeyStore, "read_callers", raises)
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it has not happened within ten seconds")


def hold_write_lock(path: str, held: Any, end: Any) -> None:
    import sqlite3

    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    held.set()
    end.wait(60)
    db.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the write lock while the body runs."""
    context = multiprocessing.get_context("spawn")
    held, end = context.Event(), context.Event()
    process = context.Process(target=hold_write_lock, args=(str(path), held, end))
    process.start()
    try:
        assert held.wait(30)
        yield
    finally:
        end.set()
        process.join(30)
        assert process.exitcode == 0


def test_a_change_by_another_process_counts_soon(path: Path) -> None:
    served, other = ServedKeyStore(path), KeyStore(path)
    new = other.create("staff")
    until(lambda: served.authenticate(new.secret) == Caller(new.key.id, "staff"))
    other.revoke(new.key.id)
    until(lambda: served.authenticate(new.secret) is None)
    served.close()
    other.close()


def make_and_revoke(path: str, which: str, secrets: Any) -> None:
    store = KeyStore(Path(path))
    store.revoke(which)
    secrets.put(store.create("staff").secret)
    store.close()


def test_processes_that_come_and_go_leave_the_state_whole(path: Path) -> None:
    """A process that closes the file last deletes its WAL. Opening the server's second connection dropped the
    locks of the first: others took themselves for the last, changes were lost, revocations not seen."""
    served = ServedKeyStore(path)
    old = served.create("staff")
    context = multiprocessing.get_context("spawn")
    secrets = context.Queue()
    for _ in range(3):
        process = context.Process(target=make_and_revoke, args=(str(path), old.key.id, secrets))
        process.start()
        new = secrets.get(timeout=60)
        process.join(60)
        assert process.exitcode == 0
        until(lambda: served.authenticate(old.secret) is None)  # noqa: B023
        until(lambda: served.authenticate(new) is not None)  # noqa: B023
        old = served.create("staff")
    assert len(served.list()) == 7
    served.close()
    store = KeyStore(path)
    assert len(store.list()) == 7
    store.close()


def test_a_change_by_this_store_counts_at_once(path: Path) -> None:
    served = ServedKeyStore(path, refresh_seconds=1000)
    new = served.create("staff")
    assert served.authenticate(new.secret) == Caller(new.key.id, "staff")
    served.revoke(new.key.id)
    assert served.authenticate(new.secret) is None
    served.close()


def test_a_revocation_counts_while_another_process_writes(path: Path) -> None:
    """Reports of workers wait for the write lock; the comparison uses a connection of its own."""
    served, other = ServedKeyStore(path), KeyStore(path)
    one, two = other.create("staff"), other.create("staff")
    until(lambda: served.authenticate(two.secret) is not None)
    other.revoke(one.key.id)
    with locked(path):
        until(lambda: served.authenticate(one.secret) is None)
        assert served.authenticate(two.secret) is not None
        served.check()
        assert served.stale_seconds == 0
    served.close()
    other.close()


def test_a_lock_is_told_from_other_faults(path: Path) -> None:
    store = KeyStore(path, busy_seconds=0.1)
    with locked(path), pytest.raises(StateLocked, match="database is locked"):
        store.create("staff")
    store.close()


def test_a_locked_file_lets_known_keys_in_for_a_while(path: Path) -> None:
    """Then nobody, until the file can be read again. An unknown key cannot be checked meanwhile."""
    served = ServedKeyStore(path, stale_seconds=3)
    new = served.create("staff")
    with unreadable():
        until(lambda: served.stale_seconds > 0)
        assert served.authenticate(new.secret) == Caller(new.key.id, "staff")
        served.check()
        with pytest.raises(ConfigError, match="cannot be checked"):
            served.authenticate("sk-sg-" + "A" * 43)
        until(lambda: served.stale_seconds > 3)
        with pytest.raises(ConfigError, match="could not be read for more than 3 seconds"):
            served.authenticate(new.secret)
        with pytest.raises(ConfigError):
            served.check()
    served.check()
    assert served.authenticate(new.secret) == Caller(new.key.id, "staff")
    assert served.stale_seconds == 0
    served.close()


@pytest.mark.parametrize("fault", ["gone", "not ours", "empty"])
def test_a_file_that_is_not_the_state_lets_nobody_in(path: Path, fault: str) -> None:
    served = ServedKeyStore(path, refresh_seconds=1000)
    new = served.create("staff")
    shutil.copytree(path.parent, path.parent.with_name(path.parent.name + "-copy"))
    path.unlink()
    if fault == "not ours":
        path.write_bytes(b"something else entirely" * 100)
    elif fault == "empty":
        path.write_bytes(b"")
        served.check()  # a new state, with no key in it
        assert served.authenticate(new.secret) is None
        served.close()
        return
    with pytest.raises(ConfigError):
        served.check()
    with pytest.raises(ConfigError):
        served.authenticate(new.secret)
    path.unlink(missing_ok=True)
    shutil.copy(path.parent.with_name(path.parent.name + "-copy") / path.name, path)
    for extra in ("-wal", "-shm"):
        source = path.parent.with_name(path.parent.name + "-copy") / (path.name + extra)
        Path(f"{path}{extra}").unlink(missing_ok=True)
        if source.exists():
            shutil.copy(source, f"{path}{extra}")
    served.check()
    assert served.authenticate(new.secret) == Caller(new.key.id, "staff")
    served.close()


def test_a_fault_of_ours_lets_nobody_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = ServedKeyStore(path, refresh_seconds=1000)
    new = served.create("staff")

    def broken(_store: KeyStore) -> None:
        raise RuntimeError

    monkeypatch.setattr(KeyStore, "read_callers", broken)
    served.compare()
    with pytest.raises(ConfigError):
        served.authenticate(new.secret)
    served.close()


def test_a_closed_store_lets_nobody_in(path: Path) -> None:
    served = ServedKeyStore(path)
    new = served.create("staff")
    served.close()
    with pytest.raises(ConfigError, match="closed"):
        served.authenticate(new.secret)
    assert not served._thread.is_alive()


def test_another_process_does_not_take_the_journal_away(tmp_path: Path) -> None:
    """A second connection in a process leaves the locks of the first: what is written stays to be seen."""
    path = tmp_path / "state.sqlite"
    store = ServedKeyStore(path)
    script = (
        "import sys; from pathlib import Path; from proxy.keys.sqlite import KeyStore\n"
        "store = KeyStore(Path(sys.argv[1])); print([w.id for w in store.workers()]); store.close()"
    )

    def seen() -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, str(path)],
            capture_output=True,
            check=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return done.stdout.decode().strip()

    for name in ("one", "two", "three"):
        store.report(Worker(name, time.time()))
        assert f"'{name}'" in seen()
    store.close()
