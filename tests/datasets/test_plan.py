"""From sources to files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from proxy.datasets.plan import make_plan
from proxy.datasets.source import Source
from proxy.errors import ConfigError
from proxy.types import Skipped


def put(root: Path, *names: str, content: str = "{}") -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def labels_of(*sources: Source) -> list[str]:
    return [item.label for item in make_plan(sources).items]


def test_a_folder_is_read_recursively_and_sorted(tmp_path: Path) -> None:
    """Hidden files and folders are left out; labels are paths in the folder."""
    put(tmp_path, "b.jsonl", "a/z.txt", "a/b/c.csv", "A.MD", "x.json.gz", ".hidden.json", ".git/x.json")
    assert labels_of(Source(tmp_path)) == ["A.MD", "a/b/c.csv", "a/z.txt", "b.jsonl", "x.json.gz"]


def test_files_that_are_not_read_are_remarked(tmp_path: Path) -> None:
    """Files of other kinds, links to folders and broken links do not disappear in silence."""
    put(tmp_path, "a.txt", "LICENSE", "model.bin")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "dead.txt").symlink_to(tmp_path / "gone")
    (tmp_path / "alias.txt").symlink_to(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    plan = make_plan([Source(tmp_path)])
    assert [item.label for item in plan.items] == ["a.txt", "alias.txt"]
    assert sorted(remark.where for remark in plan.remarks) == [
        "LICENSE",
        "dead.txt",
        "link",
        "model.bin",
        "pipe.txt",
    ]
    assert not plan.faults


def test_a_source_with_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    """An empty folder is a mistake that the operator should hear of at once."""
    with pytest.raises(ConfigError, match="holds no file of a kind that is read"):
        make_plan([Source(put(tmp_path, "LICENSE"))])
    with pytest.raises(ConfigError, match="no such file"):
        make_plan([Source(tmp_path / "gone.json")])


def test_files_of_one_name_get_labels_that_differ(tmp_path: Path) -> None:
    """Ids must lead to one file; a file given twice keeps one label."""
    put(tmp_path, "a/train.jsonl", "b/train.jsonl", "c/test.jsonl")
    sources = [Source(tmp_path / "a/train.jsonl"), Source(tmp_path / "b"), Source(tmp_path / "c/test.jsonl")]
    assert labels_of(*sources) == ["a/train.jsonl", "b/train.jsonl", "test.jsonl"]
    assert labels_of(sources[0], Source(tmp_path / "a")) == ["train.jsonl", "train.jsonl"]


def test_labels_are_always_text(tmp_path: Path) -> None:
    """A file name that is no valid UTF-8 still gives ids that can be written."""
    name = os.fsdecode(b"caf\xe9.txt")
    try:
        put(tmp_path, name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert labels_of(Source(tmp_path)) == labels_of(Source(tmp_path / name)) == ["caf\ufffd.txt"]


def test_the_audience_is_that_of_the_source(tmp_path: Path) -> None:
    """All files of a folder have it."""
    put(tmp_path, "a.txt", "b.txt")
    assert {item.audience for item in make_plan([Source(tmp_path, "staff")]).items} == {"staff"}


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """A folder with a dataset_info.json: a file, a folder, a missing file and a remote set."""
    put(tmp_path, "one.json", "many/b.json", "many/a.json", "many/notes.pdf", "other.jsonl")
    info = {
        "one": {"file_name": "one.json"},
        "many": {"file_name": "many", "formatting": "sharegpt"},
        "gone": {"file_name": "gone.json"},
        "far": {"hf_hub_url": "x/y"},
        "odd": {"file_name": "many/notes.pdf"},
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    return tmp_path


def test_all_sets_of_a_description(described: Path) -> None:
    """Files and folders come with their forms; what is not there, or of no known kind, is a fault."""
    plan = make_plan([Source(described / "dataset_info.json")])
    assert [item.label for item in plan.items] == ["one.json", "many/a.json", "many/b.json"]
    assert all(item.form is not None for item in plan.items)
    assert [fault.where for fault in plan.faults] == [
        f"dataset_info.json:{name}" for name in ("gone", "far", "odd")
    ]
    assert [remark.where for remark in plan.remarks] == ["many/notes.pdf"]


def test_one_set_of_a_description(described: Path) -> None:
    """Only that set is read; a remote one is a fault and no error."""
    assert labels_of(Source(described / "dataset_info.json", None, "one")) == ["one.json"]
    plan = make_plan([Source(described / "dataset_info.json", None, "far")])
    assert not plan.items
    assert plan.faults[0].where == "dataset_info.json:far"


def test_a_description_in_a_folder_says_how_to_read_its_files(described: Path) -> None:
    """Files that it names have its form, others none; it is no training text itself."""
    plan = make_plan([Source(described)])
    forms = {item.label: item.form and item.form.summary for item in plan.items}
    assert forms == {
        "many/a.json": "messages with named columns",
        "many/b.json": "messages with named columns",
        "one.json": "alpaca with named columns",
        "other.jsonl": None,
    }
    assert Skipped("many/notes.pdf", "not read: a file of another kind") in plan.remarks
    assert any(remark.reason.startswith("2 of its 5 sets are not in this folder") for remark in plan.remarks)
    assert not plan.faults


def test_a_description_by_another_tool_is_passed_over(tmp_path: Path) -> None:
    """It describes a set and holds no training text."""
    put(tmp_path, "a.txt")
    for content in ('{"features": {}, "splits": {}}', "broken {"):
        put(tmp_path, "dataset_info.json", content=content)
        plan = make_plan([Source(tmp_path)])
        assert [item.label for item in plan.items] == ["a.txt"]
        assert [remark.where for remark in plan.remarks] == ["dataset_info.json"]


def test_the_size_is_that_of_the_files_to_read(described: Path) -> None:
    """What progress will add up to."""
    plan = make_plan([Source(described / "dataset_info.json")])
    assert plan.size == sum((described / item.label).stat().st_size for item in plan.items) == 6
