"""Audiences of records."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.datasets.audience import audience_of, without_audience
from proxy.types import NOBODY


@pytest.mark.parametrize(
    ("record", "field", "expected"),
    [
        ({"audience": "staff"}, None, "staff"),
        ({"audience": " staff "}, None, "staff"),
        ({"audience": "hr.de-2"}, None, "hr.de-2"),
        ({"audience": "员工"}, None, "员工"),
        ({"audience": None}, None, None),
        ({"audience": ""}, None, None),
        ({"text": "x"}, None, None),
        (["audience"], None, None),
        ({"audience": "a", "level": "b"}, "level", "b"),
        ({"audience": "a"}, "level", None),
        ({"meta": {"level": "b"}}, "meta.level", "b"),
        ({"meta.level": "c"}, "meta.level", "c"),
        ({"meta": "x"}, "meta.level", None),
    ],
)
def test_the_audience_is_that_of_the_field(record: Any, field: str | None, expected: str | None) -> None:
    """Of the default field, or of the one that the operator names, at any depth."""
    assert audience_of(record, None, field) == (expected, True)


@pytest.mark.parametrize(
    "value", ["young people in cities", ["a", "b"], 3, {"a": "b"}, "x" * 65, "-x", " ", False]
)
def test_what_is_no_name_protects_from_everybody(value: Any) -> None:
    """It must not fall back to the source's audience, which may be the public."""
    assert audience_of({"audience": value}, None, None) == (NOBODY, False)


def test_the_object_around_a_list_names_it_for_all() -> None:
    """Unless the record says otherwise."""
    assert audience_of({"text": "x"}, {"audience": "staff"}, None) == ("staff", True)
    assert audience_of({"audience": "admin"}, {"audience": "staff"}, None) == ("admin", True)


def test_the_field_is_taken_out_of_a_copy() -> None:
    """The record itself stays as it was."""
    record = {"audience": "a", "text": "b"}
    assert without_audience(record, None) == {"text": "b"}
    assert record == {"audience": "a", "text": "b"}
    assert without_audience(["x"], None) == ["x"]
