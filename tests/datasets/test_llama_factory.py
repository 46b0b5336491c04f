"""dataset_info.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.datasets.forms import misfit, read_texts
from proxy.datasets.llama_factory import Entry, entries, is_dataset_info
from proxy.errors import ConfigError


def entry_of(folder: Path, description: dict[str, Any]) -> Entry:
    (folder / "a.json").write_text("[]")
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({"set": description}))
    (entry,) = entries(path, "set")
    return entry


def texts_of(folder: Path, description: dict[str, Any], record: dict[str, Any]) -> tuple[str, ...]:
    form = entry_of(folder, {"file_name": "a.json", **description}).form
    assert form is not None
    assert misfit(record, form) is None
    return read_texts(record, form)


def test_without_columns_the_names_of_alpaca_hold(tmp_path: Path) -> None:
    """instruction, input and output; other fields were not trained on."""
    record = {"instruction": "i", "input": "in", "output": "o", "system": "s", "more": "m"}
    assert texts_of(tmp_path, {}, record) == ("i", "in", "o")


def test_columns_of_alpaca_sets(tmp_path: Path) -> None:
    """Where columns are named the others are not read, not even by their usual names."""
    columns = {
        "prompt": "q",
        "query": "ctx",
        "response": "a",
        "system": "sys",
        "history": "past",
        "tools": "t",
    }
    record = {
        "q": "Q",
        "ctx": "C",
        "a": "A",
        "sys": "S",
        "past": [["h1", "h2"]],
        "t": [{"name": "f"}],
        "output": "no",
        "images": ["no.png"],
    }
    expected = ("S", '[{"name":"f"}]', "h1", "h2", "Q", "C", "A")
    assert texts_of(tmp_path, {"columns": columns}, record) == expected
    assert texts_of(tmp_path, {"columns": {"prompt": "text"}}, {"text": "T", "output": "no"}) == ("T",)


def test_ranking_of_alpaca_sets(tmp_path: Path) -> None:
    """Both answers are read."""
    columns = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    record = {"q": "Q", "good": "G", "bad": "B"}
    assert texts_of(tmp_path, {"ranking": True, "columns": columns}, record) == ("Q", "G", "B")


def test_sharegpt_sets(tmp_path: Path) -> None:
    """The defaults of the format, with the columns that are named."""
    record = {
        "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
        "tools": "[T]",
        "x": "no",
    }
    assert texts_of(tmp_path, {"formatting": "sharegpt"}, record) == ("q", "a")
    assert texts_of(tmp_path, {"formatting": "sharegpt", "columns": {"tools": "tools"}}, record) == (
        "[T]",
        "q",
        "a",
    )


def test_tags_of_sharegpt_sets(tmp_path: Path) -> None:
    """Roles are no text, whatever they are called."""
    description = {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {
            "messages": "talk",
            "system": "sys",
            "chosen": "good",
            "rejected": "bad",
            "kto_tag": "label",
        },
        "tags": {"role_tag": "who", "content_tag": "says", "user_tag": "kunde", "assistant_tag": "berater"},
    }
    record = {
        "sys": "s",
        "talk": [{"who": "kunde", "says": "q"}],
        "good": {"who": "berater", "says": "g"},
        "bad": {"who": "berater", "says": "b"},
        "label": True,
    }
    assert texts_of(tmp_path, description, record) == ("s", "q", "g", "b")


def test_openai_sets(tmp_path: Path) -> None:
    """The third formatting has OpenAI's names."""
    record = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
        ]
    }
    assert texts_of(tmp_path, {"formatting": "openai"}, record) == ("q", "f")


@pytest.mark.parametrize(
    ("description", "record"),
    [
        ({}, {"text": "secret"}),
        ({"columns": {"prompt": "q", "chosen": "c"}}, {"q": "secret"}),
        ({"formatting": "sharegpt"}, {"messages": "secret"}),
        ({"formatting": "sharegpt"}, {"conversations": [{"role": "user", "content": "secret"}]}),
        ({"formatting": "sharegpt"}, {"conversations": ["secret"]}),
    ],
)
def test_records_without_the_named_columns_do_not_fit(
    tmp_path: Path, description: dict[str, Any], record: dict[str, Any]
) -> None:
    """The reason names the column and nothing of the record."""
    form = entry_of(tmp_path, {"file_name": "a.json", **description}).form
    assert form is not None
    reason = misfit(record, form)
    assert reason
    assert "secret" not in reason


@pytest.mark.parametrize("key", ["hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name"])
def test_remote_sets_are_not_read(tmp_path: Path, key: str) -> None:
    """Not even where a file is named as well, which LLaMA-Factory then ignores."""
    entry = entry_of(tmp_path, {key: "somewhere", "file_name": "a.json"})
    assert entry.path is None
    assert key in entry.fault


@pytest.mark.parametrize(
    ("description", "fault"),
    [
        ({"file_name": "gone.json"}, "gone.json does not exist"),
        ({"columns": {}}, "no file_name"),
        ({"file_name": 3}, "no file_name"),
        ({"file_name": "a.json", "formatting": "other"}, "formatting"),
        ({"file_name": "a.json", "columns": ["x"]}, "columns and tags"),
        ({"file_name": "a.json", "tags": {"role_tag": 1}}, "columns and tags"),
    ],
)
def test_entries_that_cannot_be_followed_say_why(tmp_path: Path, description: Any, fault: str) -> None:
    """Each has its fault instead of a path."""
    path = tmp_path / "dataset_info.json"
    (tmp_path / "a.json").write_text("[]")
    path.write_text(json.dumps({"set": description, "other": {"file_name": "a.json"}}))
    (entry,) = entries(path, "set")
    assert entry.path is None
    assert fault in entry.fault


@pytest.mark.parametrize("content", ["", "[]", "{", '{"description": "x"}', '{"a": {"b": 1}}', "[" * 5_000])
def test_a_file_that_describes_no_sets(tmp_path: Path, content: str) -> None:
    """Other tools write a dataset_info.json too: the error says what is expected."""
    path = tmp_path / "dataset_info.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"dataset_info\.json"):
        entries(path)


def test_the_description_of_other_tools_is_not_taken_for_ours() -> None:
    """An object of objects needs at least one that names a file or a place."""
    assert is_dataset_info({"a": {"file_name": "x"}, "b": {}})
    assert not is_dataset_info({"features": {"text": {"dtype": "string"}}, "splits": {}})
    assert not is_dataset_info({"a": {"file_name": "x"}, "version": 1})
