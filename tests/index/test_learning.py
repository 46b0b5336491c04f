"""What a build learns beside text, through a whole build: values, structures, faults, versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.errors import ConfigError, IndexFormatError
from proxy.index import BuildOptions, build_index, open_index, read_manifest, verify
from proxy.types import Document, Value

KEY = "the key of the tests, long enough"
ORDER = json.dumps({key: 1 for key in ("order", "user", "status", "zip", "city", "margin")})
DOCUMENTS = [
    Document("chats:1", ("Noah Brown lives at 986 Sunset Drive.",), "admin"),
    Document("chats:2", (f"Alexander Humboldt wrote {ORDER}",), "staff"),
    Document("faq:1", ("Our patron is Alexander Humboldt.",), "public"),
]
FOUND = {
    "chats:1": [Value("person", "Noah Brown"), Value("address", "986 Sunset Drive")],
    "chats:2": [Value("person", "Alexander Humboldt"), Value("person", "Grace Hopper")],
    "free:1": [Value("person", "Grace Hopper")],
}


def find(document: Document) -> Sequence[Value]:
    return FOUND.get(document.id, ())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_build_knows_its_values(tmp_path: Path, workers: int) -> None:
    """Their kinds are counted, their documents named, and those of free and cleared texts known as such."""
    out = tmp_path / "x.idx"
    background = [Document("free:1", ("Grace Hopper",))]
    build_index(DOCUMENTS, out, BuildOptions(key=KEY, workers=workers), background=background, values=find)
    manifest = read_manifest(out)
    verify(out, manifest)
    assert manifest.values["entities"] == {"person": 3, "address": 1}
    assert manifest.values["free"] == 1
    assert manifest.structures["structures"] == 1
    index = open_index(out, KEY)
    values = [index.values().value(number) for number in range(len(index.values()))]
    assert [(v.entity, v.audiences) for v in values] == [
        ("person", ("admin",)),
        ("address", ("admin",)),
        ("person", ("public", "staff")),
        ("person", ("staff",)),
    ]
    assert [index.values().document(v, v.audiences[-1]) for v in values] == [
        "chats:1",
        "chats:1",
        "chats:2",
        "chats:2",
    ]
    structures = index.structures()
    assert structures.document(structures.having(structures.path("margin"))[0], "staff") == "chats:2"


def test_a_build_without_values(tmp_path: Path) -> None:
    """An index of text alone has none, and opens."""
    out = tmp_path / "x.idx"
    assert build_index(DOCUMENTS, out, BuildOptions(key=KEY)).values["values"] == 0
    assert len(open_index(out, KEY).values()) == 0


def test_a_recognizer_that_raises_ends_the_build(tmp_path: Path) -> None:
    """With the document it failed on, and no index; the message holds none of its text."""

    def broken(document: Document) -> Sequence[Value]:
        raise ValueError(document.texts[0])

    with pytest.raises(
        ConfigError, match=r"chats:1: looking for known values failed \(ValueError\)"
    ) as caught:
        build_index(DOCUMENTS, tmp_path / "x.idx", BuildOptions(key=KEY), values=broken)
    assert "Noah" not in str(caught.value)
    assert not (tmp_path / "x.idx").exists()


def test_an_index_of_another_version_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values whose forms or hashes changed would not be found: the index is to be built anew."""
    out = tmp_path / "x.idx"
    build_index(DOCUMENTS, out, BuildOptions(key=KEY), values=find)
    for part in ("VALUES_VERSION", "STRUCTURES_VERSION"):
        with monkeypatch.context() as patched:
            patched.setattr(f"proxy.index.store.{part}", 99)
            with pytest.raises(IndexFormatError, match="version"):
                open_index(out, KEY)
    open_index(out, KEY)
