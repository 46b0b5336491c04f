"""Where requests and places of keys are counted for several processes: in Redis, or in a file.

May import: ``server.limits``; redis and sqlite3 inside this file. The rule that must stay true: one question
takes a request and a place together, or neither, whoever else asks at the same time.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from proxy.server.limits import Limit

_TIMEOUT_SECONDS = 0.5
_PRUNE_SECONDS = 10.0


class Taken(NamedTuple):
    """What became of a question. ``tokens``: requests that are left. ``reason``: why not."""

    allowed: bool
    tokens: float
    reason: str


class Unreachable(Exception):
    """The counts cannot be asked now."""


class Counts(Protocol):
    """Counts of several processes. All raise ``Unreachable``."""

    async def take(self, key_id: str, limit: Limit, lease: str, seconds: float, cost: int = 1) -> Taken:
        """Take ``cost`` requests, and a place under the name ``lease`` for so many seconds."""
        ...

    async def give_back(self, key_id: str, lease: str) -> None: ...

    async def renew(self, leases: Mapping[str, Sequence[str]], seconds: float) -> None:
        """Keep places for so many seconds more."""
        ...

    async def close(self) -> None: ...


_ADMIT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local most, places, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local cost = tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if places >= 0 and redis.call('ZCARD', KEYS[2]) >= places then return {0, '0', 'concurrent'} end
local tokens = 0
if most >= 0 then
  local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
  tokens = tonumber(kept[1]) or most
  tokens = math.min(most, tokens + math.max(0, now - (tonumber(kept[2]) or now)) * most / 60)
  if tokens < cost then return {0, tostring(tokens), 'requests'} end
  tokens = tokens - cost
  redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
  redis.call('EXPIRE', KEYS[1], 120)
end
if places >= 0 then
  redis.call('ZADD', KEYS[2], now + lease, ARGV[3])
  redis.call('EXPIRE', KEYS[2], math.ceil(lease) + 1)
end
return {1, tostring(tokens), ''}
"""


class RedisCounts:
    """Counts of several machines."""

    def __init__(self, address: str, password: str = "") -> None:
        import redis
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        more: dict[str, Any] = {"password": password} if password else {}
        self._redis: Any = redis.asyncio.Redis.from_url(
            address,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
            **more,
        )
        self._admit = self._redis.register_script(_ADMIT)
        self._faults = (redis.RedisError, OSError, asyncio.TimeoutError)

    async def take(self, key_id: str, limit: Limit, lease: str, seconds: float, cost: int = 1) -> Taken:
        keys = [f"sluicegate:bucket:{key_id}", _places(key_id)]
        try:
            found = await self._admit(keys=keys, args=[*_numbers(limit), lease, seconds, cost])
        except self._faults as error:
            raise Unreachable(type(error).__name__) from None
        return Taken(bool(found[0]), float(found[1]), found[2].decode())

    async def give_back(self, key_id: str, lease: str) -> None:
        try:
            await self._redis.zrem(_places(key_id), lease)
        except self._faults as error:
            raise Unreachable(type(error).__name__) from None

    async def renew(self, leases: Mapping[str, Sequence[str]], seconds: float) -> None:
        try:
            whole, micros = await self._redis.time()
            until = whole + micros / 1e6 + seconds
            for key_id, ours in leases.items():
                await self._redis.zadd(_places(key_id), dict.fromkeys(ours, until), xx=True)
                await self._redis.expire(_places(key_id), int(seconds) + 2)
        except self._faults as error:
            raise Unreachable(type(error).__name__) from None

    async def close(self) -> None:
        await self._redis.aclose()


class FileCounts:
    """Counts of several workers on one machine, in an SQLite file that may be lost: it counts minutes."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._pruned = 0.0
        self._db: sqlite3.Connection | None = None

    async def take(self, key_id: str, limit: Limit, lease: str, seconds: float, cost: int = 1) -> Taken:
        def work(db: sqlite3.Connection, now: float) -> Taken:
            most, places = _numbers(limit)
            db.execute("DELETE FROM places WHERE until <= ?", (now,))
            if not self._pruned <= now < self._pruned + _PRUNE_SECONDS:
                db.execute("DELETE FROM buckets WHERE at < ?", (now - 60,))  # full again
                self._pruned = now
            if places >= 0:
                row = db.execute("SELECT count(*) FROM places WHERE key = ?", (key_id,)).fetchone()
                if row[0] >= places:
                    return Taken(False, 0.0, "concurrent")
            tokens = 0.0
            if most >= 0:
                row = db.execute("SELECT tokens, at FROM buckets WHERE key = ?", (key_id,)).fetchone()
                tokens, at = row if row is not None else (float(most), now)
                tokens = min(float(most), tokens + max(0.0, now - at) * most / 60)
                if tokens < cost:
                    return Taken(False, tokens, "requests")
                tokens -= cost
                db.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", (key_id, tokens, now))
            if places >= 0:
                db.execute("INSERT INTO places VALUES (?, ?, ?)", (key_id, lease, now + seconds))
            return Taken(True, tokens, "")

        return await asyncio.to_thread(self._ask, work)

    async def give_back(self, key_id: str, lease: str) -> None:
        def work(db: sqlite3.Connection, now: float) -> None:
            db.execute("DELETE FROM places WHERE key = ? AND lease = ?", (key_id, lease))

        await asyncio.to_thread(self._ask, work)

    async def renew(self, leases: Mapping[str, Sequence[str]], seconds: float) -> None:
        def work(db: sqlite3.Connection, now: float) -> None:
            rows = [(now + seconds, key_id, lease) for key_id, ours in leases.items() for lease in ours]
            db.executemany("UPDATE places SET until = ? WHERE key = ? AND lease = ?", rows)

        await asyncio.to_thread(self._ask, work)

    async def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _ask(self, work: Callable[[sqlite3.Connection, float], Any]) -> Any:
        """One transaction; nobody else reads or writes meanwhile."""
        with self._lock:
            try:
                if self._db is None:
                    self._db = self._open()
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    found = work(self._db, self._now())
                    self._db.execute("COMMIT")
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                return found
            except (sqlite3.Error, OSError) as error:
                if self._db is not None:
                    self._db.close()
                    self._db = None
                raise Unreachable(type(error).__name__) from None

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(
            self._path, timeout=_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        db.execute("PRAGMA journal_mode = MEMORY")
        db.execute("PRAGMA synchronous = OFF")  # after a power cut nobody remembers the last minute
        db.execute("CREATE TABLE IF NOT EXISTS buckets (key TEXT PRIMARY KEY, tokens REAL, at REAL)")
        db.execute("CREATE TABLE IF NOT EXISTS places (key TEXT, lease TEXT, until REAL)")
        return db


def _numbers(limit: Limit) -> tuple[int, int]:
    """Requests a minute and places; -1 for no limit."""
    most = -1 if limit.per_minute is None else limit.per_minute
    return most, -1 if limit.concurrent is None else limit.concurrent


def _places(key_id: str) -> str:
    return f"sluicegate:places:{key_id}"
