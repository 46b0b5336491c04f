"""An index that was changed after its build is never served from, whatever was changed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.errors import IndexFormatError
from proxy.grams import GramKey
from proxy.index import AddOptions, BuildOptions, add_documents, build_index, open_index
from proxy.index.format import MANIFEST, read_manifest
from proxy.types import Document, Value
from tests.training import ADMIN, KEY, NOBODY, PUBLIC, STAFF


def make(out: Path, more: str = "") -> Path:
    """Build an index that has every kind of file, of two parts."""
    documents = [
        Document("in.jsonl:1", (ADMIN + more,), "admin"),
        Document("in.jsonl:2", (STAFF, json.dumps({f"key {n}": n for n in range(9)})), "staff"),
        Document("in.jsonl:3", (NOBODY,), "nobody"),
    ]
    build_index(
        documents,
        out,
        BuildOptions(key=KEY),
        background=[Document("free:1", (PUBLIC,))],
        values=lambda document: [Value("email", "ann@example.org")],
    )
    add_documents([Document("new.jsonl:1", (STAFF[::-1],), "staff")], out, AddOptions(KEY, {}, 32))
    return out


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("tampering") / "x.idx")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("tampering") / "x.idx", " And one more remark.")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "x.idx"))


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(folder: Path) -> None:
    with pytest.raises(IndexFormatError, match=r"rebuild the index|build one with"):
        open_index(folder, KEY)


def zeroed(data: bytes) -> bytes:
    return data[:128] + bytes(len(data) - 128) if any(data[128:]) else data[:-1] + b"\1"


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "zeroed": zeroed,
    "cut": lambda data: data[: len(data) // 2],
    "a byte short": lambda data: data[:-1],
    "a byte long": lambda data: data + b"\0",
    "empty": lambda data: b"",
    "the first byte": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "the last byte": lambda data: data[:-1] + bytes([data[-1] ^ 128]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_file_is_refused(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Each file of the index in turn; then as it was, the index opens."""
    for name in names(folder):
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(change(data))
        refused(folder)
        path.write_bytes(data)
    assert open_index(folder, KEY).audiences


@pytest.mark.parametrize("places", [20, pytest.param(200, marks=pytest.mark.heavy)])
def test_one_flipped_bit_anywhere_is_refused(folder: Path, places: int) -> None:
    """At so many random places of every file."""
    choose = random.Random(places)
    for name in names(folder):
        path = folder / name
        data = path.read_bytes()
        for _ in range(places):
            spoilt = bytearray(data)
            bit = choose.randrange(8 * len(data))
            spoilt[bit // 8] ^= 1 << bit % 8
            path.write_bytes(spoilt)
            refused(folder)
        path.write_bytes(data)
    assert open_index(folder, KEY).audiences


def test_files_of_another_build_are_refused(folder: Path, another: Path) -> None:
    """Also where the key, the name and the size are the same."""
    for name in names(folder):
        path, other = folder / name, another / name
        data = path.read_bytes()
        if other.is_file() and other.read_bytes() != data:
            path.write_bytes(other.read_bytes())
            refused(folder)
            path.write_bytes(data)
    assert open_index(folder, KEY).audiences


def test_files_in_each_others_place_are_refused(folder: Path) -> None:
    """Two arrays of one build are exchanged."""
    by_size: dict[int, list[Path]] = {}
    for path in sorted(folder.rglob("*.npy")):
        by_size.setdefault(path.stat().st_size, []).append(path)
    pairs = [paths[:2] for paths in by_size.values() if len(paths) > 1]
    assert pairs
    for one, other in pairs:
        first, second = one.read_bytes(), other.read_bytes()
        if first != second:
            one.write_bytes(second)
            other.write_bytes(first)
            refused(folder)
            one.write_bytes(first)
            other.write_bytes(second)


def test_a_missing_file_is_refused(folder: Path) -> None:
    for name in names(folder):
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(IndexFormatError):
            open_index(folder, KEY)
        (folder / name).write_bytes(data)


def leaves(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Where the plain values of a JSON tree are."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [found for key, inner in enumerate(value) for found in leaves(inner, (*path, key))]
    return [path]


def test_an_edited_manifest_is_refused(folder: Path) -> None:
    """Each value of it in turn, and a field that is left out."""
    path = folder / MANIFEST
    text = path.read_text("utf-8")
    for where in leaves(json.loads(text)):
        data = json.loads(text)
        inner = data
        for key in where[:-1]:
            inner = inner[key]
        value = inner[where[-1]]
        inner[where[-1]] = value + 1 if isinstance(value, int | float) else f"{value}0"
        path.write_text(json.dumps(data), "utf-8")
        with pytest.raises(IndexFormatError):
            open_index(folder, KEY)
    for name in json.loads(text):
        data = json.loads(text)
        del data[name]
        path.write_text(json.dumps(data), "utf-8")
        with pytest.raises(IndexFormatError):
            open_index(folder, KEY)


def test_a_manifest_signed_with_another_key_is_refused(folder: Path) -> None:
    """Whoever holds another key cannot make an index for this one."""
    manifest = read_manifest(folder).signed(GramKey("another key, long enough"))
    (folder / MANIFEST).write_text(manifest.to_json(), "utf-8")
    refused(folder)


def test_sums_that_are_checked_later_leave_the_canaries(folder: Path) -> None:
    """Another build's file is recognised at once; a single bit deep inside only by the sums."""
    path = folder / "a0.run.remainders.npy"
    data = path.read_bytes()
    assert open_index(folder, KEY, later=True).audiences
    path.write_bytes(data[:128] + bytes(len(data) - 128))
    with pytest.raises(IndexFormatError, match="canary"):
        open_index(folder, KEY, later=True)


def test_an_index_of_another_format_says_what_to_do(folder: Path) -> None:
    data = json.loads((folder / MANIFEST).read_text("utf-8"))
    data["format_version"] = 2
    (folder / MANIFEST).write_text(json.dumps(data), "utf-8")
    said = "format_version is 2, this release reads 3; rebuild the index"
    with pytest.raises(IndexFormatError, match=said):
        open_index(folder, KEY)
