"""DATA arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.datasets.source import Source, parse_source
from proxy.errors import ConfigError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one file and one description of sets."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"text": "x"}\n')
    Path("sets").mkdir()
    Path("sets/dataset_info.json").write_text(json.dumps({"one": {"file_name": "one.json"}}))
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "source"),
    [
        ("a.jsonl", Source(Path("a.jsonl"))),
        ("staff=a.jsonl", Source(Path("a.jsonl"), "staff")),
        ("dev-team_2=sets", Source(Path("sets"), "dev-team_2")),
        ("sets/dataset_info.json", Source(Path("sets/dataset_info.json"))),
        ("sets/dataset_info.json:one", Source(Path("sets/dataset_info.json"), None, "one")),
        ("sets:one", Source(Path("sets/dataset_info.json"), None, "one")),
        ("staff=sets/dataset_info.json:one", Source(Path("sets/dataset_info.json"), "staff", "one")),
    ],
)
def test_forms_of_an_argument(here: Path, argument: str, source: Source) -> None:
    """A path, a set of a dataset_info.json, and either with an audience."""
    assert parse_source(argument) == source


@pytest.mark.parametrize("name", ["staff=a.jsonl", "x=y=z.jsonl", "C:x.jsonl", "sets:one.jsonl", "a b.jsonl"])
def test_a_path_that_exists_is_taken_as_it_stands(here: Path, name: str) -> None:
    """Signs that mean something in an argument mean nothing in the name of a file that is there."""
    Path(name).write_text("{}")
    assert parse_source(name) == Source(Path(name))


def test_only_the_first_sign_parts_audience_and_path(here: Path) -> None:
    """The path after AUDIENCE= may hold = and : itself."""
    Path("x=y:z.jsonl").write_text("{}")
    assert parse_source("staff=x=y:z.jsonl") == Source(Path("x=y:z.jsonl"), "staff")


@pytest.mark.parametrize(
    "argument",
    [
        *("gone.jsonl", "staff=gone.jsonl", "2nd=a.jsonl", "=a.jsonl", "my staff=a.jsonl", "", "staff="),
        *(
            "C:\\gone\\a.jsonl",
            "a.jsonl:one",
            "sets:two",
            "sets/dataset_info.json:",
            "nul\0.jsonl",
            "x" * 5000,
        ),
    ],
)
def test_what_cannot_be_understood_is_named(here: Path, argument: str) -> None:
    """The error begins with the argument as it was written."""
    with pytest.raises(ConfigError) as caught:
        parse_source(argument)
    assert str(caught.value).startswith(argument)


@pytest.mark.parametrize("name", ["model.safetensors", "data.zip", "noending", "data.parquet.gz"])
def test_a_file_of_another_kind_is_refused(here: Path, name: str) -> None:
    """A named file that no reader reads is an error that lists the kinds that are read."""
    Path(name).write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"\.jsonl"):
        parse_source(f"staff={name}")


def test_an_unknown_set_lists_those_there_are(here: Path) -> None:
    """Whoever mistypes a set's name sees the names."""
    with pytest.raises(ConfigError, match="no set called 'two'; it has one"):
        parse_source("sets/dataset_info.json:two")


def test_home_is_expanded_behind_an_audience(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell expands ~ behind =, so the argument's reader does."""
    monkeypatch.setenv("HOME", str(here))
    assert parse_source("staff=~/a.jsonl") == Source(here / "a.jsonl", "staff")
