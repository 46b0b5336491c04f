"""``sluicegate index add``: new documents are guarded at once, and what was skipped is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.index import open_index
from tests.training import ADMIN, KEY, STAFF

ENVIRONMENT = {"SLUICEGATE_INDEX_KEY": KEY}


def index(*arguments: str | Path) -> int:
    return main(["index", *map(str, arguments), "--entities", "none"], ENVIRONMENT)


@pytest.fixture
def built(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("old.jsonl").write_text(json.dumps({"text": ADMIN}) + "\n", "utf-8")
    Path("new.jsonl").write_text(json.dumps({"text": STAFF}) + "\n[1]\n", "utf-8")
    assert index("build", "admin=old.jsonl", "--out", "x.idx") == 0
    capsys.readouterr()
    return Path("x.idx")


def test_documents_are_added(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many, for whom, and what was skipped; ``scan`` finds them, ``show`` counts them."""
    assert index("add", built, "staff=new.jsonl", "--max-skipped", "0.5") == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].startswith("staff\t1\t")
    assert "skipped: 1 x" in told.err
    assert "2 documents in 2 parts" in told.err
    assert STAFF[:12] not in told.out + told.err
    Path("answer.txt").write_text(STAFF, "utf-8")
    assert main(["scan", "--index", str(built), "--role", "public", "answer.txt"], ENVIRONMENT) == 3
    assert main(["index", "show", str(built), "--verify"], ENVIRONMENT) == 0
    shown = capsys.readouterr()
    assert "2 documents" in shown.err
    assert "every file has the sha256 that the manifest says" in shown.err


def test_for_scripts(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON."""
    assert index("add", built, "new.jsonl", "--audience", "staff", "--json", "--max-skipped", "0.5") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["added"], told["documents"], told["parts"]) == (1, 2, 2)
    assert told["audiences"] == [{"name": "staff", "documents": 1}]
    assert told["skipped"][0]["where"].startswith("new.jsonl:2")
    assert told["version"] == open_index(built, KEY).version


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.idx", "new.jsonl"], "there is no index here"),
        (["x.idx", "gone.jsonl"], "gone.jsonl"),
        (["x.idx", "new.jsonl", "--strict"], "new.jsonl"),
    ],
)
def test_what_cannot_be_done_is_said(
    built: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """Exit code 2, and the index stays as it was."""
    before = open_index(built, KEY).version
    assert index("add", *arguments) == 2
    assert said in capsys.readouterr().err
    assert open_index(built, KEY).version == before
