"""Plain text files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.datasets import plain
from proxy.datasets.plain import LIMIT
from proxy.datasets.stream import Record, SourceFile


def texts_of(path: Path, text: str) -> list[str]:
    path.write_bytes(text.encode())
    with SourceFile(path, path.name) as file:
        return [entry.value["text"] for entry in plain.read(file) if isinstance(entry, Record)]


def test_a_short_file_is_one_document(tmp_path: Path) -> None:
    """Its text is kept as it is."""
    assert texts_of(tmp_path / "a.md", "# Title\n\nOne.\n\nTwo.\n") == ["# Title\n\nOne.\n\nTwo.\n"]


def test_a_long_file_is_cut_between_paragraphs(tmp_path: Path) -> None:
    """Documents end where a paragraph ends, and are as long as the limit lets them be."""
    paragraphs = [f"Paragraph {number}.\n" + "words " * 300 + "\n\n" for number in range(20)]
    found = texts_of(tmp_path / "a.txt", "".join(paragraphs))
    assert "".join(found) == "".join(paragraphs)
    assert all(text.startswith("Paragraph") and text.endswith("\n\n") for text in found)
    assert all(LIMIT / 2 < len(text) <= LIMIT for text in found[:-1])


@pytest.mark.parametrize(("end", "sentence"), [(". ", "Some words here"), ("。", "这里有一些字")])
def test_a_long_line_is_cut_between_sentences(tmp_path: Path, end: str, sentence: str) -> None:
    """Where a paragraph is longer than the limit its sentences stay whole."""
    text = (sentence + end) * 4_000
    found = texts_of(tmp_path / "a.txt", text)
    assert "".join(found) == text
    assert all(piece.startswith(sentence) and piece.endswith(end) for piece in found)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "bc. ", "\n", "\n\n", " ", "\r\n", "字。"]), st.integers(1, 9_000)),
        max_size=8,
    )
)
def test_nothing_is_lost_and_nothing_too_long(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, int]]
) -> None:
    """Put together the documents are the text, but for pieces that are blank."""
    text = "".join(part * count for part, count in parts)
    found = texts_of(tmp_path_factory.mktemp("plain") / "a.txt", text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(0 < len(piece) <= LIMIT and not piece.isspace() for piece in found)


def test_one_line_of_megabytes(tmp_path: Path) -> None:
    """A text without any place to cut is cut at the limit."""
    found = texts_of(tmp_path / "a.txt", "x" * 3_000_000)
    assert len(found) == 3_000_000 // LIMIT
