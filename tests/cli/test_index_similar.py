"""``sluicegate index similar``: documents that a whole text is like, by name, never by their text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main
from tests.training import ADMIN, SmallIndex, shared_units


def similar(index: SmallIndex, path: Path, *more: str) -> int:
    return main(["index", "similar", str(index.path), str(path), *more], index.environment)


def test_a_copy_names_its_document(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document itself comes first, with its audience; in a table and as JSON; its text is not shown."""
    path = tmp_path / "answer.txt"
    path.write_text(ADMIN.upper(), "utf-8")
    assert similar(small_index, path) == 0
    out = capsys.readouterr().out
    assert "document\taudience\tsimilarity" in out
    assert "admin.jsonl:" in out
    assert similar(small_index, path, "--json") == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["audience"], first["similarity"]) == ("admin", 1.0)
    assert shared_units(ADMIN, out) < 12


def test_ordinary_text_is_like_none(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A text that is like nothing gives an empty list, and a line that says what to use instead."""
    path = tmp_path / "answer.txt"
    path.write_text("Peel the onions, warm the stock and wait for an hour or so.", "utf-8")
    assert similar(small_index, path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert similar(small_index, path) == 0
    assert "sluicegate scan" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["1.5", "-1", "much"])
def test_a_share_is_checked(small_index: SmallIndex, tmp_path: Path, wrong: str) -> None:
    """Only a number from 0 to 1 is a share."""
    with pytest.raises(SystemExit) as ended:
        similar(small_index, tmp_path / "x", "--least", wrong)
    assert ended.value.code == 2
