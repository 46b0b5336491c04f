"""The state of several machines, in Redis.

A thread compares what is known with Redis twice a second, so no request waits for it. While Redis does not
answer, those keys stay good that were good when it last did; a key that is not known then cannot be checked,
and is refused as a fault, not as a wrong key. A state that comes back empty is empty: nobody is let in.

Names in Redis: ``sluicegate:keys`` (id to key), ``sluicegate:allowed`` (id to hashes), ``sluicegate:signals``
(counters that rise with each change), ``sluicegate:workers`` (what each worker reports) and
``sluicegate:serials`` (key id and name of an index to its highest build number).

May import: ``proxy.errors``, ``proxy.types``, this room, and redis inside functions. The rule that must stay
true: the address may hold a password, and stands in no message.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from proxy.errors import ConfigError
from proxy.keys import records
from proxy.keys.key import Key, NewKey, chosen, digest, looks_like_a_key, new_key
from proxy.keys.state import ALIVE_SECONDS, FORGOTTEN_SECONDS, Allowed, Signals, Worker, chosen_text
from proxy.types import Caller

FRESH_SECONDS = 0.5
"""How often what is known is compared with Redis."""

TIMEOUT_SECONDS = 2.0

_KEYS, _ALLOWED = "sluicegate:keys", "sluicegate:allowed"
_SIGNALS, _WORKERS = "sluicegate:signals", "sluicegate:workers"
_SERIALS = "sluicegate:serials"
_RAISE = """
local kept = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if tonumber(ARGV[2]) > kept then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
"""
_T = TypeVar("_T")
_ADDRESS = re.compile(r"unix://|rediss?://[^/]*(/[0-9]*)?(\?|$)")


class RedisStore:
    """The state (``state.State``) in a Redis that replicas share. Raises ``ConfigError`` where it cannot be
    reached when it is opened. Open it after a fork, never before: its thread does not survive one."""

    def __init__(
        self,
        address: str,
        *,
        password: str = "",
        fresh_seconds: float = FRESH_SECONDS,
        timeout: float = TIMEOUT_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``password``: where the address holds none. ``timeout``: of one question, in seconds."""
        self._where = _without_password(address)
        self._fresh_seconds = fresh_seconds
        self._now = now
        self._redis = _client(address, password, timeout, self._where)
        self._callers: Mapping[bytes, Caller] = {}
        self._broken: dict[str, Sequence[str]] = {}
        self._versions: Mapping[str, int] | None = None
        self._asked = time.monotonic()
        self._down = ""
        self._end = threading.Event()
        with self._faults():
            self._compare()
        self._thread = threading.Thread(target=self._follow, name="state", daemon=True)
        self._thread.start()

    @property
    def where(self) -> str:
        return self._where

    @property
    def stale_seconds(self) -> float:
        """For how long Redis has not answered; 0 while it does."""
        return time.monotonic() - self._asked if self._down else 0.0

    @property
    def unread(self) -> Sequence[str]:
        return [line for lines in list(self._broken.values()) for line in lines]

    def check(self) -> None:
        if self._end.is_set():
            raise ConfigError(f"{self._where}: the state is closed")

    # --- keys

    def create(self, role: str, name: str = "", owner: str = "") -> NewKey:
        """Make a key for a role; see ``sqlite.KeyStore.create``."""
        made = new_key(role, name, self._now(), owner)
        kept = json.dumps(asdict(made.key) | {"hash": digest(made.secret).hex()})
        self._change("keys", lambda pipe: pipe.hset(_KEYS, made.key.id, kept))
        return made

    def list(self) -> Sequence[Key]:
        """All keys, revoked ones too, oldest first, as Redis has them now."""
        with self._faults():
            return self._read_keys(self._redis.hgetall(_KEYS))[0]

    def revoke(self, which: str) -> Key:
        """Revoke the one active key that is meant; see ``sqlite.KeyStore.revoke``."""
        with self._faults():
            found = self._redis.hgetall(_KEYS)
        key = replace(chosen(which, self._read_keys(found)[0]), revoked=self._now())
        kept = json.loads(found[key.id.encode()]) | {"revoked": key.revoked}
        self._change("keys", lambda pipe: pipe.hset(_KEYS, key.id, json.dumps(kept)))
        return key

    def authenticate(self, presented: str) -> Caller | None:
        """The caller of an active key, or None; from memory. Raises ConfigError where that cannot be told."""
        if not looks_like_a_key(presented):
            return None
        caller = self._callers.get(digest(presented))
        if caller is None and (self._down or self._end.is_set()):
            raise ConfigError(f"{self._where}: does not answer, so a key that is not known cannot be checked")
        return caller

    # --- what else is shared

    def allow(self, text: Allowed) -> None:
        kept = json.dumps(asdict(text) | {"hashes": base64.b64encode(text.hashes).decode("ascii")})
        self._change("allowed", lambda pipe: pipe.hset(_ALLOWED, text.id, kept))

    def allowed(self) -> Sequence[Allowed]:
        """Every allowed text, oldest first."""
        with self._faults():
            kept = self._redis.hgetall(_ALLOWED)
        found = [(name, partial(_read, records.allowed, name, text)) for name, text in kept.items()]
        texts, self._broken["allowed"] = records.readable("allowed text", found)
        return sorted(texts, key=lambda text: (text.created, text.id))

    def disallow(self, which: str) -> Allowed:
        text = chosen_text(which, self.allowed())
        self._change("allowed", lambda pipe: pipe.hdel(_ALLOWED, text.id))
        return text

    def ask_to_reload(self) -> int:
        with self._faults():
            return int(self._redis.hincrby(_SIGNALS, "reload", 1))

    def signals(self) -> Signals:
        with self._faults():
            found = _numbers(self._redis.hgetall(_SIGNALS))
        return Signals(found.get("allowed", 0), found.get("reload", 0))

    def report(self, worker: Worker) -> None:
        with self._faults():
            self._redis.hset(_WORKERS, worker.id, worker.to_json())

    def workers(self) -> Sequence[Worker]:
        with self._faults():
            kept = self._redis.hgetall(_WORKERS)
            reports = [(name, partial(_read, records.worker, name, text)) for name, text in kept.items()]
            found, self._broken["worker"] = records.readable("worker", reports)
            old = [each.id for each in found if each.seen < self._now() - FORGOTTEN_SECONDS]
            if old:
                self._redis.hdel(_WORKERS, *old)
        alive = [each for each in found if each.seen >= self._now() - ALIVE_SECONDS]
        return sorted(alive, key=lambda worker: worker.id)

    def gone(self, worker: str) -> None:
        with self._faults():
            self._redis.hdel(_WORKERS, worker)

    def serial(self, index_key: str, name: str) -> int:
        with self._faults():
            return int(self._redis.hget(_SERIALS, f"{index_key}:{name}") or 0)

    def raise_serial(self, index_key: str, name: str, serial: int) -> None:
        with self._faults():
            self._redis.eval(_RAISE, 1, _SERIALS, f"{index_key}:{name}", serial)

    def lower_serial(self, index_key: str, name: str, serial: int) -> None:
        with self._faults():
            self._redis.hset(_SERIALS, f"{index_key}:{name}", serial)

    def close(self) -> None:
        """Stop comparing; afterwards nobody is let in."""
        self._end.set()
        self._callers = {}
        self._thread.join(10)
        self._redis.close()

    # --- the inside

    def _change(self, what: str, change: Callable[[Any], object]) -> None:
        """Make a change and raise its counter at once, and follow it."""
        with self._faults():
            pipe = self._redis.pipeline(transaction=True)
            change(pipe)
            pipe.hincrby(_SIGNALS, what, 1)
            pipe.execute()
            self._compare()

    def _compare(self) -> None:
        """Ask Redis whether the keys have changed, and read them where they have."""
        versions = _numbers(self._redis.hgetall(_SIGNALS))
        if self._versions is None or versions.get("keys", 0) != self._versions.get("keys", 0):
            self._callers = self._read_keys(self._redis.hgetall(_KEYS))[1]
        self._versions = versions
        self._asked = time.monotonic()
        self._down = ""

    def _read_keys(self, kept: Mapping[bytes, bytes]) -> tuple[Sequence[Key], Mapping[bytes, Caller]]:
        """The keys, oldest first, and who is let in."""
        found = [(name, partial(_read_key, name, text)) for name, text in kept.items()]
        good, bad = records.readable("key", found)
        callers, twice = records.callers(good)
        self._broken["key"] = (*bad, *twice)
        return sorted((key for _, key in good), key=lambda key: (key.created, key.id)), callers

    def _follow(self) -> None:
        while not self._end.wait(self._fresh_seconds):
            try:
                with self._faults():
                    self._compare()
            except ConfigError as error:
                if not self._down:
                    self._versions = None  # what comes back may be another state with the same counters
                self._down = str(error)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        import redis

        try:
            yield
        except redis.RedisError as error:
            raise ConfigError(f"{self._where}: the state cannot be reached: {_reason(error)}") from None
        except (ValueError, TypeError, KeyError):
            raise ConfigError(f"{self._where}: holds something that is not Sluicegate's") from None
        except OSError as error:
            raise ConfigError(
                f"{self._where}: the state cannot be reached: {error.strerror or type(error).__name__}"
            ) from None


def _client(address: str, password: str, timeout: float, where: str) -> Any:
    if not _ADDRESS.match(address):
        raise ConfigError(f"{where}: not the address of a Redis; write redis://HOST:PORT/NUMBER, or a file")
    try:
        import redis
    except ModuleNotFoundError:
        raise ConfigError(
            f"{where}: the client for Redis is not installed; install sluicegate with the extra 'redis'"
        ) from None
    more = {"password": password} if password else {}
    try:
        return redis.Redis.from_url(
            address, socket_timeout=timeout, socket_connect_timeout=timeout, client_name="sluicegate", **more
        )
    except (ValueError, TypeError):
        raise ConfigError(f"{where}: not the address of a Redis; write redis://HOST:PORT/NUMBER") from None


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    try:
        place = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        place = "(unreadable)"
    return f"{parts.scheme}://{place}{parts.path}"


def _reason(error: Exception) -> str:
    """What kind of fault; a message of the client may repeat what was sent."""
    words = {
        "AuthenticationError": "wrong or missing password (SLUICEGATE_REDIS_PASSWORD)",
        "TimeoutError": "no answer in time",
        "ConnectionError": "no connection",
        "ReadOnlyError": "it is a replica, and read only",
        "OutOfMemoryError": "it is out of memory",
    }
    return words.get(type(error).__name__, type(error).__name__)


def _numbers(found: Mapping[bytes, bytes]) -> dict[str, int]:
    """The counters that this release knows."""
    known = {name: name.encode("ascii") for name in ("keys", "allowed", "reload")}
    return {name: int(found[stored]) for name, stored in known.items() if stored in found}


def _read_key(name: bytes, text: bytes) -> tuple[bytes, Key]:
    known, key = records.key(records.from_json(text))
    _same(name, key.id)
    return known, key


def _read(read: Callable[[records.Record], _T], name: bytes, text: bytes) -> _T:
    record = records.from_json(text)
    _same(name, record.get("id"))
    return read(record)


def _same(name: bytes, id_: object) -> None:
    """Revoking and forgetting go by the name in Redis, so a record under another name is broken."""
    if id_ != name.decode("utf-8", "replace"):
        raise records.Broken("kept under another id than its own")
