"""Files as streams of lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from proxy.datasets.stream import SourceFile, kind_of

TEXT = "one\nzwei ü\n三\n"


def lines_of(path: Path, data: bytes, told: list[int] | None = None) -> list[bytes]:
    path.write_bytes(data)
    with SourceFile(path, path.name, None if told is None else told.append) as file:
        return list(file.lines())


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff")],
)
@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_utf8_without_a_mark(tmp_path: Path, encoding: str, mark: str, packed: bool) -> None:
    """Whatever the encoding and packing, the lines come as plain UTF-8."""
    data = (mark + TEXT).encode(encoding)
    path = tmp_path / ("a.txt.gz" if packed else "a.txt")
    assert lines_of(path, gzip.compress(data) if packed else data) == TEXT.encode().splitlines(keepends=True)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("take", [0, 1, 100_000])
def test_progress_adds_up_to_the_size(tmp_path: Path, packed: bool, take: int) -> None:
    """However much of a file is read, what is told adds up to its size on disk."""
    data = b"".join(b"line %d\n" % number for number in range(300_000))
    path = tmp_path / ("a.txt.gz" if packed else "a.txt")
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    told: list[int] = []
    with SourceFile(path, path.name, told.append) as file:
        for _, _line in zip(range(take), file.lines(), strict=False):
            pass
    assert sum(told) == path.stat().st_size
    assert min(told) > 0


def test_progress_is_told_on_the_way(tmp_path: Path) -> None:
    """A large file tells its progress in parts of about a megabyte."""
    told: list[int] = []
    lines_of(tmp_path / "a.txt", b"x" * 999 + b"\n" + b"y" * 5_000_000, told)
    assert len(told) >= 4


def test_bad_utf8_is_replaced_and_noted(tmp_path: Path) -> None:
    """Text keeps its good characters, and the lines in question are known."""
    path = tmp_path / "a.txt"
    path.write_bytes("gut\nsch\xf6n\nwieder gut\n".encode("latin-1"))
    with SourceFile(path, "a.txt", encoding="utf-8") as file:
        assert list(file.text_lines()) == ["gut\n", "sch\ufffdn\n", "wieder gut\n"]
        assert file.replaced == [2]


def test_bad_utf16_is_not_passed_on_as_text(tmp_path: Path) -> None:
    """A lone surrogate in UTF-16 is replaced like any other bytes that are no text."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\xfe" + "ok\n".encode("utf-16-le") + b"\x00\xd8a\x00")
    with SourceFile(path, "a.txt") as file:
        assert "".join(file.text_lines()).isprintable() is False
        assert file.replaced == [2]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jsonl", ".jsonl"), ("A.JSONL", ".jsonl"), ("a.b.csv.gz", ".csv"), ("a.gz", ""), ("a", "")],
)
def test_kind_ignores_case_and_packing(name: str, kind: str) -> None:
    """The suffix before .gz says how a file is read."""
    assert kind_of(Path(name)) == kind
