"""The state file: SQLite in WAL mode, mode 0600, shared by any number of threads and processes.

May import: ``proxy.errors``. The rule that must stay true: a file that is not ours, or of a newer version, is
never written to.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from proxy.errors import ConfigError

_APPLICATION = 0x536C4774  # "SlGt": this SQLite file is ours

_STEPS: Sequence[Sequence[str]] = (
    (
        """CREATE TABLE keys (
            id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
            created REAL NOT NULL, revoked REAL
        )""",
    ),
    (
        """CREATE TABLE allowed (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, index_key TEXT NOT NULL,
            hashes BLOB NOT NULL, about TEXT NOT NULL
        )""",
        "CREATE TABLE signals (name TEXT PRIMARY KEY, number INTEGER NOT NULL)",
        "CREATE TABLE workers (id TEXT PRIMARY KEY, seen REAL NOT NULL, told TEXT NOT NULL)",
    ),
)
"""What brings the state from version n to n + 1 (``user_version``). A released step never changes. A further
step is for changes that older releases could not work beside; they refuse a state of a newer version."""

_COLUMNS = (("keys", "owner", "TEXT NOT NULL DEFAULT ''"),)
"""Columns that older releases do not know and ignore: (table, column, declaration with its default)."""


_TABLES = (
    """CREATE TABLE IF NOT EXISTS serials (
        index_key TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (index_key, name)
    )""",
)
"""Tables that older releases do not know and ignore."""


class StateLocked(ConfigError):
    """Another process kept the file locked for longer than the call waits."""


class StateFile:
    """An open state file. Its owner says what is to be read again, in :meth:`_read`.

    Open it after a fork, never before: SQLite connections do not survive one.
    """

    def __init__(self, path: Path, busy_seconds: float, create: bool = True) -> None:
        if not create and not (path.exists() and (not path.is_file() or path.stat().st_size)):
            raise ConfigError(
                f"{path}: no state file; give its path with --state, or make one: sluicegate keys create"
            )
        self._path = path
        self._busy_seconds = busy_seconds
        self._lock = threading.RLock()
        self._closed = False
        with self._faults():
            self._db, self._file = self._open()
            self._read()

    def _read(self) -> None:
        """Read what is kept in memory. Where that fails, nothing is believed to have been read."""

    def _forget(self) -> None:
        """What is kept in memory is not to be believed any more."""

    def close(self) -> None:
        """Close the file; afterwards nobody is let in."""
        with self._lock:
            self._closed = True
            self._forget()
            self._db.close()

    def _open(self) -> tuple[sqlite3.Connection, tuple[int, int]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file that exists is never opened here: closing a descriptor of it would drop the POSIX locks of
        # the other connections of this process, and another process could take their journal away.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        found = os.stat(self._path)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{self._path}: not a regular file; give a path for the state file")
        if found.st_mode & stat.S_IWOTH:
            raise ConfigError(
                f"{self._path}: everybody may write to it, and so make keys; run chmod 600 on it"
            )
        db = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        db.text_factory = _decoded
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db, (found.st_dev, found.st_ino)

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Check whose file it is, and bring its schema up to date, one process at a time."""
        with transaction(db):
            application, version = number(db, "application_id"), number(db, "user_version")
            empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if application != _APPLICATION and not (empty and application == 0 and version == 0):
                raise ConfigError(f"{self._path}: an SQLite file, but not Sluicegate's; give another path")
            if version > len(_STEPS):
                raise ConfigError(
                    f"{self._path}: made by a newer sluicegate (state version {version}, this one "
                    f"reads up to {len(_STEPS)}); use that one, or another file"
                )
            for steps in _STEPS[version:]:
                for step in steps:
                    db.execute(step)
            for table, column, declared in _COLUMNS:
                if column not in columns(db, table):
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {declared}")
            for table in _TABLES:
                db.execute(table)
            if version < len(_STEPS):
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute(f"PRAGMA user_version = {len(_STEPS)}")
        self._use_wal(db)

    def _use_wal(self, db: sqlite3.Connection) -> None:
        """Readers and a writer side by side. SQLite does not wait for this lock by itself."""
        deadline = time.monotonic() + self._busy_seconds
        while db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _write(self) -> Iterator[None]:
        with self._lock, self._faults():
            self._follow()
            with transaction(self._db):
                yield
            self._read()

    def _follow(self) -> None:
        """Open the file again where another one has been put in its place (a restored backup)."""
        if self._closed:
            raise ConfigError(f"{self._path}: the state is closed")
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            self._forget()
            raise ConfigError(f"{self._path}: the state file is gone; put it back or restart") from None
        if (found.st_dev, found.st_ino) != self._file:
            self._db.close()
            self._forget()
            self._file = (0, 0)
            self._db, self._file = self._open()
            self._read()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StateLocked(f"{self._path}: the state file cannot be used: {error}") from None
            raise ConfigError(f"{self._path}: the state file cannot be used: {error}") from None
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise ConfigError(
                f"{self._path}: not a Sluicegate state file, or damaged ({error}); "
                "restore it or give another path"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"{self._path}: the state file cannot be used: {error.strerror or error}"
            ) from None


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def columns(db: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's columns."""
    return [str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")]


def records(rows: sqlite3.Cursor) -> Iterator[dict[str, object]]:
    """Rows with the names of their columns, whatever columns the table has."""
    names = [each[0] for each in rows.description]
    return (dict(zip(names, row, strict=True)) for row in rows)


def _decoded(raw: bytes) -> str:
    """Text of the file; bytes that are no UTF-8 make one record unreadable, not the file."""
    return raw.decode("utf-8", "surrogateescape")


def number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])
