"""What goes into an index: the same options for a new one and an old one, and nothing skipped in silence."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.training import TrainingSet, data_arguments, data_options
from proxy.errors import ConfigError
from proxy.types import Document, Value


def options(*arguments: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    data_arguments(parser)
    data_options(parser)
    return parser.parse_args([*map(str, arguments)])


def written(training: TrainingSet) -> tuple[list[Document], list[Document]]:
    """What of it comes into an index: the documents, and the background."""
    got: dict[str, list[Document]] = {}

    def write(
        documents: Iterable[Document],
        *,
        background: Iterable[Document],
        values: Callable[[Document], Sequence[Value]] | None,
        stage: Callable[[str], None],
    ) -> Any:
        assert values is None
        got.update(documents=list(documents), background=list(background))

    training.into(write, None)
    return got["documents"], got["background"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"text": "One."}, {"text": "Two.", "who": "staff"}, [1]]
    Path("a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    Path("free.jsonl").write_text('{"text": "Free."}\n[2]\n', "utf-8")
    return tmp_path


def test_documents_and_background(files: Path) -> None:
    """Each goes its way; of both it is kept what was skipped; background needs no audience."""
    training = TrainingSet(options("a.jsonl", "--audience-field", "who", "--background", "free.jsonl"))
    assert training.size == Path("a.jsonl").stat().st_size
    documents, background = written(training)
    assert [(each.texts, each.audience) for each in documents] == [(("One.",), None), (("Two.",), "staff")]
    assert [each.texts for each in background] == [("Free.",)]
    assert [skip.where.partition(":")[0] for skip in training.skipped] == ["a.jsonl", "free.jsonl"]
    assert training.without_audience == 1


def test_an_audience_for_all(files: Path) -> None:
    """With ``--audience`` no document is without one."""
    training = TrainingSet(options("a.jsonl", "--audience", "admin"))
    assert {each.audience for each in written(training)[0]} == {"admin"}
    assert training.without_audience == 0


def test_strict(files: Path) -> None:
    """The first record that cannot be read ends it."""
    with pytest.raises(ConfigError, match=r"a\.jsonl"):
        written(TrainingSet(options("a.jsonl", "--strict")))


def test_what_is_no_source(files: Path) -> None:
    """It is said before anything is read, for background too."""
    for arguments in (["gone.jsonl"], ["a.jsonl", "--background", "gone.jsonl"]):
        with pytest.raises(ConfigError, match="gone"):
            TrainingSet(options(*arguments))
