"""The SQLite state as a server uses it: requests read a snapshot in memory, and never wait for the file.

A thread with a connection of its own compares the snapshot with the file every ``REFRESH_SECONDS``, so a key
that another process makes or revokes counts within about half a second. Everything else (reports of workers,
lists, changes) uses the other connection and may wait for a lock; nothing of it is on the path of a request.

* While the file is locked the last snapshot stays in use for ``STALE_SECONDS``; after that nobody is let in.
* Where the file is gone, damaged or not ours nobody is let in, at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from proxy.errors import ConfigError
from proxy.keys.key import digest, looks_like_a_key
from proxy.keys.sqlite import KeyStore
from proxy.keys.sqlite_file import StateLocked
from proxy.types import Caller

REFRESH_SECONDS = 0.25
STALE_SECONDS = 30.0
"""How long keys stay good while the file cannot be compared, and so may have been revoked."""

_BUSY_SECONDS = 0.5
"""How long a comparison waits for a lock."""

_OPEN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Who is let in. ``at``: when it was last known to be true (``time.monotonic``). ``refusal``: why nobody
    is let in, or "". ``locked``: whether the last comparison failed because the file is locked."""

    at: float
    callers: Mapping[bytes, Caller] = field(default_factory=dict, repr=False)
    refusal: str = ""
    locked: bool = False


class ServedKeyStore(KeyStore):
    """``KeyStore`` with a snapshot for requests. Its thread does not survive a fork: open it after one."""

    def __init__(
        self,
        path: Path,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        super().__init__(path)
        self._limit = stale_seconds
        self._reader = _opened(path)
        self._comparing = threading.Lock()
        self._snapshot = Snapshot(time.monotonic(), self._reader.callers)
        self._refresh_seconds = refresh_seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep_fresh, name="state", daemon=True)
        self._thread.start()

    @property
    def stale_seconds(self) -> float:
        snapshot = self._snapshot
        return time.monotonic() - snapshot.at if snapshot.locked else 0.0

    def authenticate(self, presented: str) -> Caller | None:
        """Return the caller of an active key, or None, from memory; an unknown key is looked up in the file.

        Raises ConfigError where nobody is let in, and for an unknown key that cannot be checked.
        """
        if not looks_like_a_key(presented):
            return None
        snapshot = self._current()
        caller = snapshot.callers.get(digest(presented))
        if caller is None and not snapshot.locked:  # it may have been made a moment ago
            self.compare()
            snapshot = self._current()
            caller = snapshot.callers.get(digest(presented))
        if caller is None and snapshot.locked:
            raise ConfigError(f"{self.where}: the state file is locked, so an unknown key cannot be checked")
        return caller

    def check(self) -> None:
        self.compare()
        self._current()

    def close(self) -> None:
        self._end.set()
        self._thread.join(10)
        self._snapshot = Snapshot(0.0, refusal=f"{self.where}: the state is closed")
        self._reader.close()
        super().close()

    def _current(self) -> Snapshot:
        snapshot = self._snapshot
        if snapshot.refusal:
            raise ConfigError(snapshot.refusal)
        if time.monotonic() - snapshot.at > self._limit:
            raise ConfigError(
                f"{self.where}: the state file could not be read for more than {self._limit:.0f} seconds, so "
                "keys may have been revoked; find what locks it"
            )
        return snapshot

    # --- keeping up

    def compare(self) -> None:
        """Compare the snapshot with the file, and publish what is found. Never raises."""
        with self._comparing:
            began = time.monotonic()
            try:
                callers = self._reader.read_callers()
            except StateLocked:
                last = self._snapshot
                self._snapshot = Snapshot(last.at, last.callers, last.refusal, locked=True)
            except Exception as error:  # fail closed
                ours = isinstance(error, ConfigError)
                said = str(error) if ours else f"{self.where}: {type(error).__name__}"
                self._snapshot = Snapshot(began, refusal=said)
            else:
                self._snapshot = Snapshot(began, callers)

    def _keep_fresh(self) -> None:
        while not self._end.wait(self._refresh_seconds):
            self.compare()

    @contextmanager
    def _write(self) -> Iterator[None]:
        with super()._write():
            yield
        self.compare()  # a change by this process acts at once


def _opened(path: Path) -> KeyStore:
    """Open the connection that compares. Workers open theirs together, each with a short write lock."""
    deadline = time.monotonic() + _OPEN_SECONDS
    while True:
        try:
            return KeyStore(path, fresh_seconds=0.0, busy_seconds=_BUSY_SECONDS)
        except StateLocked:
            if time.monotonic() > deadline:
                raise
