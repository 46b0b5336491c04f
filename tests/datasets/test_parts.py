"""Records are split by their marks: the narrowest counts, and nothing falls back to a wider audience."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.datasets.marks import Marks
from proxy.datasets.parts import Part, Parts
from proxy.types import NOBODY


def parts(record: Any, outer: dict[str, Any] | None = None, marks: Marks | None = None) -> list[Part]:
    return list(Parts(marks or Marks()).of(record, outer))


def audience_of(record: Any, outer: dict[str, Any] | None = None, field: str | None = None) -> str | None:
    """Return the audience of a record that is not split."""
    (part,) = parts(record, outer, Marks(field=field))
    return part.audience


@pytest.mark.parametrize(
    ("record", "field", "expected"),
    [
        ({"audience": "staff"}, None, "staff"),
        ({"audience": " staff "}, None, "staff"),
        ({"audience": "Staff"}, None, "staff"),
        ({"audience": "ＡＤＭＩＮ"}, None, "admin"),
        ({"Audience": "admin"}, None, "admin"),
        ({" AUDIENCE ": "admin"}, None, "admin"),
        ({"audience": "hr.de-2"}, None, "hr.de-2"),
        ({"audience": "员工"}, None, "员工"),
        ({"audience": None}, None, None),
        ({"audience": ""}, None, None),
        ({"text": "x"}, None, None),
        (["audience"], None, None),
        ({"audience": "a", "level": "b"}, "level", "b"),
        ({"audience": "a", "Level": "b"}, "level", "b"),
        ({"audience": "a"}, "level", None),
        ({"meta": {"level": "b"}}, "meta.level", "b"),
        ({"Meta": {"LEVEL": "b"}}, "meta.level", "b"),
        ({"meta.level": "c"}, "meta.level", "c"),
        ({"meta": "x"}, "meta.level", None),
        ({"meta": {"audience": "admin"}, "text": "x"}, None, "admin"),
        ({"audience": "public", "meta": {"audience": "admin"}}, None, "admin"),
        ({"audience": "admin", "meta": {"audience": "public"}}, None, "admin"),
        ({"a": {"b": {"c": {"Audience": "staff"}}}, "text": "x"}, None, "staff"),
        ({"audience": ["staff", "admin"]}, None, "admin"),
        ({"audience": ["public", "staff"]}, None, "staff"),
        ({"audience": "public", "Audience": "admin"}, None, "admin"),
        ({"audience": "public", "audience ": "sales"}, None, NOBODY),
    ],
)
def test_the_audience_is_that_of_the_narrowest_mark(
    record: Any, field: str | None, expected: str | None
) -> None:
    """Of the default field, or of the one that the operator names, at any depth and in any case."""
    assert audience_of(record, None, field) == expected


@pytest.mark.parametrize(
    "value",
    ["young people in cities", ["a", "b"], 3, {"a": "b"}, "x" * 65, "-x", " ", False, [], ["admin", None]],
)
def test_what_is_no_name_protects_from_everybody(value: Any) -> None:
    """It must not fall back to the source's audience, which may be the public."""
    (part,) = parts({"audience": value, "text": "x"})
    assert part.audience == NOBODY
    assert part.remarks


def test_the_object_around_a_list_names_it_for_all() -> None:
    """Unless the record says otherwise."""
    assert audience_of({"text": "x"}, {"audience": "staff"}) == "staff"
    assert audience_of({"audience": "admin"}, {"audience": "staff"}) == "admin"


def test_records_inside_a_record_are_parts_of_their_own() -> None:
    """Each with its own mark, where it is no wider than that of the objects around them."""
    record = {
        "name": "handbook",
        "audience": "staff",
        "articles": [{"audience": "admin", "text": "a"}, {"text": "b"}, {"audience": "public", "text": "c"}],
        "deeper": {"items": [{"Audience": "admin", "text": "d"}]},
    }
    found = {(str(part.value), part.audience) for part in parts(record)}
    assert found == {
        ("{'text': 'a'}", "admin"),
        ("{'text': 'b'}", "staff"),
        ("{'text': 'c'}", "staff"),
        ("{'text': 'd'}", "admin"),
        ("{'name': 'handbook'}", "staff"),
    }


def test_a_mark_that_is_content_can_be_ignored() -> None:
    """The operator says that the field called audience holds text."""
    record = {"audience": "general readers", "text": "x"}
    (part,) = parts(record, None, Marks(ignored=True))
    assert (part.value, part.audience) == (record, None)


def test_marks_are_no_training_text() -> None:
    """They are taken out of a copy; the record itself stays as it was."""
    record = {"audience": "admin", "text": "b", "meta": {"audience": "admin", "by": "c"}}
    (part,) = parts(record)
    assert part.value == {"text": "b", "meta": {"by": "c"}}
    assert record["audience"] == "admin"


NAMES = st.sampled_from(["public", "staff", "admin", "nobody"])
ORDER = ["public", "staff", "admin", "nobody"]
TEXTS = st.integers(0, 10**9).map(lambda number: f"text {number}")
FIELDS = ["text", "meta", "items", "name", "Audience", "audience"]


def marked(name: str, rest: dict[str, Any]) -> dict[str, Any]:
    return {"audience": name, **rest}


MARKED = st.recursive(
    TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
        | st.builds(marked, NAMES, st.dictionaries(st.sampled_from("abc"), inner, max_size=3))
    ),
    max_leaves=25,
)


def written_for(value: Any, audience: str) -> Iterator[tuple[str, str]]:
    """Yield each text with the nearest mark around it, by a plain walk of the value."""
    if isinstance(value, str):
        yield value, audience
    elif isinstance(value, list):
        for inner in value:
            yield from written_for(inner, audience)
    elif isinstance(value, dict):
        own = [mark for key, mark in value.items() if key.casefold() == "audience"]
        if own:
            known = [mark for mark in own if isinstance(mark, str) and mark in ORDER]
            audience = max(known, key=ORDER.index) if len(known) == len(own) else "nobody"
        for key, inner in value.items():
            if key.casefold() != "audience" or inner not in ORDER:  # what is no audience is text
                yield from written_for(inner, audience)


def texts_of(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(texts_of, members), set())


@example({"text": {"audience": "public"}, "Audience": {"audience": "public"}})
@given(MARKED)
def test_no_text_becomes_free_for_a_wider_audience(value: Any) -> None:
    """Marks anywhere, at any depth: no part gives a text to more roles than the nearest mark around it, and
    no text is lost."""
    record = {"text": "root", "value": value}
    allowed: dict[str, int] = {}
    for text, audience in written_for(record, "public"):
        allowed[text] = min(allowed.get(text, len(ORDER)), ORDER.index(audience))
    found: set[str] = set()
    for part in parts(record):
        for text in texts_of(part.value):
            assert ORDER.index(part.audience or "public") >= allowed.get(text, 0)
            found.add(text)
    assert set(allowed) <= found
    assert found - set(allowed) <= set(ORDER)  # the words of a mark that is none, read as text
