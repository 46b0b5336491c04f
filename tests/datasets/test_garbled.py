"""proxy/datasets/garbled.py: records of lost characters are not text; a scratch does not make one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.datasets import Source, read
from proxy.datasets.garbled import garbled
from proxy.types import Document, Skipped
from tests.training import ADMIN_ZH


@pytest.mark.parametrize(
    "text",
    [
        *("\ufffd" * 5, "Ab\ufffd\ufffdcd", "\x80\x81\x82 text", "锟斤拷锟斤拷 text"),
        *("\ue000\ue001 private", "a\x00b\x00c\x00"),
    ],
)
def test_text_full_of_lost_characters_is_garbled(text: str) -> None:
    """Replacement characters, controls, private use, and what they become when they are read once more."""
    assert garbled([text]) > 0


@pytest.mark.parametrize(
    "text",
    ["", "plain\ttext\r\n", ADMIN_ZH, "naïve “quotes” — 😀 e\u0301 \u200d\ufeff", "x" * 99 + "\ufffd"],
)
def test_text_with_a_scratch_is_not(text: str) -> None:
    """Marks, joiners and one lost character in a hundred are text."""
    assert garbled([text]) == 0


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt"])
def test_garbled_records_are_skipped_and_counted(tmp_path: Path, name: str) -> None:
    """The others are read; the reason has a number and no text."""
    bad, good = "Ri\ufffd\ufffd\ufffdck\ufffdg", "A sentence that can be read."
    content = {
        "a.jsonl": "".join(json.dumps({"text": each}) + "\n" for each in (bad, good)),
        "a.csv": f"text\n{bad}\n{good}\n",
        "a.txt": bad,
    }[name]
    (tmp_path / name).write_text(content, "utf-8")
    entries = list(read([Source(tmp_path / name)]))
    skipped = [each for each in entries if isinstance(each, Skipped)]
    assert [each.reason for each in skipped] == ["garbled: 4 of its characters are no text"]
    assert len([each for each in entries if isinstance(each, Document)]) == (name != "a.txt")
