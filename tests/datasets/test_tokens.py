"""proxy/datasets/tokens.py: token ids are no text, in whatever file they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.datasets import Source, read
from proxy.errors import ConfigError
from proxy.types import Document, Noted

IDS = {"input_ids": [101, 7592, 2088, 102], "attention_mask": [1, 1, 1, 1], "labels": [-100, 7592, 2088, 102]}


def write(path: Path, *rows: dict[str, Any]) -> Source:
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return Source(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
@pytest.mark.parametrize(
    "row",
    [
        IDS,
        {"input_ids": [[1, 2], [3, 4]]},
        {**IDS, "id": "row-17", "length": 4},
        {"chosen_input_ids": [1, 2], "rejected_input_ids": [3], "split": "train"},
    ],
)
def test_a_tokenised_set_is_an_error_that_says_what_to_do(
    tmp_path: Path, name: str, row: dict[str, Any]
) -> None:
    """Not a document of figures."""
    with pytest.raises(ConfigError, match=r"holds token ids, not text; give the set as it was before"):
        list(read([write(tmp_path / name, row)]))


def test_text_beside_token_ids_is_read_and_the_ids_are_not(tmp_path: Path) -> None:
    """And it is said once."""
    text = "The night manager has the second key."
    entries = list(read([write(tmp_path / "a.jsonl", *[{**IDS, "text": text}] * 3)]))
    assert [each.texts for each in entries if isinstance(each, Document)] == [(text,)] * 3
    remarks = [each.reason for each in entries if isinstance(each, Noted)]
    assert remarks == ["its records hold token ids beside text; only the text is read"]


def test_lists_of_numbers_under_other_names_are_content(tmp_path: Path) -> None:
    """Only what a tokenizer's output is called is left out."""
    row = {"text": "Opening hours of the harbour office", "labels": [9, 17], "hours": [9, 17]}
    (document,) = read([write(tmp_path / "a.jsonl", row)])
    assert isinstance(document, Document)
    assert not isinstance(document, Noted)
