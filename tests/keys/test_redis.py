"""proxy/keys/redis.py against a real Redis: what replicas share, and what is left while it is down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.keys import Allowed, Signals, Worker, open_state
from proxy.keys.redis import RedisStore
from proxy.types import Caller
from tests.redis_server import RedisServer, redis_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisStore]:
    made = RedisStore(server.url, fresh_seconds=0.02, timeout=1)
    yield made
    made.close()


@pytest.fixture
def other(server: RedisServer) -> Iterator[RedisStore]:
    """Another replica."""
    made = RedisStore(server.url, fresh_seconds=0.02, timeout=1)
    yield made
    made.close()


def until(look: Callable[[], object]) -> None:
    """Wait for a thread that compares every few milliseconds."""
    for _ in range(1000):
        if look():
            return
        time.sleep(0.01)
    pytest.fail("waited in vain")


def test_a_key_lets_its_caller_in_everywhere(store: RedisStore, other: RedisStore) -> None:
    """A key made through one replica is good at the other, until it is revoked; who made it knows at once."""
    new = store.create("staff", "laptop")
    assert store.authenticate(new.secret) == Caller(new.key.id, "staff")
    until(lambda: other.authenticate(new.secret) == Caller(new.key.id, "staff"))
    assert other.revoke("laptop").id == new.key.id
    assert other.authenticate(new.secret) is None
    until(lambda: store.authenticate(new.secret) is None)
    assert [(key.id, key.revoked is None) for key in store.list()] == [(new.key.id, False)]
    with pytest.raises(ConfigError, match="was revoked already"):
        store.revoke("laptop")
    for wrong in ("", "sk-sg-", new.secret + "x", new.key.id):
        assert store.authenticate(wrong) is None


def test_only_the_hash_is_at_rest(store: RedisStore, server: RedisServer) -> None:
    """No file of Redis holds a key."""
    secret = store.create("staff").secret.removeprefix("sk-sg-").encode()
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert any(b"staff" in path.read_bytes() for path in files)
    assert not any(secret in path.read_bytes() for path in files)


def test_redis_goes_and_comes_back(store: RedisStore, server: RedisServer) -> None:
    """A key that was good stays good; another cannot be checked; changes cannot be made; then all is well."""
    known = store.create("staff").secret
    stranger = "sk-sg-" + "A" * 43
    assert store.stale_seconds == 0
    server.kill()
    until(lambda: store.stale_seconds > 0)
    assert store.authenticate(known) is not None
    store.check()
    with pytest.raises(ConfigError, match="cannot be checked"):
        store.authenticate(stranger)
    for attempt in (
        lambda: store.create("staff"),
        store.list,
        store.signals,
        lambda: store.revoke("key_0000"),
    ):
        with pytest.raises(ConfigError, match="the state cannot be reached: no connection"):
            attempt()
    server.start()
    until(lambda: store.stale_seconds == 0)
    assert store.authenticate(known) is not None
    assert store.authenticate(stranger) is None


def test_a_state_that_comes_back_empty_lets_nobody_in(store: RedisStore, server: RedisServer) -> None:
    """An emptied state is no outage: what it does not hold is not good any more."""
    known = store.create("staff").secret
    server.kill()
    until(lambda: store.stale_seconds > 0)
    for path in server.folder.rglob("*.aof*"):
        path.unlink()
    server.start()
    until(lambda: store.authenticate(known) is None if not store.stale_seconds else False)


def test_an_emptied_state_is_noticed(store: RedisStore, other: RedisStore) -> None:
    """Also where it was emptied while it ran, and filled again as far as before."""
    known = store.create("staff").secret
    until(lambda: other.authenticate(known))
    store._redis.flushall()
    until(lambda: other.authenticate(known) is None)


def test_redis_that_is_not_there(tmp_path: Path) -> None:
    """A worker that never knew anything does not start, and says why without the password."""
    pytest.importorskip("redis")
    for address in ("redis://:secret@127.0.0.1:1/0", "redis://:secret@127.0.0.1:1"):
        with pytest.raises(
            ConfigError, match=r"redis://127.0.0.1:1(/0)?: the state cannot be reached"
        ) as error:
            RedisStore(address, timeout=0.5)
        assert "secret" not in str(error.value)
    for address in ("http://127.0.0.1:1", "redis://127.0.0.1:x/0", "redis://127.0.0.1/x"):
        with pytest.raises(ConfigError) as error:
            open_state(address, {})
        assert "redis://HOST" in str(error.value)


def test_a_password(server: RedisServer, store: RedisStore) -> None:
    """From the environment, for both sides; a wrong one is said to be wrong."""
    store._redis.config_set("requirepass", "a long password")
    with pytest.raises(ConfigError, match="wrong or missing password"):
        open_state(server.url, {})
    made = open_state(server.url, {"SLUICEGATE_REDIS_PASSWORD": "a long password\n"})
    made.check()
    made.close()


def test_a_closed_state(server: RedisServer) -> None:
    """After closing nobody is let in."""
    made = RedisStore(server.url)
    key = made.create("staff").secret
    made.close()
    with pytest.raises(ConfigError):
        made.authenticate(key)
    with pytest.raises(ConfigError, match="is closed"):
        made.check()


def test_allowed_texts(store: RedisStore, other: RedisStore) -> None:
    """They are listed everywhere, and each change raises the counter."""
    text = Allowed("alw_0123456789ab", "greeting", 1.0, "kid", b"\x00\xff\x01", "inc_0123456789abcdef")
    store.allow(text)
    assert list(other.allowed()) == [text]
    assert other.signals() == Signals(allowed=1, reload=0)
    assert other.disallow("greeting") == text
    assert list(store.allowed()) == []
    assert store.signals().allowed == 2
    with pytest.raises(ConfigError, match="no allowed text"):
        store.disallow("greeting")


def test_workers_and_requests_to_reload(store: RedisStore, other: RedisStore) -> None:
    """Everybody sees who serves what; who has not reported for long is not listed."""
    now = time.time()
    mine = Worker("b", now, host="h", pid=1, policy="p", index="i", reload=store.ask_to_reload())
    store.report(mine)
    store.report(Worker("a", now - 60))
    store.report(Worker("c", now - 600))
    assert other.workers() == [mine]
    assert mine.reload == other.signals().reload == 1
    assert not store._redis.hexists("sluicegate:workers", "c")
    other.gone("b")
    assert store.workers() == []


def test_what_is_not_ours(store: RedisStore, server: RedisServer) -> None:
    """Something else under our names is a fault, not a key."""
    store._redis.hset("sluicegate:keys", "key_0", "{}")
    assert list(store.list()) == []
    assert list(store.unread) == ["key key_0: 'hash' is not a SHA-256 digest"]
    store._redis.hset("sluicegate:signals", "allowed", "many")
    with pytest.raises(ConfigError, match="holds something that is not Sluicegate's"):
        store.signals()


def test_the_highest_build_number_is_kept(store: RedisStore) -> None:
    """For each key id and name by itself, through any number of openings; it is lowered on purpose only."""
    assert store.serial("key", "x.idx") == 0
    for serial, kept in ((5, 5), (7, 7), (6, 7), (7, 7)):
        store.raise_serial("key", "x.idx", serial)
        assert store.serial("key", "x.idx") == kept
    store.raise_serial("key", "y.idx", 3)
    store.raise_serial("other", "x.idx", 4)
    store.lower_serial("key", "x.idx", 6)
    kept = (("key", "x.idx", 6), ("key", "y.idx", 3), ("other", "x.idx", 4))
    assert all(store.serial(key, name) == serial for key, name, serial in kept)


def test_build_numbers_are_shared_and_never_fall(store: RedisStore, other: RedisStore) -> None:
    """A replica that starts with an older index lowers nothing; what is no number is said to be none."""
    store.raise_serial("k", "x", 1_800_000_001)
    other.raise_serial("k", "x", 1_800_000_000)
    assert other.serial("k", "x") == store.serial("k", "x") == 1_800_000_001
    store._redis.hset("sluicegate:serials", "k:x", "many")
    with pytest.raises(ConfigError, match="holds something that is not Sluicegate's"):
        other.serial("k", "x")
