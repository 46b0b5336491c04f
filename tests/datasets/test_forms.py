"""Shapes of records, as read under auto and when chosen."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.datasets import FORMATS, forms
from proxy.datasets.forms import misfit, named, read_all_texts, read_texts

CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
SHARED = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]

# (the form that auto sees, the record, its texts in that form)
RECORDS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("alpaca", {"instruction": "i", "input": "", "output": "o"}, ("i", "o")),
    (
        "alpaca",
        {
            "output": "o",
            "input": "in",
            "instruction": "i",
            "history": [["h1", "h2"], ["h3", "h4"]],
            "system": "s",
        },
        ("s", "h1", "h2", "h3", "h4", "i", "in", "o"),
    ),
    ("sharegpt", {"conversations": SHARED, "tools": "[]", "system": "s"}, ("s", "[]", "q", "a")),
    (
        "sharegpt",
        {
            "conversations": [
                {"from": "human", "value": "q"},
                {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
                {"from": "observation", "value": '{"r": 1}'},
                {"from": "gpt", "value": "a"},
            ]
        },
        ("q", '{"name": "f", "arguments": {}}', '{"r": 1}', "a"),
    ),
    ("openai", {"messages": CHAT}, ("q", "a")),
    (
        "openai",
        {"tools": [{"type": "function", "function": {"name": "f"}}], "messages": CHAT},
        ("q", "a", '[{"type":"function","function":{"name":"f"}}]'),
    ),
    (
        "openai",
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}],
            "functions": [{"name": "f"}],
        },
        ("q", '[{"name":"f"}]'),
    ),
    (
        "openai",
        {"messages": [{"role": "user", "content": [{"type": "text", "value": "q"}], "loss_weight": 0.0}]},
        ("q",),
    ),
    (
        "openai",
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
        ("f", "{}"),
    ),
    ("preference", {"prompt": "p", "chosen": "c", "rejected": "r"}, ("p", "c", "r")),
    (
        "preference",
        {
            "conversations": SHARED[:1],
            "chosen": {"from": "gpt", "value": "c"},
            "rejected": {"from": "gpt", "value": "r"},
        },
        ("q", "c", "r"),
    ),
    (
        "preference",
        {"chosen": CHAT, "rejected": [CHAT[0], {"role": "assistant", "content": "r"}]},
        ("q", "a", "r"),
    ),
    ("kto", {"messages": CHAT, "label": True}, ("q", "a")),
    ("kto", {"instruction": "i", "input": "in", "output": "o", "kto_tag": False}, ("i", "in", "o")),
    ("kto", {"prompt": CHAT[:1], "completion": CHAT[1:], "label": False}, ("q", "a")),
    ("text", {"text": "t"}, ("t",)),
    ("records", {"question": "q", "n": 5, "answer": {"text": "a", "marks": ["m"]}}, ("q", "a", "m")),
    ("records", ["name", {"phone": "123"}], ("name", "123")),
    ("records", "alone", ("alone",)),
    ("records", {"chosen": "c", "text": None, "messages": []}, ("c",)),
]


@pytest.mark.parametrize(("name", "record", "expected"), RECORDS)
def test_auto_knows_the_shape_and_reads_it_in_order(
    name: str, record: Any, expected: tuple[str, ...]
) -> None:
    """The fields of a record tell its shape; its texts are one a message or field."""
    form = named(record) or forms.RECORDS
    assert form is FORMATS[name]
    assert read_all_texts(record, form) == expected


@pytest.mark.parametrize(("name", "record", "expected"), RECORDS)
def test_a_chosen_form_reads_its_fields(name: str, record: Any, expected: tuple[str, ...]) -> None:
    """A record of a form fits it, and gives the same texts when the form is chosen."""
    assert misfit(record, FORMATS[name]) is None
    assert read_texts(record, FORMATS[name]) == expected


def test_every_format_is_tried() -> None:
    """The table of formats and the records above name the same formats."""
    assert {name for name, _, _ in RECORDS} == set(FORMATS)
    assert all(form.name == name for name, form in FORMATS.items())


@pytest.mark.parametrize("name", ["alpaca", "sharegpt", "openai", "preference", "kto", "text", "records"])
def test_auto_reads_fields_outside_the_shape_too(name: str) -> None:
    """A title or a thought is training text as well; an id and names of images are not."""
    record = next(record for form, record, _ in RECORDS if form == name and isinstance(record, dict))
    more = {**record, "title": "TITLE", "thought": {"of": ["THOUGHT"]}, "images": ["a.png"], "id": "x-1"}
    form = named(more) or forms.RECORDS
    found = read_all_texts(more, form)
    assert {"TITLE", "THOUGHT"} < set(found)
    assert ("a.png" in found) is ("x-1" in found) is (name == "records")
    assert name == "records" or read_texts(more, form) == read_texts(record, form)


@pytest.mark.parametrize("name", ["alpaca", "sharegpt", "openai", "preference", "kto", "text"])
@pytest.mark.parametrize(
    "record",
    [
        *({}, [], 3, None, {"secret": "x"}),
        {"messages": [], "conversations": [], "label": "secret", "output": "o"},
        {"messages": [{"content": "secret"}], "conversations": [{"from": "human"}], "label": "secret"},
        {
            "messages": ["secret"],
            "conversations": "secret",
            "text": ["secret"],
            "instruction": 3,
            "chosen": "secret",
        },
        {"messages": [{"role": ["x"], "content": "y"}], "label": [[True]], "completion": "x", "rejected": []},
    ],
)
def test_what_does_not_fit_is_told_without_its_text(name: str, record: Any) -> None:
    """A misfit has a reason, which holds nothing of the record."""
    reason = misfit(record, FORMATS[name])
    assert reason
    assert "secret" not in reason


def test_the_key_of_a_record_is_text_unless_it_is_a_position() -> None:
    """Objects keyed by a customer's name give the name; those keyed 0, 1, 2 give no numbers."""
    record = {"mail": "a@b"}
    for key, expected in [
        ("ann_7", ("ann_7", "a@b")),
        ("4532015112830366", ("4532015112830366", "a@b")),
        ("12", ("a@b",)),
        ("a@b", ("a@b",)),
        (" ", ("a@b",)),
        (None, ("a@b",)),
    ]:
        assert read_all_texts(record, forms.RECORDS, key) == expected
    assert read_all_texts({"text": "t"}, forms.TEXT, "doc-a") == ("doc-a", "t")
    assert read_all_texts({"n": 1}, forms.RECORDS, "ann_7") == ()
