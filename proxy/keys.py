"""API keys: made, listed, revoked, and turned into a ``Caller``; only their hashes are kept.

May import: ``proxy.types`` and ``proxy.errors``. The rule that must stay true: a key is shown once,
when it is made, and stands nowhere else; when the state cannot be read nobody is let in.

Why sha256 and no slow hash: a slow hash protects secrets that people choose, because these can be
guessed. A key has 256 random bits; guessing is hopeless at any speed, and a slow hash on each
request would only help those who send many wrong keys.
"""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from proxy.errors import ConfigError
from proxy.types import Caller

PREFIX = "sk-sg-"

FRESH_SECONDS = 0.5
"""How long a key found valid is believed before the file is asked whether anything changed."""

_BUSY_SECONDS = 5.0
_APPLICATION = 0x536C4774  # "SlGt": this SQLite file is ours
_KEY = re.compile(r"sk-sg-[A-Za-z0-9_-]{43}")
_ID = re.compile(r"key_[0-9a-f]{12}")
_ID_PREFIX = re.compile(r"key_[0-9a-f]{4,12}")

_STEPS: Sequence[str] = (
    """CREATE TABLE keys (
        id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
        created REAL NOT NULL, revoked REAL
    )""",
)
"""What brings the state from version n to n + 1 (``user_version``). New kinds of state, such as
allow-listed texts, are added as further steps, a statement each; a released step never changes."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key: everything but the key. Times are seconds since the epoch, UTC."""

    id: str
    name: str
    role: str
    created: float
    revoked: float | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; ``secret`` is the only copy of it."""

    key: Key
    secret: str = field(repr=False)


class Keys(Protocol):
    """Where keys are kept. All raise ``ConfigError`` where the store cannot be used."""

    def create(self, role: str, name: str = "") -> NewKey: ...

    def list(self) -> Sequence[Key]: ...

    def revoke(self, which: str) -> Key: ...

    def authenticate(self, presented: str) -> Caller | None: ...

    def close(self) -> None: ...


class KeyStore:
    """Keys in an SQLite file, mode 0600, shared by any number of threads and processes.

    Raises ``ConfigError`` where the file cannot be opened, is no state file, or is a newer version's.
    Open it after a fork, never before: SQLite connections do not survive one.
    """

    def __init__(
        self,
        path: Path,
        *,
        fresh_seconds: float = FRESH_SECONDS,
        busy_seconds: float = _BUSY_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._fresh_seconds = fresh_seconds
        self._busy_seconds = busy_seconds
        self._now = now
        self._lock = threading.RLock()
        self._callers: Mapping[bytes, Caller] = {}
        self._fresh_until = 0.0
        self._seen = -1
        self._closed = False
        with self._faults():
            self._db, self._file = self._open()
            self._reload()

    def create(self, role: str, name: str = "") -> NewKey:
        """Make a key for a role. The name (at most 100 characters) is for people, and may be empty."""
        if not role:
            raise ConfigError("a key needs a role")
        if len(name) > 100 or not name.isprintable() or name.startswith(("key_", PREFIX)):
            raise ConfigError(
                f"a key's name has at most 100 plain characters and does not begin with key_ or {PREFIX}"
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        key = Key(f"key_{secrets.token_hex(6)}", name, role, self._now())
        with self._write():
            self._db.execute(
                "INSERT INTO keys (id, hash, name, role, created) VALUES (?, ?, ?, ?, ?)",
                (key.id, _digest(secret), name, role, key.created),
            )
        return NewKey(key, secret)

    def list(self) -> Sequence[Key]:
        """All keys, revoked ones too, oldest first."""
        with self._lock, self._faults():
            self._follow()
            rows = self._db.execute(
                "SELECT id, name, role, created, revoked FROM keys ORDER BY created, rowid"
            )
            return tuple(Key(*row) for row in rows)

    def revoke(self, which: str) -> Key:
        """Revoke the one active key that has this id, this name, or an id that begins so.

        Raises ``ConfigError`` where there is none or more than one.
        """
        with self._write():
            rows = self._db.execute(
                "SELECT id, name, role, created, revoked FROM keys ORDER BY created, rowid"
            )
            key = _chosen(which, [Key(*row) for row in rows])
            revoked = self._now()
            self._db.execute("UPDATE keys SET revoked = ? WHERE id = ?", (revoked, key.id))
        return Key(key.id, key.name, key.role, key.created, revoked)

    def authenticate(self, presented: str) -> Caller | None:
        """The caller of an active key, or None. Raises ``ConfigError`` where the state is unreadable.

        The key is never compared: its sha256 is looked up, in memory. The time this takes tells nothing
        about any key, as nobody can choose a key by its hash. A revocation by this store acts at once,
        one by another process after ``fresh_seconds``.
        """
        if not _KEY.fullmatch(presented):
            return None
        if time.monotonic() >= self._fresh_until:
            self._refresh()
        return self._callers.get(_digest(presented))

    def close(self) -> None:
        """Close the file; afterwards nobody is let in."""
        with self._lock:
            self._closed = True
            self._callers = {}
            self._fresh_until = 0.0
            self._db.close()

    # --- the inside

    def _open(self) -> tuple[sqlite3.Connection, tuple[int, int]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(handle)
        finally:
            os.close(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{self._path}: not a regular file; give a path for the state file")
        if found.st_mode & stat.S_IWOTH:
            raise ConfigError(
                f"{self._path}: everybody may write to it, and so make keys; run chmod 600 on it"
            )
        db = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db, (found.st_dev, found.st_ino)

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Check whose file it is, and bring its schema up to date, one process at a time."""
        with _transaction(db):
            application, version = _number(db, "application_id"), _number(db, "user_version")
            empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if application != _APPLICATION and not (empty and application == 0 and version == 0):
                raise ConfigError(f"{self._path}: an SQLite file, but not Sluicegate's; give another path")
            if version > len(_STEPS):
                raise ConfigError(
                    f"{self._path}: made by a newer sluicegate (state version {version}, this one "
                    f"reads up to {len(_STEPS)}); use that one, or another file"
                )
            for step in _STEPS[version:]:
                db.execute(step)
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
            with _transaction(self._db):
                yield
            self._reload()

    def _refresh(self) -> None:
        with self._lock, self._faults():
            if time.monotonic() < self._fresh_until:
                return  # another thread has just done it
            self._follow()
            if _number(self._db, "data_version") != self._seen:
                self._reload()
            self._fresh_until = time.monotonic() + self._fresh_seconds

    def _follow(self) -> None:
        """Open the file again where another one has been put in its place (a restored backup)."""
        if self._closed:
            raise ConfigError(f"{self._path}: the key store is closed")
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            self._callers = {}
            self._seen = -1  # put back unchanged, it is to be read again
            self._fresh_until = 0.0
            raise ConfigError(f"{self._path}: the state file is gone; put it back or restart") from None
        if (found.st_dev, found.st_ino) != self._file:
            self._db.close()
            self._callers = {}
            self._file = (0, 0)
            self._db, self._file = self._open()
            self._reload()

    def _reload(self) -> None:
        """Read the active keys. Where that fails, nothing is believed to have been read."""
        seen = _number(self._db, "data_version")  # first, so that a change made meanwhile is seen next time
        rows = self._db.execute("SELECT hash, id, role FROM keys WHERE revoked IS NULL")
        self._callers = {bytes(row[0]): Caller(row[1], row[2]) for row in rows}
        self._seen = seen

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
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
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("ascii")).digest()


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])


def _chosen(which: str, keys: Sequence[Key]) -> Key:
    """The one active key meant by an id, a name, or the beginning of an id (``key_`` and 4 digits)."""
    active = [key for key in keys if key.revoked is None]
    if _ID_PREFIX.fullmatch(which):
        found = [key for key in active if key.id.startswith(which)]
    else:
        found = [key for key in active if key.name == which and which]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(key.id for key in found)
        raise ConfigError(f"{len(found)} active keys are meant by that name or id: {ids}; give one id")
    gone = [key for key in keys if key.revoked is not None and which and which in (key.id, key.name)]
    if gone:
        when = datetime.fromtimestamp(gone[-1].revoked or 0.0, UTC).isoformat(timespec="seconds")
        raise ConfigError(f"{gone[-1].id} was revoked already, at {when}")
    raise ConfigError("no active key has that id or name; `sluicegate keys list` shows them")
