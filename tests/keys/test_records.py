"""State written by other releases, and records that are broken: in an SQLite file and in a real Redis."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import ConfigError
from proxy.keys import Allowed, KeyStore, State, Worker
from proxy.keys.key import digest
from proxy.keys.records import owner_subject
from proxy.keys.redis import RedisStore
from proxy.types import Caller
from tests.redis_server import redis_server

SECRET = "sk-sg-" + "A" * 43
NOW = 1000.0
TEXT = Allowed("alw_0123456789ab", "greeting", 1.0, "kid", b"\x00\xff\x01", "inc_0123456789abcdef")
KEY: dict[str, Any] = {
    "id": "key_0123456789ab",
    "name": "laptop",
    "role": "staff",
    "created": 1.0,
    "revoked": None,
    "hash": digest(SECRET).hex(),
}
REPORT: dict[str, Any] = {"id": "w", "seen": NOW, "host": "h", "pid": 1}


class SqlitePlace:
    """A state file, and how a record comes into it past this release."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.db"
        self.opened: list[KeyStore] = []
        self.store().close()

    def store(self) -> KeyStore:
        made = KeyStore(self.path, fresh_seconds=0.0, now=lambda: NOW)
        self.opened.append(made)
        return made

    def _put(self, table: str, record: dict[str, Any]) -> None:
        raw = sqlite3.connect(self.path)
        names = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
        for name in record:
            if name not in names:
                raw.execute(f"ALTER TABLE {table} ADD COLUMN {name}")
        marks = ", ".join("?" * len(record))
        raw.execute(f"INSERT INTO {table} ({', '.join(record)}) VALUES ({marks})", tuple(record.values()))
        raw.commit()
        raw.close()

    def put_key(self, record: dict[str, Any]) -> None:
        raw = record | {"hash": _bytes(record["hash"])}
        self._put("keys", {name: _plain(value) for name, value in raw.items()})

    def put_allowed(self, record: dict[str, Any]) -> None:
        self._put("allowed", {name: _plain(value) for name, value in record.items()})

    def put_worker(self, name: str, told: str) -> None:
        self._put("workers", {"id": name, "seen": NOW, "told": told})

    def close(self) -> None:
        for each in self.opened:
            each.close()


class RedisPlace:
    """The same for a Redis."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opened: list[RedisStore] = []
        self._raw = self.store()._redis

    def store(self) -> RedisStore:
        made = RedisStore(self.url, fresh_seconds=0.02, timeout=1, now=lambda: NOW)
        self.opened.append(made)
        return made

    def put_key(self, record: dict[str, Any]) -> None:
        self._raw.hset("sluicegate:keys", record.get("id", "key_0"), json.dumps(record))

    def put_allowed(self, record: dict[str, Any]) -> None:
        kept = record | {"hashes": base64.b64encode(record["hashes"]).decode()}
        self._raw.hset("sluicegate:allowed", record["id"], json.dumps(kept))

    def put_worker(self, name: str, told: str) -> None:
        self._raw.hset("sluicegate:workers", name, told)

    def close(self) -> None:
        for each in self.opened:
            each.close()


Place = SqlitePlace | RedisPlace


def _bytes(hashed: str) -> object:
    """As the file keeps it; what is no hex goes in as it is."""
    try:
        return bytes.fromhex(hashed)
    except ValueError:
        return hashed


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list) else value


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        made: Place = SqlitePlace(tmp_path)
        yield made
        made.close()
        return
    with redis_server(tmp_path) as server:
        made = RedisPlace(server.url)
        yield made
        made.close()


def test_records_of_a_newer_release_are_read(place: Place) -> None:
    """Fields and columns that this release does not know are ignored, in keys, texts and workers."""
    place.put_key(KEY | {"owner": "ann", "colour": "blue", "limits": {"a": [1]}})
    place.put_allowed({name: getattr(TEXT, name) for name in TEXT.__slots__} | {"until": 2.5})
    place.put_worker("w", json.dumps(REPORT | {"kernel": "k", "shards": [1, 2]}))
    store = place.store()
    assert store.authenticate(SECRET) == Caller(KEY["id"], "staff", owner_subject("ann"))
    assert [(key.id, key.owner) for key in store.list()] == [(KEY["id"], "ann")]
    assert list(store.allowed()) == [TEXT]
    assert list(store.workers()) == [Worker("w", NOW, host="h", pid=1)]
    assert list(store.unread) == []
    assert store.create("public", "more").key.name == "more"  # writing works beside the new column too
    store.allow(Allowed("alw_ffffffffffff", "more", 2.0, "kid", b""))
    store.report(Worker("v", NOW))
    store.revoke(KEY["id"])
    assert store.authenticate(SECRET) is None
    assert (len(store.list()), len(store.allowed()), len(store.workers())) == (2, 2, 2)


def test_records_of_an_older_release_are_read(place: Place) -> None:
    """What they lack has its default: a key has no owner, and counts for itself."""
    place.put_key(KEY)
    place.put_worker("w", '{"id": "w", "seen": 1000.0}')
    store = place.store()
    assert store.authenticate(SECRET) == Caller(KEY["id"], "staff", KEY["id"])
    assert [key.owner for key in store.list()] == [""]
    assert list(store.workers()) == [Worker("w", NOW)]
    assert list(store.unread) == []


def test_a_file_of_an_older_release_gets_the_new_column(tmp_path: Path) -> None:
    """Its keys stay good, and the version stays, so that the older release can go on with it."""
    path = tmp_path / "state.db"
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute(
        "CREATE TABLE keys (id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, "
        "role TEXT NOT NULL, created REAL NOT NULL, revoked REAL)"
    )
    raw.execute(
        "CREATE TABLE allowed (id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, "
        "index_key TEXT NOT NULL, hashes BLOB NOT NULL, about TEXT NOT NULL)"
    )
    raw.execute("CREATE TABLE signals (name TEXT PRIMARY KEY, number INTEGER NOT NULL)")
    raw.execute("CREATE TABLE workers (id TEXT PRIMARY KEY, seen REAL NOT NULL, told TEXT NOT NULL)")
    raw.execute(
        "INSERT INTO keys VALUES ('key_0123456789ab', ?, 'n', 'staff', 1.0, NULL)", (digest(SECRET),)
    )
    raw.execute(f"PRAGMA application_id = {0x536C4774}")
    raw.execute("PRAGMA user_version = 2")
    raw.close()
    path.chmod(0o600)
    store = KeyStore(path)
    assert store.authenticate(SECRET) == Caller("key_0123456789ab", "staff")
    assert store.create("staff", "two", "ann").key.owner == "ann"
    older = sqlite3.connect(path, isolation_level=None)  # what the older release does with the file
    rows = older.execute("SELECT id, name, role, created, revoked FROM keys ORDER BY created").fetchall()
    assert [row[1] for row in rows] == ["n", "two"]
    older.execute(
        "INSERT INTO keys (id, hash, name, role, created) VALUES ('key_2', ?, 'three', 'staff', 3.0)",
        (bytes(32),),
    )
    assert older.execute("PRAGMA user_version").fetchone()[0] == 2
    older.close()
    assert {key.name: key.owner for key in store.list()} == {"n": "", "two": "ann", "three": ""}
    store.close()


BROKEN_KEYS: dict[str, Callable[[], dict[str, Any]]] = {
    "hash that is no digest": lambda: KEY | {"hash": "00ff"},
    "hash that is no hex": lambda: KEY | {"hash": "z" * 64},
    "role that is too long": lambda: KEY | {"role": "staff" * 100},
    "empty role": lambda: KEY | {"role": ""},
    "role of two lines": lambda: KEY | {"role": "staff\nadmin"},
    "time that is text": lambda: KEY | {"created": "yesterday"},
    "revoked by a word": lambda: KEY | {"revoked": "yes"},
    "name that is huge": lambda: KEY | {"name": "x" * 100_000},
    "owner of control characters": lambda: KEY | {"owner": "a\x00b"},
}


@pytest.mark.parametrize("what", BROKEN_KEYS)
def test_a_broken_key_lets_nobody_in(place: Place, what: str) -> None:
    """It is left out and reported; the other keys are good, and the state is not down."""
    good = place.store().create("public", "good").secret
    place.put_key(BROKEN_KEYS[what]())
    store = place.store()
    store.check()
    assert store.authenticate(SECRET) is None
    caller = store.authenticate(good)
    assert caller is not None
    assert caller.role == "public"
    assert [key.name for key in store.list()] == ["good"]
    (line,) = store.unread
    assert line.startswith("key key_0123456789ab: '")
    assert len(line) < 120


def test_a_broken_record_is_forgotten_once_it_is_mended(place: Place) -> None:
    """What is reported is what is there now."""
    place.put_key(KEY | {"role": ""})
    store = place.store()
    store.list()
    assert len(store.unread) == 1
    if isinstance(place, RedisPlace):
        place.put_key(KEY)
    else:
        raw = sqlite3.connect(place.path)
        raw.execute("UPDATE keys SET role = 'staff'")
        raw.commit()
        raw.close()
    assert [key.role for key in store.list()] == ["staff"]
    assert list(store.unread) == []


def test_broken_texts_and_workers_are_left_out(place: Place) -> None:
    """The rest is read; each broken one is reported by its kind."""
    store = place.store()
    store.allow(TEXT)
    store.report(Worker("a", NOW))
    broken = {"id": "alw_1", "name": "n", "created": "x", "index_key": "k", "hashes": b"", "about": ""}
    place.put_allowed(broken)
    for name, told in (
        ("b", "no JSON"), ("c", "[]"), ("d", '{"id": "d"}'), ("e", '{"id": "e", "seen": NaN}'),
        ("f", '{"id": "f", "seen": 1000.0, "pid": "one"}'), ("g", '{"id": 7, "seen": 1000.0}'),
        ("h", "[" * 100_000),
    ):  # fmt: skip
        place.put_worker(name, told)
    assert list(store.allowed()) == [TEXT]
    assert [each.id for each in store.workers()] == ["a"]
    kinds = [line.split(" ")[0] for line in store.unread]
    assert (kinds.count("allowed"), kinds.count("worker")) == (1, 7)
    assert store.signals().allowed == 1


def test_two_records_of_one_hash_let_nobody_in(tmp_path: Path) -> None:
    """Redis cannot keep hashes apart: whose role the key has would be chance. Both are reported."""
    with redis_server(tmp_path) as server:
        place = RedisPlace(server.url)
        for number, role in enumerate(("public", "admin", "staff")):
            place.put_key(KEY | {"id": f"key_{number}", "role": role})
        store = place.store()
        assert store.authenticate(SECRET) is None
        store.list()
        assert any("holds the same hash" in line for line in store.unread)
        place.close()


def test_a_record_under_another_name_lets_nobody_in(tmp_path: Path) -> None:
    """It could not be revoked: a revocation goes by the id."""
    with redis_server(tmp_path) as server:
        place = RedisPlace(server.url)
        place._raw.hset("sluicegate:keys", "key_ffff\x1b[2J", json.dumps(KEY))
        store = place.store()
        assert store.authenticate(SECRET) is None
        store.list()
        assert list(store.unread) == ["key key_ffff?[2J: kept under another id than its own"]
        place.close()


def test_bytes_that_are_no_text_break_one_record(tmp_path: Path) -> None:
    """SQLite keeps any bytes as text: the record is left out, not the file."""
    place = SqlitePlace(tmp_path)
    store = place.store()
    good = store.create("public").secret
    raw = sqlite3.connect(place.path)
    raw.execute(
        "INSERT INTO keys (id, hash, name, role, created) "
        "VALUES ('key_0', ?, CAST(x'ff41' AS TEXT), 'admin', 1)",
        (digest(SECRET),),
    )
    raw.commit()
    raw.close()
    assert store.authenticate(SECRET) is None
    assert store.authenticate(good) is not None
    assert len(store.list()) == 1
    assert list(store.unread) == ["key key_0: 'name' is not one line of text"]
    place.close()


def test_an_unknown_signal_is_ignored(place: Place) -> None:
    """A newer release may count more."""
    store = place.store()
    if isinstance(place, RedisPlace):
        place._raw.hset("sluicegate:signals", "caf\u00e9", "many")
    else:
        raw = sqlite3.connect(place.path)
        raw.execute("INSERT INTO signals (name, number) VALUES ('ledger', 7)")
        raw.commit()
        raw.close()
    assert store.ask_to_reload() == 1
    assert store.signals().reload == 1
    assert place.store().signals().reload == 1


def test_owners(place: Place) -> None:
    """All keys of one owner are one subject; others, and keys without one, are others."""
    store: State = place.store()
    made = [store.create("staff", "", owner).secret for owner in ("ann", "ann", "bob", "", "")]
    found = [store.authenticate(secret) for secret in made]
    assert all(found)
    subjects = [caller.subject for caller in found if caller is not None]
    assert subjects[0] == subjects[1]
    assert len(set(subjects)) == 4
    assert all(len(subject) <= 20 and "ann" not in subject for subject in subjects)
    assert [key.owner for key in store.list()].count("ann") == 2


@pytest.mark.parametrize("owner", ["x" * 101, "a\nb", " ann", "ann ", "\u202eann", SECRET])
def test_an_owner_is_a_plain_name(place: Place, owner: str) -> None:
    """One short line, and never a key pasted by mistake."""
    store = place.store()
    with pytest.raises(ConfigError, match="a key's owner has at most 100") as refused:
        store.create("staff", "", owner)
    assert SECRET not in str(refused.value)
    assert list(store.list()) == []


@pytest.mark.parametrize("must", ["expires", "owner networks", "bad\x1b[31mname", "revoked,name"])
def test_a_key_with_limits_that_this_release_does_not_know_lets_nobody_in(place: Place, must: str) -> None:
    """Ignoring a limit would give the key more than its maker did; it is reported with the limit's name."""
    place.put_key({**KEY, "must": must, "expires": 5.0})
    store = place.store()
    assert store.authenticate(SECRET) is None
    assert not [key for key in store.list() if key.id == KEY["id"]]
    (said,) = store.unread
    assert "which this release does not know; update the release" in said
    assert "\x1b" not in said
    assert ("expires" in said) is (must == "expires")


@pytest.mark.parametrize("must", ["", "owner", "role owner revoked", None])
def test_limits_that_this_release_knows_let_the_key_in(place: Place, must: str | None) -> None:
    """Nothing else changes."""
    place.put_key({**KEY, "must": must})
    assert place.store().authenticate(SECRET) is not None
