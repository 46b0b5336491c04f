"""The standard streams, closed, full, of another encoding, left by their reader; and unforeseen errors."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy import cli
from proxy.cli import BUG, main
from proxy.keys import KeyStore
from tests.cli.running import ROOT, environment, lines, run


def shell(script: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command of a shell; ``$S`` is the command under test."""
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        cwd=cwd,
        env=environment(S=f"{sys.executable} -m proxy", **more),
        timeout=120,
        check=False,
    )


def keys(state: Path) -> list[bool]:
    """Of each key in a state, whether it is revoked."""
    store = KeyStore(state)
    try:
        return [key.revoked is not None for key in store.list()]
    finally:
        store.close()


def test_a_closed_output(tmp_path: Path) -> None:
    """A key that nobody could see is not made, and no file takes the place of the output."""
    done = shell("$S keys create --role public --state s.sqlite >&-", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        b"sluicegate: the standard output is closed, and the results are printed there; nothing was done\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_all_streams_closed(tmp_path: Path) -> None:
    """Nothing can be said; the exit code still tells, and the state is not written into."""
    KeyStore(tmp_path / "s.sqlite").close()
    assert shell("$S keys list --state s.sqlite <&- >&- 2>&-", tmp_path).returncode == 2
    assert keys(tmp_path / "s.sqlite") == []


def test_a_closed_input(tmp_path: Path) -> None:
    """Where the text should come from it, that is said."""
    (tmp_path / "x").write_text("x", "utf-8")
    done = shell("$S allow --index nowhere.idx --state s.sqlite - <&-", tmp_path)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("form", ["", "--json"])
def test_a_full_output(tmp_path: Path, form: str) -> None:
    """A list that cannot be written is an error; a key that could not be printed is revoked."""
    KeyStore(tmp_path / "s.sqlite").close()
    done = shell(f"$S keys list {form} --state s.sqlite > /dev/full", tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"sluicegate: No space left on device; free some space, or choose another place\n"
    done = shell(f"$S keys create {form} --role public --state s.sqlite > /dev/full", tmp_path)
    assert done.returncode == 2
    assert b"is revoked; make another one" in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert keys(tmp_path / "s.sqlite") == [True]


def test_a_reader_who_left_before_the_key_came(tmp_path: Path) -> None:
    """The key was seen by nobody, and is revoked."""
    done = shell("$S keys create --role public --state s.sqlite | true; exit ${PIPESTATUS[0]}", tmp_path)
    assert keys(tmp_path / "s.sqlite") in ([True], [False])  # `true` may end before or after the key comes
    assert done.returncode == (2 if keys(tmp_path / "s.sqlite") == [True] else 0)


@pytest.mark.parametrize("words", ["--help", "serve --help", "policy check strict", "keys list --json"])
def test_head_ends_a_command_quietly(tmp_path: Path, words: str) -> None:
    """``| head`` and a reader that is gone at once leave no traceback and no `Exception ignored`."""
    KeyStore(tmp_path / "sluicegate.sqlite").close()
    for reader in ("head -1", "true"):
        done = shell(f"$S {words} | {reader}", tmp_path)
        assert b"Traceback" not in done.stderr
        assert b"BrokenPipe" not in done.stderr
        assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_an_output_that_has_no_chinese(tmp_path: Path, locale: dict[str, str]) -> None:
    """Names that the encoding lacks are written as escapes; in JSON they are still the same names."""
    store = KeyStore(tmp_path / "s.sqlite")
    store.create("public", "网店")
    store.close()
    for arguments in (["--json"], []):
        done = run("keys", "list", "--state", "s.sqlite", *arguments, cwd=tmp_path, **locale)
        assert done.returncode == 0, done.stderr
        if arguments:
            assert json.loads(done.stdout.decode("utf-8"))[0]["name"] == "网店"
        else:
            assert len(lines(done.stdout)) == 2


def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    """A source with such a name is indexed and shown."""
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(name, "wb") as file:
        file.write(b"Some text that is long enough to be indexed, and a little more of it than that.")
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "index", "build", name, "--out", "x.idx", "--no-ner"],
        capture_output=True,
        cwd=tmp_path,
        env=environment(),
        timeout=120,
        check=False,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    shown = run("index", "show", "x.idx", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["sources"] == ["caf\ufffd.txt"]


def test_scan_on_a_terminal_says_what_it_waits_for(tmp_path: Path) -> None:
    """Without a file it reads the standard input, and says how that ends."""
    (tmp_path / "d.txt").write_text("Some text that is long enough to be indexed.", "utf-8")
    built = run("index", "build", "d.txt", "--out", "x.idx", "--no-ner", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "scan", "--index", "x.idx", "--role", "public"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(),
    )
    os.close(theirs)
    assert process.stderr is not None
    assert process.stderr.readline() == b"reading the text from the standard input; end it with Ctrl-D\n"
    os.write(ours, b"hello\n\x04")
    _, errors = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, errors
    assert b"6 characters, 0 findings: passes" in errors


def test_an_error_that_nobody_foresaw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kind and the places are told, never the message, which could hold what was read."""

    def run_list(_options: object, _environment: Mapping[str, str]) -> int:
        raise KeyError("a line of the training set")

    monkeypatch.setattr(cli.keys, "run_list", run_list)
    assert main(["keys", "list"], {}) == BUG == 1
    told = capsys.readouterr().err
    assert told.startswith("sluicegate: internal error (KeyError); please report it with these lines\n")
    assert f"{Path('proxy/cli/__init__.py')}:" in told
    assert "training set" not in told
    assert str(ROOT) not in told
