"""What the rebuild reads and writes, as far as it needs no training library."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.recognizers.english import shape
from proxy.recognizers.files import read_models
from proxy.recognizers.rebuild import pack
from proxy.recognizers.rebuild.corpora import read_conll
from proxy.recognizers.rebuild.sentences import sections, templates
from proxy.recognizers.rebuild.sources import Source, fetch
from proxy.recognizers.rebuild.values import SLOT, Values


def test_a_handle_is_no_person(tmp_path: Path) -> None:
    """Account handles lose their label, written in one token or in two; other labels stay in place."""
    path = tmp_path / "x.conll"
    path.write_text(
        "@\tB-PER\nanna_b\tI-PER\nmet\tO\nAda\tB-PER\nLovelace\tI-PER\n\n@bob\tB-person\nACME\tB-corporation\n"
    )
    first, second = read_conll(path)
    assert [(first.text[a:b], kind) for a, b, kind in first.marks] == [("Ada Lovelace", "PER")]
    assert [(second.text[a:b], kind) for a, b, kind in second.marks] == [("ACME", "ORG")]


def test_every_slot_of_a_template_can_be_filled() -> None:
    """A slot is a word list or a method of the maker."""
    here = files("proxy.recognizers.rebuild")
    words = sections(here.joinpath("words.txt").read_text("utf-8"))
    lines = templates(here.joinpath("templates.txt").read_text("utf-8"))
    slots = {slot for line in (*lines, *words["institution"]) for slot in SLOT.findall(line)}
    assert len(lines) > 200
    assert all(slot in words or hasattr(Values, f"_{slot}") or slot == "address_lines" for slot in slots)
    assert all(words.values())


def test_the_shape_of_a_word() -> None:
    """How a word is written is told in four classes, digits aside."""
    assert [shape(word) for word in ("word", "12", "Word", "A", "WORD", "iPhone", "McCoy")] == [
        0,
        0,
        1,
        1,
        2,
        3,
        3,
    ]


def test_a_pack_can_be_read_back(tmp_path: Path) -> None:
    """What the rebuild writes is what the room opens, language by language."""
    made = {
        "a.bin": pack.File(b"one", "en", "here", "free", "none", "By nobody."),
        "b.bin": pack.File(b"two", "zh", "there", "free", "none"),
    }
    size = pack.write(tmp_path, made)
    assert read_models(tmp_path, ("en",)) == {"a.bin": b"one"}
    assert read_models(tmp_path, ("en", "zh")) == {"a.bin": b"one", "b.bin": b"two"}
    assert "By nobody." in (tmp_path / "NOTICE").read_text("utf-8")
    assert size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert json.loads((tmp_path / "manifest.json").read_text("utf-8"))["files"]["b.bin"]["source"] == "there"


def test_an_archive_with_another_sum_is_not_read(tmp_path: Path) -> None:
    """A source whose archive is not the pinned one stops the rebuild."""
    store = tmp_path / "thing-1"
    store.mkdir()
    (store / "thing-1.whl").write_bytes(b"other")
    with pytest.raises(ConfigError, match="sha256"):
        fetch(Source("thing==1", "0" * 64, {}), tmp_path)
