"""Structures of payloads: what is learned, joined and stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.index import payload
from proxy.index.payload import StructureBuilder, Structures, path_hash
from proxy.keypaths import paths_of_fields
from proxy.types import Document
from tests.columns import files, writer
from tests.value_index import KEY


def test_the_hash_of_a_path_needs_the_key() -> None:
    """Another key gives another hash, the same key the same."""
    assert path_hash(KEY)("a/b") == path_hash(KEY)("a/b") != path_hash(KEY)("a/c")


def document(*keys: str, text: str = "") -> Document:
    return Document("x:1", (text + json.dumps(dict.fromkeys(keys, 1)),))


def built(folder: Path, *documents: tuple[str, Document]) -> tuple[Structures, dict[str, object]]:
    builder = StructureBuilder(KEY)
    counts: dict[str, int] = {}
    for audience, each in documents:
        builder.add(each, audience, counts.get(audience, 0))
        counts[audience] = counts.get(audience, 0) + 1
    bases, base = {}, 0
    for name in sorted(counts):
        bases[name], base = base, base + counts[name]
    about = builder.write(writer(folder, KEY), bases)
    bounds = {name: (bases[name], bases[name] + counts[name]) for name in bases}
    opened = files(folder, KEY)
    return Structures(opened, about, KEY, bounds, lambda name, number: f"{name}:{number + 1}"), about


SEVEN = [f"key_{letter}" for letter in "abcdefg"]


def test_equal_sets_are_one_structure(tmp_path: Path) -> None:
    """Whatever the order of keys and the text around; with the audiences and the first document of each."""
    made, about = built(
        tmp_path,
        ("b", document("other")),
        ("b", document(*SEVEN)),
        ("a", document(*reversed(SEVEN), text="Look: ")),
        ("a", document(*SEVEN)),
    )
    assert (about["structures"], about["found"], len(made)) == (1, 1, 1)
    assert made.size(0) == 7
    assert tuple(made.audiences(0)) == ("a", "b")
    assert (made.document(0, "a"), made.document(0, "b")) == ("a:1", "b:2")
    assert list(made.having(made.path("keya"))) == [0]
    assert list(made.having(made.path("keyz"))) == []


def test_small_objects_are_no_structures(tmp_path: Path) -> None:
    """An object of five key paths teaches nothing, nor one of seven inside another."""
    inner = {"outer": {key: 1 for key in SEVEN}}
    made, _ = built(tmp_path, ("a", document(*SEVEN[:5])), ("a", Document("x:1", (json.dumps(inner),))))
    assert [made.size(number) for number in range(len(made))] == [8]
    eight = {"outer": {key: 1 for key in [*SEVEN, "key_h"]}}
    made, _ = built(tmp_path, ("a", Document("x:1", (json.dumps(eight),))))
    assert sorted(made.size(number) for number in range(len(made))) == [8, 9]


def test_too_many_structures_are_joined_to_families(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sets that are alike the most common one is kept, for each set of audiences."""
    monkeypatch.setattr(payload, "MOST", 3)
    base = [f"field_{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]
    documents = [("a", document(*base))] * 3
    documents += [("a", document(*base[:number], *base[number + 1 :])) for number in range(10)]
    documents += [("b", document(*base[1:])), ("b", document(*SEVEN))]
    made, about = built(tmp_path, *documents)
    assert about["found"] == 12
    assert 3 <= len(made) < 8
    assert 60 in [made.size(number) for number in range(len(made))]
    assert {tuple(made.audiences(number)) for number in range(len(made))} >= {("a",), ("b",)}


def test_no_file_holds_a_key(tmp_path: Path) -> None:
    """Paths are stored as hashes alone."""
    _, about = built(tmp_path, ("a", document(*SEVEN)))
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir()) + repr(about).encode()
    assert b"key_a" not in data and b"keya" not in data


def test_a_record_of_many_fields(tmp_path: Path) -> None:
    """Fields of a record of 100,000 leaves teach their paths without ids and positions."""
    fields = tuple((f"rows.{number}.{key}", "1") for number in range(15_000) for key in SEVEN)
    assert len(paths_of_fields(fields)) == 8
    made, _ = built(tmp_path, ("a", Document("x:1", ("",), fields=fields)))
    assert made.size(0) == 8
