"""Annotations: their texts are guarded, the rest has a closed syntax."""

from __future__ import annotations

from typing import Any

from proxy.dialects.notes import Notes
from proxy.types import Cleared
from tests.dialects.driving import IDS, unsealed

NESTED = {
    "type": "url_citation",
    "url_citation": {"title": "T", "url": "https://a.example", "start_index": 1, "end_index": 4},
}
FLAT = {"type": "file_citation", "filename": "a.txt", "file_id": "file-1", "index": 3}


def read(*given: Any) -> tuple[Notes, dict[str, Cleared], list[str]]:
    notes, dropped = Notes("annotation", IDS), []  # type: tuple[Notes, list[str]]
    texts = {channel: Cleared(text) for each in given for channel, text in notes.read(each, dropped)}
    return notes, texts, dropped


def test_both_forms_come_back() -> None:
    """The nested form of chat and the flat form of responses are written as they came, ids sealed."""
    notes, texts, dropped = read(NESTED, FLAT)
    assert set(texts) == set(notes.channels)
    notes.take(texts)
    assert unsealed(notes.written(unchanged=True)) == [NESTED, FLAT]
    assert "file-1" not in str(notes.written(unchanged=True))
    assert dropped == []


def test_offsets_are_gone_when_the_text_changed() -> None:
    """Offsets into an answer that was redacted would point anywhere: they become 0; ids stay."""
    notes, texts, _ = read(NESTED, FLAT)
    notes.take(texts)
    nested, flat = unsealed(notes.written(unchanged=False))
    assert (nested["url_citation"]["start_index"], nested["url_citation"]["end_index"]) == (0, 0)
    assert (flat["file_id"], flat["index"]) == ("file-1", 0)


def test_text_that_was_not_let_go_is_not_written() -> None:
    """Without its guards' word a title is empty."""
    notes, _, _ = read(NESTED)
    assert notes.written(unchanged=True)[0]["url_citation"]["title"] == ""


def test_other_annotations_stay_behind() -> None:
    """Unknown kinds, and what is none, are counted."""
    notes, texts, dropped = read({"type": "secret", "text": "12345"}, 7, {"type": ["x"]})
    assert not notes
    assert texts == {}
    assert dropped == ["annotations"] * 3
