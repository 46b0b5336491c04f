"""proxy/keys/sqlite.py: keys are made, shown once, looked up by hash, and revoked."""

from __future__ import annotations

import multiprocessing
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.keys import Allowed, Keys, KeyStore, Signals, Worker
from proxy.types import Caller


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    opened = KeyStore(path, fresh_seconds=0.0, busy_seconds=0.2)
    yield opened
    opened.close()


def test_a_key_has_the_documented_form(store: KeyStore) -> None:
    """`sk-sg-` and 43 url-safe characters; the id is `key_` and 12 hexadecimal digits."""
    new = store.create("staff", "laptop")
    assert re.fullmatch(r"sk-sg-[A-Za-z0-9_-]{43}", new.secret)
    assert re.fullmatch(r"key_[0-9a-f]{12}", new.key.id)
    assert (new.key.role, new.key.name, new.key.revoked) == ("staff", "laptop", None)
    assert len({store.create("staff").secret for _ in range(20)}) == 20


def test_a_key_lets_its_caller_in(store: KeyStore) -> None:
    """The key gives the caller's id and role; anything else gives nobody."""
    new = store.create("staff")
    assert store.authenticate(new.secret) == Caller(new.key.id, "staff")
    wrong = new.secret[:-1] + ("A" if new.secret[-1] != "A" else "B")
    others = [
        "",
        "sk-sg-",
        wrong,
        new.secret + "x",
        " " + new.secret,
        new.secret + "\n",
        new.key.id,
        "é" * 49,
    ]
    assert [store.authenticate(each) for each in [*others, "sk-sg-" + "\ud800" * 43]] == [None] * 9


def test_only_the_hash_is_at_rest(path: Path, store: KeyStore) -> None:
    """Neither the file, nor its journal, nor what is printed of a key holds the key."""
    new = store.create("staff", "laptop")
    secret = new.secret.removeprefix("sk-sg-")
    assert secret not in repr(new)
    files = list(path.parent.iterdir())
    assert len(files) >= 2
    for file in files:
        assert secret.encode() not in file.read_bytes()
    store.close()
    assert b"laptop" in path.read_bytes()
    assert secret.encode() not in path.read_bytes()


def test_the_files_are_for_their_owner_alone(path: Path) -> None:
    """State and journal have mode 0600 and a new folder 0700, whatever the umask."""
    before = os.umask(0)
    try:
        store = KeyStore(path.parent / "new" / "state.db")
        store.create("staff")
    finally:
        os.umask(before)
    folder = path.parent / "new"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes["state.db"] == modes["state.db-wal"] == 0o600
    store.close()


def test_a_revoked_key_is_out_at_once(store: KeyStore) -> None:
    """After revoke the key is nobody's, and the list says when that was."""
    one, two = store.create("staff"), store.create("staff")
    revoked = store.revoke(one.key.id)
    assert revoked.id == one.key.id
    assert revoked.revoked is not None
    assert store.authenticate(one.secret) is None
    assert store.authenticate(two.secret) is not None
    assert [(key.id, key.revoked) for key in store.list()] == [
        (one.key.id, revoked.revoked),
        (two.key.id, None),
    ]


def test_times_come_from_the_clock(path: Path) -> None:
    """Created and revoked are the clock's seconds."""
    ticks = iter([100.0, 250.0])
    store = KeyStore(path, now=lambda: next(ticks))
    store.create("staff", "a")
    assert store.revoke("a").revoked == 250.0
    assert [(key.created, key.revoked) for key in store.list()] == [(100.0, 250.0)]
    store.close()


def test_revoke_takes_a_name_or_the_beginning_of_an_id(store: KeyStore) -> None:
    """A name that only one active key has will do, and so will an id's first four digits."""
    one, two = store.create("staff", "laptop"), store.create("staff", "phone")
    assert store.revoke("laptop").id == one.key.id
    assert store.revoke(two.key.id[:8]).id == two.key.id


def test_revoke_refuses_what_is_not_clear(store: KeyStore) -> None:
    """Two keys of one name, a name nobody has, a short beginning, nothing, and a revoked key are errors."""
    one, two = store.create("staff", "same"), store.create("admin", "same")
    with pytest.raises(ConfigError, match=f"2 active keys .*{one.key.id}, {two.key.id}; give one id"):
        store.revoke("same")
    for which in ("nobody's", "key_", one.key.id[:7], "", one.secret):
        with pytest.raises(ConfigError, match="no active key has that id or name"):
            store.revoke(which)
    store.revoke(one.key.id)
    with pytest.raises(ConfigError, match=f"{one.key.id} was revoked already, at 20"):
        store.revoke(one.key.id)
    assert store.revoke("same").id == two.key.id


def test_no_error_repeats_a_key(store: KeyStore) -> None:
    """A key typed where a name belongs does not come back in the message."""
    new = store.create("staff")
    for ask in (lambda: store.revoke(new.secret), lambda: store.create("staff", new.secret)):
        with pytest.raises(ConfigError) as refused:
            ask()
        assert new.secret[6:] not in str(refused.value)


@pytest.mark.parametrize("name", ["x" * 101, "two\nlines", "key_abc", "sk-sg-abc"])
def test_a_name_is_for_people(store: KeyStore, name: str) -> None:
    """A name is one short line and cannot be mistaken for an id or a key."""
    with pytest.raises(ConfigError, match="a key's name"):
        store.create("staff", name)
    assert store.list() == ()


def test_a_key_needs_a_role(store: KeyStore) -> None:
    """A key without a role is refused."""
    with pytest.raises(ConfigError, match="needs a role"):
        store.create("")


def test_keys_outlive_the_process(path: Path, store: KeyStore) -> None:
    """A store opened later knows the keys, and those revoked."""
    one, two = store.create("staff"), store.create("admin")
    store.revoke(one.key.id)
    store.close()
    again = KeyStore(path)
    assert again.authenticate(one.secret) is None
    assert again.authenticate(two.secret) == Caller(two.key.id, "admin")
    again.close()


def test_another_stores_changes_are_seen(path: Path, store: KeyStore) -> None:
    """A key made or revoked elsewhere counts here at the next look at the file."""
    other = KeyStore(path)
    new = other.create("staff")
    assert store.authenticate(new.secret) is not None
    other.revoke(new.key.id)
    assert store.authenticate(new.secret) is None
    other.close()


def test_a_fresh_answer_is_not_asked_again(path: Path) -> None:
    """Within the time it counts as fresh, what is in memory answers; after it, the file."""
    store, other = KeyStore(path, fresh_seconds=1000.0), KeyStore(path)
    new = other.create("staff")
    assert store.authenticate(new.secret) is not None  # the first question always asks the file
    other.revoke(new.key.id)
    assert store.authenticate(new.secret) is not None
    store._fresh_until = 0.0
    assert store.authenticate(new.secret) is None
    store.close()
    other.close()


def _revoke(path: str, which: str) -> None:
    KeyStore(Path(path)).revoke(which)


def test_a_revocation_by_another_process_is_seen(path: Path, store: KeyStore) -> None:
    """What the command line does to the file, a running server notices."""
    new = store.create("staff")
    assert store.authenticate(new.secret) is not None
    process = multiprocessing.get_context("spawn").Process(target=_revoke, args=(str(path), new.key.id))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert store.authenticate(new.secret) is None


def test_many_threads_share_a_store(path: Path) -> None:
    """Eight threads that open, make, look up and revoke at once lose nothing."""
    store = KeyStore(path, fresh_seconds=0.0)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            own = KeyStore(path, fresh_seconds=0.0)
            for each in (store, own):
                new = each.create("staff")
                assert store.authenticate(new.secret) == Caller(new.key.id, "staff")
                each.revoke(new.key.id)
                assert store.authenticate(new.secret) is None
            own.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.list()) == 16
    assert all(key.revoked for key in store.list())
    store.close()


def test_a_locked_state_is_an_error_for_people(path: Path, store: KeyStore) -> None:
    """While another program locks the file, writing waits, then fails clearly, and works again later."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(ConfigError, match=r"state\.db: the state file cannot be used: database is locked"):
        store.create("staff")
    holder.execute("ROLLBACK")
    holder.close()
    assert store.create("staff").key.role == "staff"


def test_a_state_that_is_gone_lets_nobody_in(path: Path, store: KeyStore) -> None:
    """When the file disappears, a key that was good is an error, not a yes."""
    new = store.create("staff")
    path.rename(path.with_suffix(".away"))
    with pytest.raises(ConfigError, match="the state file is gone"):
        store.authenticate(new.secret)
    with pytest.raises(ConfigError, match="the state file is gone"):
        store.create("staff")


def test_a_state_put_in_its_place_is_followed(path: Path, store: KeyStore) -> None:
    """A restored file counts from then on: its keys are in, the others out."""
    old = store.create("staff")
    other = KeyStore(path.with_name("other.db"))
    new = other.create("admin")
    other.close()
    os.replace(path.with_name("other.db"), path)
    for leftover in ("state.db-wal", "state.db-shm"):
        path.with_name(leftover).unlink(missing_ok=True)
    assert [key.id for key in store.list()] == [new.key.id]
    store._fresh_until = float("inf")  # what the list found out counts without another look
    assert store.authenticate(new.secret) == Caller(new.key.id, "admin")
    assert store.authenticate(old.secret) is None


def test_a_closed_store_lets_nobody_in(store: KeyStore) -> None:
    """After close there is an error, not a caller."""
    new = store.create("staff")
    store.close()
    with pytest.raises(ConfigError, match="closed"):
        store.authenticate(new.secret)


def test_a_damaged_state_is_an_error_for_people(path: Path) -> None:
    """A file that is no database is refused and left as it is."""
    path.write_bytes(b"these are not the keys you are looking for" * 100)
    with pytest.raises(ConfigError, match=r"state\.db: not a Sluicegate state file, or damaged"):
        KeyStore(path)
    assert path.read_bytes().startswith(b"these are not")


def test_damage_under_a_running_store_lets_nobody_in(path: Path, store: KeyStore) -> None:
    """When the file is overwritten in place, the next look is an error, not a yes."""
    new = store.create("staff")
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other = sqlite3.connect(path)
    other.execute("DROP TABLE keys")
    other.commit()
    other.close()
    with pytest.raises(ConfigError, match=r"state\.db: the state file cannot be used"):
        store.authenticate(new.secret)
    with pytest.raises(ConfigError):  # and it stays so
        store.authenticate(new.secret)


def test_another_programs_database_is_refused(path: Path) -> None:
    """An SQLite file that is not ours is not written to."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(ConfigError, match="not Sluicegate's"):
        KeyStore(path)


def test_a_newer_state_is_refused(path: Path, store: KeyStore) -> None:
    """A file of a later version of the program is not touched."""
    store._db.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(ConfigError, match="made by a newer sluicegate"):
        KeyStore(path)


def test_the_schema_has_a_version(path: Path, store: KeyStore) -> None:
    """The state says which version it is and whose, so that later versions can add to it."""
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone()[0] == 2
    assert raw.execute("PRAGMA application_id").fetchone()[0] == 0x536C4774
    assert raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    raw.close()


def test_places_that_cannot_hold_a_state_are_errors(tmp_path: Path) -> None:
    """A folder, a device, a path under a file and a file open to everybody are refused clearly."""
    with pytest.raises(ConfigError, match="not a regular file"):
        KeyStore(tmp_path)
    with pytest.raises(ConfigError, match="not a regular file"):
        KeyStore(Path("/dev/null"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used: "):
        KeyStore(tmp_path / "file" / "state.db")
    (tmp_path / "open").touch()
    (tmp_path / "open").chmod(0o666)
    with pytest.raises(ConfigError, match="run chmod 600"):
        KeyStore(tmp_path / "open")


def test_the_store_is_a_keys(store: KeyStore) -> None:
    """What stands behind the small protocol can be replaced; this store satisfies it."""
    keys: Keys = store
    assert keys.list() == ()


def test_allowed_texts(path: Path, store: KeyStore) -> None:
    """They are listed by every process, and each change raises the counter."""
    text = Allowed("alw_0123456789ab", "greeting", 1.0, "kid", b"\x00\xff\x01", "inc_0123456789abcdef")
    more = Allowed("alw_0123ffffffff", "greeting", 2.0, "kid", b"")
    store.allow(text)
    store.allow(more)
    other = KeyStore(path)
    assert other.allowed() == (text, more)
    assert other.signals() == Signals(allowed=2, reload=0)
    with pytest.raises(ConfigError, match="2 allowed texts are meant by that"):
        other.disallow("greeting")
    assert other.disallow("alw_01234") == text
    assert (store.allowed(), store.signals().allowed) == ((more,), 3)
    with pytest.raises(ConfigError, match="no allowed text has that id or name"):
        store.disallow("")
    other.close()


def test_workers_and_requests_to_reload(path: Path) -> None:
    """Everybody sees who serves what; who has not reported for long is not listed, and then forgotten."""
    store = KeyStore(path, now=lambda: 1000.0)
    mine = Worker("b", 1000.0, host="h", pid=1, policy="p", index="i", reload=store.ask_to_reload())
    store.report(Worker("a", 900.0))
    store.report(Worker("c", 800.0))
    store.report(mine)
    assert store.workers() == (mine,)
    assert mine.reload == store.signals().reload == 1
    raw = sqlite3.connect(path)
    assert [row[0] for row in raw.execute("SELECT id FROM workers ORDER BY id")] == ["a", "b"]
    raw.close()
    store.gone("b")
    assert store.workers() == ()
    store.close()


def test_a_state_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    """The keys that were in it are still good."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute(
        "CREATE TABLE keys (id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, "
        "role TEXT NOT NULL, created REAL NOT NULL, revoked REAL)"
    )
    raw.execute("INSERT INTO keys VALUES ('key_000000000000', zeroblob(32), 'n', 'staff', 1.0, NULL)")
    raw.execute(f"PRAGMA application_id = {0x536C4774}")
    raw.execute("PRAGMA user_version = 1")
    raw.close()
    path.chmod(0o600)
    store = KeyStore(path)
    assert [key.name for key in store.list()] == ["n"]
    assert store.signals() == Signals()
    store.close()


def test_the_highest_build_number_is_kept(store: KeyStore) -> None:
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


def test_build_numbers_of_many_processes_never_fall(path: Path, store: KeyStore) -> None:
    """Servers that start together, each with an index of its own age: the highest is kept."""
    stores = [KeyStore(path) for _ in range(4)]
    threads = [
        threading.Thread(target=lambda n=n: [stores[n].raise_serial("k", "x", i) for i in range(n, 200, 4)])  # type: ignore[misc]
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert store.serial("k", "x") == 199
    for each in stores:
        each.close()


def test_a_state_without_build_numbers_gets_them(path: Path, store: KeyStore) -> None:
    """That of an older release, with its version unchanged; columns of a newer release are left alone."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("DROP TABLE serials")
    version = raw.execute("PRAGMA user_version").fetchone()
    other = KeyStore(path)
    other.raise_serial("k", "x", 5)
    raw.execute("ALTER TABLE serials ADD COLUMN more TEXT")
    other.raise_serial("k", "x", 6)
    assert other.serial("k", "x") == 6
    assert raw.execute("PRAGMA user_version").fetchone() == version
    raw.execute("UPDATE serials SET number = 'many'")
    with pytest.raises(ConfigError, match="damaged"):
        other.serial("k", "x")
    other.close()
    raw.close()
