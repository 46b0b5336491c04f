"""proxy/datasets/arrow.py: sets that Hugging Face's datasets saved are read from their Arrow files alone."""

from __future__ import annotations

import builtins
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from proxy.datasets import Source, read, total_bytes
from proxy.errors import ConfigError
from proxy.types import Document, Noted, Skipped, Unread
from tests.training import ADMIN, PUBLIC, STAFF


def save(folder: Path, rows: Sequence[dict[str, Any]], *, files: int = 1, stream: bool = True) -> Path:
    """A folder as `Dataset.save_to_disk` leaves it: Arrow files and descriptions."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05d}-of-{files:05d}.arrow" for number in range(files)]
    for number, name in enumerate(names):
        table = pa.Table.from_pylist(list(rows[number::files]))
        make = pa.ipc.new_stream if stream else pa.ipc.new_file
        with make(str(folder / name), table.schema) as writer:
            writer.write_table(table)
    state = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": "0f1e2d3c4b5a6978",
        "_format_type": None,
        "_split": "train",
    }
    (folder / "state.json").write_text(json.dumps(state), "utf-8")
    info = {"features": {"text": {"dtype": "string", "_type": "Value"}}, "builder_name": "json"}
    (folder / "dataset_info.json").write_text(json.dumps(info), "utf-8")
    return folder


ROWS = [
    {"text": PUBLIC, "audience": "public"},
    {"text": STAFF, "audience": "staff"},
    {"text": ADMIN, "audience": "admin"},
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("files", [1, 3])
def test_a_saved_set_is_read_from_its_arrow_files(tmp_path: Path, stream: bool, files: int) -> None:
    """Every row, with its audience; the descriptions are named and not read."""
    folder = save(tmp_path / "set", ROWS, files=files, stream=stream)
    entries = list(read([Source(folder)]))
    documents = [each for each in entries if isinstance(each, Document)]
    assert {(each.texts[0], each.audience) for each in documents} == {tuple(row.values()) for row in ROWS}
    assert len(documents) == len(ROWS)
    remarks = {each.where: each.reason for each in entries if isinstance(each, Noted)}
    assert "holds no training text" in remarks["state.json"]
    assert not [each for each in entries if isinstance(each, Skipped) and not isinstance(each, Noted)]


def test_a_dictionary_of_splits_is_read_split_by_split(tmp_path: Path) -> None:
    """The folders below, and no description."""
    save(tmp_path / "all" / "train", ROWS[:2])
    save(tmp_path / "all" / "test", ROWS[2:])
    (tmp_path / "all" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', "utf-8")
    entries = list(read([Source(tmp_path / "all")]))
    assert len([each for each in entries if isinstance(each, Document)]) == 3
    assert "dataset_dict.json" in {each.where for each in entries if isinstance(each, Noted)}


def test_intermediate_files_of_the_set_are_named_and_not_read(tmp_path: Path) -> None:
    """A cache beside the data may hold the set again, or its token ids."""
    folder = save(tmp_path / "set", ROWS)
    (folder / "cache-0123456789abcdef.arrow").write_bytes((folder / "data-00000-of-00001.arrow").read_bytes())
    entries = list(read([Source(folder)]))
    assert len([each for each in entries if isinstance(each, Document)]) == 3
    remarks = {each.where: each.reason for each in entries if isinstance(each, Noted)}
    assert "intermediate" in remarks["cache-0123456789abcdef.arrow"]


def test_a_state_file_of_something_else_is_read_as_ever(tmp_path: Path) -> None:
    """Only one that lists data files describes a set."""
    (tmp_path / "state.json").write_text(json.dumps([{"text": ADMIN}]), "utf-8")
    (document,) = read([Source(tmp_path)])
    assert isinstance(document, Document)


def test_progress_adds_up(tmp_path: Path) -> None:
    """Over batches, to the size on the disk."""
    folder = save(tmp_path / "set", [{"text": f"{PUBLIC} {number}"} for number in range(3000)], files=2)
    told: list[int] = []
    assert len([e for e in read([Source(folder)], progress=told.append) if isinstance(e, Document)]) == 3000
    assert sum(told) == total_bytes([Source(folder)])
    assert min(told) > 0


@pytest.mark.parametrize("content", [b"", b"no arrow at all", b"ARROW1\x00\x00" + b"x" * 100])
def test_a_file_that_is_no_arrow_is_reported_whole(tmp_path: Path, content: bytes) -> None:
    """With its size, so that it counts."""
    (tmp_path / "a.arrow").write_bytes(content)
    entries = list(read([Source(tmp_path / "a.arrow")]))
    unread = [(each.where, each.size) for each in entries if isinstance(each, Unread)]
    assert unread == [("a.arrow", len(content))]


def test_without_pyarrow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an index of the descriptions beside it."""
    folder = save(tmp_path / "set", ROWS)
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"needs pyarrow.*sluicegate\[parquet\]"):
        list(read([Source(folder)]))
