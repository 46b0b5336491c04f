"""Parquet files."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.datasets.parquet import read
from proxy.datasets.stream import Record, SourceFile
from proxy.errors import ConfigError
from proxy.types import Skipped


def entries_of(path: Path, told: list[int] | None = None) -> list[Any]:
    with SourceFile(path, path.name, None if told is None else told.append) as file:
        return [entry.value if isinstance(entry, Record) else entry for entry in read(file)]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(rows), path)
    return path


def test_rows_become_records(tmp_path: Path) -> None:
    """Strings, lists of messages, numbers and dates come as Python values."""
    rows: list[dict[str, Any]] = [
        {"text": "a", "messages": [{"role": "user", "content": "b"}], "n": 3, "d": datetime.date(2024, 1, 2)},
        {"text": None, "messages": [], "n": None, "d": None},
    ]
    assert entries_of(written(tmp_path / "a.parquet", rows)) == rows


def test_many_rows_and_progress(tmp_path: Path) -> None:
    """More rows than a batch are numbered on, and progress is told on the way and adds up."""
    path = written(tmp_path / "a.parquet", [{"text": f"row {number}"} for number in range(2_000)])
    told: list[int] = []
    assert entries_of(path, told)[-1] == {"text": "row 1999"}
    assert len(told) >= 3
    assert sum(told) == path.stat().st_size


def test_bytes_are_text_or_reported(tmp_path: Path) -> None:
    """Bytes in UTF-8 are text; of others the column is reported once, also inside structures."""
    rows: list[dict[str, Any]] = [{"text": "é".encode(), "image": {"bytes": b"\x89PNG\xff", "path": "p"}}] * 2
    assert entries_of(written(tmp_path / "a.parquet", rows)) == [
        {"text": "é", "image": {"bytes": None, "path": "p"}},
        {"text": "é", "image": {"bytes": None, "path": "p"}},
        Skipped("a.parquet:column image", "holds bytes that are not text; they were not read"),
    ]


@pytest.mark.parametrize("data", [b"", b"not parquet", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_a_file_that_is_not_parquet(tmp_path: Path, data: bytes) -> None:
    """It is reported; nothing is raised."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    (entry,) = entries_of(path)
    assert entry.where == "a.parquet"
    assert entry.reason.startswith("not a readable Parquet file")


def test_without_pyarrow_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet is an extra."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match="needs pyarrow"):
        entries_of(path)
