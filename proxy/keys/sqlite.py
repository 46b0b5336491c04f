"""The state of one machine, in an SQLite file.

May import: ``proxy.errors``, ``proxy.types`` and this room. The rule that must stay true: when the state
cannot be read nobody is let in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from proxy.keys import records
from proxy.keys.key import Key, NewKey, chosen, digest, looks_like_a_key, new_key
from proxy.keys.sqlite_file import StateFile, number
from proxy.keys.sqlite_file import records as rows_of
from proxy.keys.state import ALIVE_SECONDS, FORGOTTEN_SECONDS, Allowed, Signals, Worker, chosen_text
from proxy.types import Caller

FRESH_SECONDS = 0.5
"""How long a key found valid is believed before the file is asked whether anything changed."""

_BUSY_SECONDS = 5.0


class KeyStore(StateFile):
    """The state (``state.State``) in an SQLite file, shared by any number of threads and processes.

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
        create: bool = True,
    ) -> None:
        """``create``: whether a file that does not exist is made."""
        self._fresh_seconds = fresh_seconds
        self._now = now
        self._callers: Mapping[bytes, Caller] = {}
        self._broken: dict[str, Sequence[str]] = {}
        self._fresh_until = 0.0
        self._seen = -1
        super().__init__(path, busy_seconds, create)

    @property
    def where(self) -> str:
        return str(self._path)

    @property
    def stale_seconds(self) -> float:
        return 0.0  # it is read anew, or nobody is let in

    @property
    def unread(self) -> Sequence[str]:
        return [line for lines in self._broken.values() for line in lines]

    def check(self) -> None:
        self.list()

    def create(self, role: str, name: str = "", owner: str = "") -> NewKey:
        """Make a key for a role. Name and owner (at most 100 characters) may be empty; the name is for
        people, and limits count all keys of one owner together."""
        made = new_key(role, name, self._now(), owner)
        with self._write():
            self._db.execute(
                "INSERT INTO keys (id, hash, name, role, created, owner) VALUES (?, ?, ?, ?, ?, ?)",
                (made.key.id, digest(made.secret), name, role, made.key.created, owner),
            )
        return made

    def list(self) -> Sequence[Key]:
        """All keys, revoked ones too, oldest first."""
        with self._lock, self._faults():
            self._follow()
            return tuple(self._keys())

    def revoke(self, which: str) -> Key:
        """Revoke the one active key that has this id, this name, or an id that begins so.

        Raises ``ConfigError`` where there is none or more than one.
        """
        with self._write():
            key = replace(chosen(which, self._keys()), revoked=self._now())
            self._db.execute("UPDATE keys SET revoked = ? WHERE id = ?", (key.revoked, key.id))
        return key

    def authenticate(self, presented: str) -> Caller | None:
        """The caller of an active key, or None. Raises ``ConfigError`` where the state is unreadable.

        The key is never compared: its sha256 is looked up, in memory. The time this takes tells nothing
        about any key, as nobody can choose a key by its hash. A revocation by this store acts at once,
        one by another process after ``fresh_seconds``.
        """
        if not looks_like_a_key(presented):
            return None
        return self.read_callers().get(digest(presented))

    @property
    def callers(self) -> Mapping[bytes, Caller]:
        """The callers of the active keys as they were read last, by the hash of their key."""
        return self._callers

    def read_callers(self) -> Mapping[bytes, Caller]:
        """Return the callers of the active keys, compared with the file where ``fresh_seconds`` are over."""
        if time.monotonic() >= self._fresh_until:
            self._refresh()
        return self._callers

    # --- what else is shared

    def allow(self, text: Allowed) -> None:
        """Add an allowed text."""
        row = (text.id, text.name, text.created, text.index_key, text.hashes, text.about)
        with self._write():
            self._db.execute(
                "INSERT INTO allowed (id, name, created, index_key, hashes, about) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            self._signal("allowed")

    def allowed(self) -> Sequence[Allowed]:
        """Every allowed text, oldest first."""
        with self._lock, self._faults():
            self._follow()
            return tuple(self._texts())

    def disallow(self, which: str) -> Allowed:
        """Take an allowed text away again. Raises ConfigError where not exactly one is meant."""
        with self._write():
            text = chosen_text(which, self._texts())
            self._db.execute("DELETE FROM allowed WHERE id = ?", (text.id,))
            self._signal("allowed")
        return text

    def ask_to_reload(self) -> int:
        with self._write():
            self._signal("reload")
            rows = self._db.execute("SELECT number FROM signals WHERE name = 'reload'")
            return int(rows.fetchone()[0])

    def signals(self) -> Signals:
        with self._lock, self._faults():
            self._follow()
            found = dict(self._db.execute("SELECT name, number FROM signals"))
            return Signals(int(found.get("allowed", 0)), int(found.get("reload", 0)))

    def report(self, worker: Worker) -> None:
        with self._write():
            self._db.execute(
                "INSERT OR REPLACE INTO workers (id, seen, told) VALUES (?, ?, ?)",
                (worker.id, worker.seen, worker.to_json()),
            )
            self._db.execute("DELETE FROM workers WHERE seen < ?", (self._now() - FORGOTTEN_SECONDS,))

    def workers(self) -> Sequence[Worker]:
        with self._lock, self._faults():
            self._follow()
            since = self._now() - ALIVE_SECONDS
            rows = self._db.execute("SELECT id, told FROM workers WHERE seen >= ? ORDER BY id", (since,))
            found = [(row[0], partial(_worker, row[1])) for row in rows]
            good, self._broken["worker"] = records.readable("worker", found)
            return tuple(good)

    def gone(self, worker: str) -> None:
        with self._write():
            self._db.execute("DELETE FROM workers WHERE id = ?", (worker,))

    def serial(self, index_key: str, name: str) -> int:
        with self._lock, self._faults():
            self._follow()
            rows = self._db.execute(
                "SELECT number FROM serials WHERE index_key = ? AND name = ?", (index_key, name)
            )
            found = rows.fetchone()
            return 0 if found is None else int(found[0])

    def raise_serial(self, index_key: str, name: str, serial: int) -> None:
        if serial > self.serial(index_key, name):
            self._keep_serial(index_key, name, serial, "max(number, excluded.number)")

    def lower_serial(self, index_key: str, name: str, serial: int) -> None:
        self._keep_serial(index_key, name, serial, "excluded.number")

    # --- the inside

    def _keep_serial(self, index_key: str, name: str, serial: int, kept: str) -> None:
        with self._write():
            self._db.execute(
                "INSERT INTO serials (index_key, name, number) VALUES (?, ?, ?) "
                f"ON CONFLICT (index_key, name) DO UPDATE SET number = {kept}",
                (index_key, name, serial),
            )

    def _signal(self, name: str) -> None:
        self._db.execute(
            "INSERT INTO signals (name, number) VALUES (?, 1) "
            "ON CONFLICT (name) DO UPDATE SET number = number + 1",
            (name,),
        )

    def _forget(self) -> None:
        self._callers = {}
        self._seen = -1  # put back unchanged, it is to be read again
        self._fresh_until = 0.0

    def _refresh(self) -> None:
        with self._lock, self._faults():
            if time.monotonic() < self._fresh_until:
                return  # another thread has just done it
            self._follow()
            if number(self._db, "data_version") != self._seen:
                self._read()
            self._fresh_until = time.monotonic() + self._fresh_seconds

    def _read(self) -> None:
        """Read the active keys. Where that fails, nothing is believed to have been read."""
        seen = number(self._db, "data_version")  # first, so that a change made meanwhile is seen next time
        rows = rows_of(self._db.execute("SELECT * FROM keys WHERE revoked IS NULL"))
        found, _ = records.readable("key", [(row.get("id"), partial(records.key, row)) for row in rows])
        self._callers, _ = records.callers(found)
        self._seen = seen

    def _keys(self) -> Sequence[Key]:
        rows = rows_of(self._db.execute("SELECT * FROM keys ORDER BY created, rowid"))
        good, bad = records.readable("key", [(row.get("id"), partial(records.key, row)) for row in rows])
        self._broken["key"] = (*bad, *records.callers(good)[1])
        return [key for _, key in good]

    def _texts(self) -> Sequence[Allowed]:
        rows = rows_of(self._db.execute("SELECT * FROM allowed ORDER BY created, rowid"))
        found = [(row.get("id"), partial(records.allowed, row)) for row in rows]
        good, self._broken["allowed"] = records.readable("allowed text", found)
        return good


def _worker(told: str | bytes) -> Worker:
    return records.worker(records.from_json(told))
