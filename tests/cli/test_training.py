"""What goes into an index: the same options for a new one and an old one, and nothing skipped in silence."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.progress import Lines
from proxy.cli.training import TrainingSet, data_arguments, data_options
from proxy.errors import ConfigError
from proxy.policy import load_policy
from proxy.types import Document, Value

POLICY = load_policy(None)


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
        reading: Callable[[], Mapping[str, Any]],
    ) -> Any:
        assert values is None
        got.update(documents=list(documents), background=list(background))

    training.into(write, None, Lines([].append))
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
    arguments = ("a.jsonl", "--audience-field", "who", "--background", "free.jsonl", "--max-skipped", "1")
    training = TrainingSet(options(*arguments), POLICY)
    assert training.size == Path("a.jsonl").stat().st_size
    documents, background = written(training)
    assert [(each.texts, each.audience) for each in documents] == [(("One.",), None), (("Two.",), "staff")]
    assert [each.texts for each in background] == [("Free.",)]
    assert [skip.where.partition(":")[0] for skip in training.left_out] == ["a.jsonl", "free.jsonl"]
    assert training.without_audience == 1


def test_an_audience_for_all(files: Path) -> None:
    """With ``--audience`` no document is without one."""
    training = TrainingSet(options("a.jsonl", "--audience", "admin", "--max-skipped", "1"), POLICY)
    assert {each.audience for each in written(training)[0]} == {"admin"}
    assert training.without_audience == 0


def test_too_many_records_left_out(files: Path) -> None:
    """One of three is more than a tenth; the reasons and places are in the error, and text is not."""
    with pytest.raises(ConfigError, match="1 of 3 records were left out") as caught:
        written(TrainingSet(options("a.jsonl"), POLICY))
    assert any(fault.startswith("a.jsonl:3: ") for fault in caught.value.faults)
    assert "One" not in str(caught.value)


@pytest.mark.parametrize("arguments", [("amdin=a.jsonl",), ("a.jsonl", "--audience", "amdin")])
def test_an_audience_that_the_policy_does_not_name(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str]
) -> None:
    """A slip of the pen is no audience: nobody could read the text, so it is said."""
    TrainingSet(options(*arguments), POLICY)
    assert "the policy names no audience 'amdin'" in capsys.readouterr().err


def test_a_field_that_no_record_has(files: Path) -> None:
    """It is an error, and a field that is like it is offered."""
    Path("b.jsonl").write_text('{"text": "One.", "visibility": "admin"}\n', "utf-8")
    with pytest.raises(ConfigError, match=r"--audience-field visiblity: no record has .*'visibility'"):
        written(TrainingSet(options("b.jsonl", "--audience-field", "visiblity"), POLICY))


def test_what_was_said_of_the_reading_is_kept(files: Path) -> None:
    """Counts by who decided, reasons and places; no text."""
    Path("c.jsonl").write_text('{"text": "A.", "audience": "admin"}\n{"text": "B."}\n', "utf-8")
    training = TrainingSet(options("public=c.jsonl", "a.jsonl", "--max-skipped", "1"), POLICY)
    written(training)
    report = training.report()
    assert report["audience_by"] == {"record": 1, "source": 1, "default": 0, "none": 2}
    assert (report["documents"], report["left_out"]) == (4, 1)
    assert report["places"] == ["c.jsonl", "a.jsonl:2", "a.jsonl:3"]


def test_strict(files: Path) -> None:
    """The first record that cannot be read ends it."""
    with pytest.raises(ConfigError, match=r"a\.jsonl"):
        written(TrainingSet(options("a.jsonl", "--strict"), POLICY))


def test_what_is_no_source(files: Path) -> None:
    """It is said before anything is read, for background too."""
    for arguments in (["gone.jsonl"], ["a.jsonl", "--background", "gone.jsonl"]):
        with pytest.raises(ConfigError, match="gone"):
            TrainingSet(options(*arguments), POLICY)
