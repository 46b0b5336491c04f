"""``sluicegate keys``: a key is shown once, alone on the output, and listed without itself."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.keys import KeyStore
from tests.cli.running import lines, run


def keys(*arguments: str, state: Path) -> int:
    return main(["keys", *arguments, "--state", str(state)], {})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


def test_a_key_is_alone_on_the_output(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``KEY=$(sluicegate keys create …)`` works: the note goes beside it."""
    assert keys("create", "--role", "public", "--name", "web shop", state=state) == 0
    told = capsys.readouterr()
    key = told.out.strip()
    assert re.fullmatch(r"sk-sg-[A-Za-z0-9_-]{43}", key)
    assert "for role public; the key is shown this once" in told.err
    assert key not in told.err
    store = KeyStore(state)
    caller = store.authenticate(key)
    store.close()
    assert caller is not None
    assert caller.role == "public"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert key.encode() not in state.read_bytes()


def test_keys_are_listed_without_themselves(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids, names, roles and dates, revoked ones too; as lines or as JSON."""
    secrets = []
    for role, name in (("public", "shop"), ("admin", "")):
        assert keys("create", "--role", role, "--name", name, state=state) == 0
        secrets.append(capsys.readouterr().out.strip())
    assert keys("revoke", "shop", state=state) == 0
    assert "(shop, role public) is revoked" in capsys.readouterr().err
    assert keys("list", state=state) == 0
    listed = capsys.readouterr().out
    rows = [line.split("\t") for line in listed.splitlines()]
    assert rows[0] == ["id", "name", "owner", "role", "created", "revoked"]
    assert [row[1:4] for row in rows[1:]] == [["shop", "-", "public"], ["-", "-", "admin"]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", rows[1][5])
    assert rows[2][5] == "-"
    assert keys("list", "--json", state=state) == 0
    told = capsys.readouterr().out
    assert [(key["name"], key["revoked"] is None) for key in json.loads(told)] == [
        ("shop", False),
        ("", True),
    ]
    assert not any(secret in listed + told for secret in secrets)


def test_scripts_get_a_new_key_and_a_revoked_one_as_json(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object each: the key is in that of its creation alone, its hash in neither."""
    assert keys("create", "--role", "staff", "--name", "bot", "--json", state=state) == 0
    made = json.loads(capsys.readouterr().out)
    store = KeyStore(state)
    caller = store.authenticate(made["key"])
    store.close()
    assert caller is not None
    assert (made["name"], made["role"]) == ("bot", "staff")
    assert keys("revoke", "bot", "--json", state=state) == 0
    revoked = json.loads(capsys.readouterr().out)
    assert revoked["id"] == made["id"]
    assert revoked["revoked"] is not None
    assert "key" not in revoked
    assert not any("hash" in name for name in [*made, *revoked])


def test_a_key_is_revoked_by_its_id(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From then on nobody is let in with it; a second time, and an id that is none, is said."""
    assert keys("create", "--role", "staff", state=state) == 0
    told = capsys.readouterr()
    which = told.err.split()[0]
    assert keys("revoke", which[:10], state=state) == 0
    store = KeyStore(state)
    assert store.authenticate(told.out.strip()) is None
    store.close()
    capsys.readouterr()
    assert keys("revoke", which, state=state) == 2
    assert "was revoked already" in capsys.readouterr().err
    assert keys("revoke", "nobody", state=state) == 2
    assert "`sluicegate keys list` shows them" in capsys.readouterr().err


def test_a_role_must_be_one_of_the_policy(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key of no role could do nothing: it is not made, and the role that was meant is named."""
    assert keys("create", "--role", "pubic", state=state) == 2
    assert 'did you mean "public"? (roles: public, staff, admin, gateway)' in capsys.readouterr().err
    assert not state.exists()


def test_a_policy_of_ones_own(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Roles are those of the policy that is named."""
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "version: 1\naudiences: [a]\nroles: {reader: {clearance: [a]}}\n"
        "rules: [{id: x, finding: '*/*', action: block}]\n"
    )
    assert keys("create", "--role", "reader", "--policy", str(policy), state=state) == 0
    assert keys("create", "--role", "public", "--policy", str(policy), state=state) == 2
    capsys.readouterr()


def test_a_state_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of something else is not touched, and the message names it."""
    other = tmp_path / "notes.txt"
    other.write_text("my notes, which are long enough to be no database of anybody")
    for words in (["create", "--role", "public"], ["list"], ["revoke", "x"]):
        assert keys(*words, state=other) == 2
        assert str(other) in capsys.readouterr().err
    assert other.read_text().startswith("my notes")


def test_in_a_shell(tmp_path: Path) -> None:
    """The key alone reaches the pipe, the state comes from the environment, and names may be Chinese."""
    done = run(
        "keys", "create", "--role", "public", "--name", "网店", cwd=tmp_path, SLUICEGATE_STATE="s/keys.sqlite"
    )
    assert done.returncode == 0
    (key,) = lines(done.stdout)
    assert key.startswith("sk-sg-")
    listed = run("keys", "list", cwd=tmp_path, SLUICEGATE_STATE="s/keys.sqlite")
    assert "\t网店\t-\tpublic\t" in listed.stdout.decode()
    elsewhere = run("keys", "list", "--json", cwd=tmp_path)
    assert (elsewhere.returncode, elsewhere.stdout) == (2, b"")
    assert b"sluicegate.sqlite: no state file; give its path with --state" in elsewhere.stderr
    assert not (tmp_path / "sluicegate.sqlite").exists()


def test_owners_are_listed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--owner` says whom a key is counted for; the list shows it, and what is no name is an error."""
    assert keys("create", "--role", "public", "--owner", "Ann Example", state=state) == 0
    capsys.readouterr()
    assert keys("list", state=state) == 0
    assert [line.split("\t")[2] for line in capsys.readouterr().out.splitlines()] == ["owner", "Ann Example"]
    assert keys("list", "--json", state=state) == 0
    assert [key["owner"] for key in json.loads(capsys.readouterr().out)] == ["Ann Example"]
    assert keys("create", "--role", "public", "--owner", "two\nlines", state=state) == 2
    assert "owner" in capsys.readouterr().err


def test_a_broken_record_is_reported(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list names it beside the results and shows the others."""
    assert keys("create", "--role", "public", "--name", "good", state=state) == 0
    raw = sqlite3.connect(state)
    raw.execute("INSERT INTO keys (id, hash, name, role, created) VALUES ('key_00', x'00', '', 'admin', 1)")
    raw.commit()
    raw.close()
    capsys.readouterr()
    assert keys("list", state=state) == 0
    told = capsys.readouterr()
    assert [line.split("\t")[1] for line in told.out.splitlines()] == ["name", "good"]
    assert "warning: " in told.err
    assert "key key_00: 'hash' is not a SHA-256 digest; the record is not used" in told.err
