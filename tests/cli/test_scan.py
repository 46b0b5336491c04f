"""``sluicegate scan``: a text judged as an answer, offline; exit code 3 when something would be stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from tests.cli.running import run
from tests.training import ADMIN, ADMIN_ZH, KEY, NOBODY, PUBLIC, STAFF, SmallIndex, shared_units


def scan(index: SmallIndex, path: Path, *more: str, role: str = "public") -> int:
    arguments = ["scan", "--index", str(index.path), "--role", role, *more, str(path)]
    return main(arguments, index.environment)


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def text(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "answer.txt"
    path.write_text(content, "utf-8")
    return path


def test_a_clean_text(small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and nothing on the output."""
    assert scan(small_index, text(tmp_path, f"Hello. {PUBLIC}")) == 0
    out = capsys.readouterr()
    assert out.out == ""
    assert "0 findings: passes" in out.err


@pytest.mark.parametrize("secret", [ADMIN, ADMIN_ZH], ids=["English", "Chinese"])
def test_a_leak(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    """Exit code 3; the verdict names rule, document and place, and shows no text."""
    path = text(tmp_path, f"Well: {secret} Bye.")
    assert scan(small_index, path) == 3
    out = capsys.readouterr()
    assert "memorised-restricted\tblock\tTrue\tmemorised\tpassage\t" in out.out
    assert "admin.jsonl:" in out.out
    assert "stopped" in out.err
    assert scan(small_index, path, "--json") == 3
    found = told(capsys)
    assert found["stopped"] is True
    (verdict,) = [each for each in found["verdicts"] if each["entity"] == "passage"]
    assert len("Well: ") <= verdict["start"] < verdict["end"] <= len(f"Well: {secret}")
    assert shared_units(secret, json.dumps(found, ensure_ascii=False) + out.out) < 12


def test_what_the_role_would_get(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--text`` prints the answer as it would leave: masked, cut off, or as it is."""
    assert scan(small_index, text(tmp_path, f"They wrote: {NOBODY} Sorry!"), "--text") == 3
    said = capsys.readouterr().out
    assert said.startswith("They wrote: ")
    assert said.endswith("Sorry!")
    assert said.count("[REDACTED]") == 1
    assert shared_units(NOBODY, said.removeprefix("They wrote: ")) <= 12
    assert scan(small_index, text(tmp_path, f"So: {ADMIN} Bye."), "--text") == 3
    said = capsys.readouterr().out
    assert shared_units(ADMIN, said.removeprefix("So: ")) <= 12
    assert "Bye" not in said
    assert scan(small_index, text(tmp_path, f"{PUBLIC} {STAFF}"), "--text", role="staff") == 0
    assert capsys.readouterr().out == f"{PUBLIC} {STAFF}"


def test_what_is_only_counted_is_no_leak(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A role that sees everything gets exit code 0, and the findings are told."""
    assert scan(small_index, text(tmp_path, NOBODY), "--json", role="admin") == 0
    found = told(capsys)
    assert found["stopped"] is False
    assert {each["action"] for each in found["verdicts"]} == {"allow"}


def test_another_policy(small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under the strict policy admin is stopped as well, with not a unit delivered."""
    path = text(tmp_path, NOBODY)
    assert scan(small_index, path, "--policy", "strict", "--text", role="admin") == 3
    assert capsys.readouterr().out == ""


def test_in_a_pipe(small_index: SmallIndex, tmp_path: Path) -> None:
    """The text comes from the standard input, options from the environment, and the code to the shell."""
    more = {
        "SLUICEGATE_INDEX": str(small_index.path),
        "SLUICEGATE_INDEX_KEY": KEY,
        "SLUICEGATE_ROLE": "public",
    }
    done = run("scan", "--json", cwd=tmp_path, given=f"\ufeffSo: {ADMIN}".encode(), **more)
    assert done.returncode == 3
    assert json.loads(done.stdout)["characters"] == len(f"So: {ADMIN}")
    done = run("scan", "-", cwd=tmp_path, given=b"", **more)
    assert (done.returncode, done.stdout) == (0, b"")


def test_what_cannot_be_scanned(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file, a folder, bytes that are no text, a role or an index that is not there: exit code 2."""
    binary = tmp_path / "b.bin"
    binary.write_bytes(b"abc\xff")
    clean = text(tmp_path, "Hello")
    for path, more, said in (
        (tmp_path / "none.txt", [], "none.txt: cannot be read: No such file"),
        (tmp_path, [], "Is a directory"),
        (binary, [], "b.bin: not UTF-8 (byte 3)"),
        (clean, ["--role", "ghost"], "no role 'ghost'"),
        (clean, ["--index", str(tmp_path / "none.idx")], "there is no index here"),
        (clean, ["--policy", str(tmp_path / "none.yaml")], "none.yaml"),
    ):
        assert scan(small_index, path, *more) == 2
        assert said in capsys.readouterr().err
