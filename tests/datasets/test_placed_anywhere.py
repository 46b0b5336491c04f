"""Audiences anywhere in random records: no text is for more roles than its author wrote, in any format.

The oracle walks the Python values before they are written: a text is for the narrowest of all marks around
it. Texts are numbers in words, each of them once, so that each can be found again.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.datasets import Source, read
from proxy.types import Document

ORDER = ["public", "staff", "admin", "nobody"]
KEYS = ["text", "meta", "items", "documents", "name", "note", "messages"]
SPELLINGS = ["audience", "Audience", "AUDIENCE", " audience ", "audience\u200b"]
VALUES = [
    *ORDER,
    "Admin",
    " staff ",
    "ＡＤＭＩＮ",
    "",
    None,
    "two words",
    3,
    ["public", "admin"],
    "staff,admin",
]
WORD = re.compile(r"word\d+")


def meaning(value: object) -> str | None:
    """Return what the value of a mark means, by this test's own table."""
    if value is None or value == "":
        return None
    known = {
        "admin": "admin",
        "staff": "staff",
        "public": "public",
        "nobody": "nobody",
        "ＡＤＭＩＮ": "admin",
    }
    if isinstance(value, list) or value == "staff,admin":
        return "admin"
    return (
        known.get(value.strip() if value == "ＡＤＭＩＮ" else value.strip().lower(), "nobody")
        if isinstance(value, str)
        else "nobody"
    )


TEXT = st.integers(0, 10**12).map(lambda number: f"word{number} and more")
MARK = st.tuples(st.sampled_from(SPELLINGS), st.sampled_from(VALUES))


def marked(mark: tuple[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    return {mark[0]: mark[1], **rest}


def values(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    members = st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=4)
    return st.lists(inner, max_size=4) | members | st.builds(marked, MARK, members)


VALUE = st.recursive(TEXT, values, max_leaves=20)
RECORD = st.builds(marked, MARK, st.dictionaries(st.sampled_from(KEYS), VALUE, min_size=1, max_size=4)) | (
    st.dictionaries(st.sampled_from(KEYS), VALUE, min_size=1, max_size=4)
)


def written_for(value: Any, around: str) -> Iterator[tuple[str, str]]:
    """Yield each word with the narrowest mark around it."""
    if isinstance(value, str):
        for word in WORD.findall(value):
            yield word, around
    elif isinstance(value, list):
        for inner in value:
            yield from written_for(inner, around)
    elif isinstance(value, dict):
        for key, mark in value.items():
            if key in SPELLINGS and (said := meaning(mark)) is not None:
                around = max(around, said, key=ORDER.index)
        for key, inner in value.items():
            if key not in SPELLINGS:
                yield from written_for(inner, around)


def check(name: str, content: bytes, written: Iterator[tuple[str, str]], *, lost: bool = False) -> None:
    """Assert that every word is in documents for no more roles than it was written for.

    ``lost``: whether words may be missing, where the file was damaged.
    """
    allowed: dict[str, int] = {}
    for word, audience in written:
        allowed[word] = min(allowed.get(word, len(ORDER)), ORDER.index(audience))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        found = [each for each in read([Source(path, "public")]) if isinstance(each, Document)]
    seen = {(word, each.audience) for each in found for text in each.texts for word in WORD.findall(text)}
    for word, audience in seen:
        readers = ORDER.index(audience) if audience in ORDER else len(ORDER)  # no role reads an unknown one
        assert audience is not None and readers >= allowed.get(word, 0), (word, audience)
    assert lost or {word for word, _ in seen} == set(allowed)


@given(st.lists(RECORD, min_size=1, max_size=4))
@settings(max_examples=200)
def test_records_a_line(records: list[dict[str, Any]]) -> None:
    """Marks at any depth of records in JSON Lines."""
    content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    check("a.jsonl", content.encode(), written_for(records, "public"))


@given(st.lists(RECORD, min_size=1, max_size=4), st.sampled_from(["list", "keys", "under"]), MARK)
@settings(max_examples=200)
def test_whole_files(records: list[dict[str, Any]], form: str, mark: tuple[str, Any]) -> None:
    """The same in one JSON value: a list, an object by id, a list under a key of a marked object."""
    whole: Any = records
    if form == "keys":
        whole = {f"id-{number}": record for number, record in enumerate(records)}
    if form == "under":
        whole = {mark[0]: mark[1], "name": "word1 of all", "articles": records}
    check("a.json", json.dumps(whole).encode(), written_for(whole, "public"))


CELL = st.lists(st.sampled_from(['"', ",", "\n", ";", " ", "x", "admin", "'", "\r\n"]), max_size=6)
"""Cells hold all that structures a table. They do not hold the name of a wide audience: a damaged file in
which a text imitates a row for the public cannot be told from one with such a row."""


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Return rows of (audience, title, text), shuffled in one order."""
    order = draw(st.permutations(range(3)))
    rows = [["audience", "title", "text"]]
    for number in range(draw(st.integers(1, 8))):
        audience = draw(st.sampled_from(["public", "staff", "admin"]))
        title = "".join(draw(CELL)) + f"word{number}a"
        rows.append([audience, title, "".join(draw(CELL)) + f"word{number}b" + "".join(draw(CELL))])
    return [[row[place] for place in order] for row in rows]


def words_of(rows: list[list[str]]) -> Iterator[tuple[str, str]]:
    place = rows[0].index("audience")
    for row in rows[1:]:
        for cell in row:
            yield from ((word, row[place]) for word in re.findall(r"word\d+", cell))


@given(tables(), st.sampled_from([",", ";", "|", "\t"]), st.sampled_from(["\n", "\r\n", "\r"]))
@settings(max_examples=200)
def test_tables(rows: list[list[str]], separator: str, end: str) -> None:
    """Cells with separators, quotation marks and line ends, as the csv module writes them."""
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=end).writerows(rows)
    check("a.csv", file.getvalue().encode(), words_of(rows))


@given(tables(), st.sampled_from([",", "\t"]), st.integers(0, 10**6), st.sampled_from(['"', "", ",", "\n"]))
@settings(max_examples=400)
def test_damaged_tables(rows: list[list[str]], separator: str, place: int, put: str) -> None:
    """One character after the header is replaced: a quotation mark, a separator, a line end, nothing."""
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)
    content = file.getvalue()
    start = content.index("\n") + 1
    at = start + place % (len(content) - start)
    damaged = content[:at] + put.replace(",", separator) + content[at + 1 :]
    check("a.csv", damaged.encode(), words_of(rows), lost=True)


@st.composite
def columns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return records of one schema: a mark, an object with a mark, a list of objects with marks."""
    audience = st.sampled_from([*ORDER, "", None])
    item = st.fixed_dictionaries({"audience": audience, "text": TEXT})
    record = st.fixed_dictionaries(
        {"Audience": audience, "text": TEXT, "meta": item, "items": st.lists(item, max_size=3)}
    )
    return draw(st.lists(record, min_size=1, max_size=5))


@given(columns())
@settings(max_examples=50)
def test_columns(records: list[dict[str, Any]]) -> None:
    """Marks in columns, in nested columns and in lists of a Parquet file."""
    item = pa.struct([("audience", pa.string()), ("text", pa.string())])
    schema = pa.schema(
        [("Audience", pa.string()), ("text", pa.string()), ("meta", item), ("items", pa.list_(item))]
    )
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records, schema=schema), file)
    check("a.parquet", file.getvalue(), written_for(records, "public"))
