"""proxy/cli/free_elsewhere.py: whoever takes a text back is told that it is still given away, and by what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main
from tests.training import ADMIN, PUBLIC, STAFF

SECRET = {"SLUICEGATE_INDEX_KEY": "a key for this test that is long enough"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an index of public text, ADMIN in it, and the same text as a file."""
    monkeypatch.chdir(tmp_path)
    rows = [{"text": text} for text in (PUBLIC, ADMIN, STAFF)]
    Path("faq.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    Path("take.txt").write_text(ADMIN, "utf-8")
    assert run("index", "build", "public=faq.jsonl", "--out", "x.idx") == 0
    return tmp_path


def run(*arguments: str) -> int:
    return main([*arguments, *(["--no-ner"] if arguments[1] in ("build", "add") else [])], SECRET)


def test_text_taken_back_that_a_public_document_holds_warns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How much of it, through what, who still gets it, and what to do."""
    capsys.readouterr()
    assert run("index", "add", "x.idx", "nobody=take.txt") == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert "in the added text for 'nobody' are free through text for 'public'" in warning
    assert "will still be answered to: " in warning and "public" in warning.split("answered to")[1]
    assert "remove it there too and rebuild the index" in warning


def test_scripts_get_the_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` has each finding with its numbers."""
    capsys.readouterr()
    assert run("index", "add", "x.idx", "admin=take.txt", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["free_elsewhere"]
    assert (found["audience"], found["added"]) == ("admin", True)
    assert found["runs"] == found["of"] == found["through"]["public"] > 20
    assert set(found["roles"]) == {"public", "staff"}


def test_a_build_warns_as_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that reads public and admin text together."""
    capsys.readouterr()
    assert run("index", "build", "public=faq.jsonl", "admin=take.txt", "--out", "y.idx") == 0
    assert "in the text for 'admin' are free through text for 'public'" in capsys.readouterr().err


def test_an_allowed_text_frees_and_its_removal_ends_that(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Allowed texts of the state are compared, too."""
    Path("vault.txt").write_text(STAFF.replace("radiator", "cupboard") + " " + ADMIN[::-1], "utf-8")
    assert run("allow", "vault.txt", "--index", "x.idx", "--state", "s.sqlite") == 0
    name = capsys.readouterr().out.strip()
    Path("new.txt").write_text(ADMIN[::-1], "utf-8")
    assert run("index", "add", "x.idx", "nobody=new.txt", "--state", "s.sqlite") == 0
    assert "are free through allowed texts" in capsys.readouterr().err
    assert run("allow", "remove", name, "--state", "s.sqlite") == 0
    assert run("index", "build", "nobody=new.txt", "--out", "z.idx", "--state", "s.sqlite") == 0
    assert "free through" not in capsys.readouterr().err


def test_nothing_is_said_where_nothing_is_free(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No warning without a cause; and comparing makes no state."""
    Path("other.txt").write_text("Only this file has this sentence; no other file has any of it.", "utf-8")
    capsys.readouterr()
    assert run("index", "add", "x.idx", "admin=other.txt") == 0
    assert "free through" not in capsys.readouterr().err
    assert not list(folder.glob("*.sqlite*"))


def test_allowed_texts_that_cannot_be_read_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A named state that is not there: the addition succeeds and says what it could not compare."""
    Path("other.txt").write_text("Only this file has this sentence; no other file has any of it.", "utf-8")
    assert run("index", "add", "x.idx", "admin=other.txt", "--state", "typo.sqlite") == 0
    assert "allowed texts are not counted as free here: " in capsys.readouterr().err
    assert not (folder / "typo.sqlite").exists()
