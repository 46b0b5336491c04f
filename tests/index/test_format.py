"""The index on disk: manifest, sizes and sums, the key beside it, and a folder that appears whole."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proxy.errors import ConfigError, IndexFormatError
from proxy.grams import KEY_LENGTH
from proxy.index.format import (
    MANIFEST,
    Writer,
    atomic_folder,
    check_sizes,
    index_key,
    key_file,
    load_array,
    read_manifest,
    verify,
)
from tests.training import KEY, SmallIndex


@pytest.fixture
def folder(small_index: SmallIndex, tmp_path: Path) -> Path:
    """An index of its own, to be spoilt."""
    return Path(shutil.copytree(small_index.path, tmp_path / "copy.idx"))


def fault(folder: Path) -> str:
    with pytest.raises(IndexFormatError) as error:
        check_sizes(folder, read_manifest(folder))
    return str(error.value)


# --- the manifest ---------------------------------------------------------------------------------


def test_a_manifest_is_read_as_it_was_written(small_index: SmallIndex) -> None:
    """Reading and writing it again gives the same text; the key is not in it, its id is."""
    text = (small_index.path / MANIFEST).read_text("utf-8")
    manifest = read_manifest(small_index.path)
    assert manifest.to_json() == text
    assert KEY not in text
    assert manifest.key_id in text
    assert manifest.index_bytes == sum(path.stat().st_size for path in small_index.path.glob("*.npy"))


def test_no_folder_and_no_index(tmp_path: Path) -> None:
    """A missing folder is told from one that holds something else; both messages say what to do."""
    assert "build one with `sluicegate index build`" in fault(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    assert "there is no index here" in fault(tmp_path / "file")
    assert f"not an index (no {MANIFEST})" in fault(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[1]", b"null", b'"text"', b"[" * 100_000, b'{"format_version": 1}'],
    ids=["empty", "cut", "bytes", "list", "null", "text", "deep", "little"],
)
def test_a_garbage_manifest(folder: Path, content: bytes) -> None:
    """Whatever stands in the manifest, the error names it and says to build anew."""
    (folder / MANIFEST).write_bytes(content)
    told = fault(folder)
    assert str(folder / MANIFEST) in told
    assert "build the index anew" in told


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda m: m.update(format_version=99),
    "another skeleton": lambda m: m.update(skeleton_version=0),
    "another seed": lambda m: m.update(seed=10),
    "a field too many": lambda m: m.update(colour="red"),
    "a field too few": lambda m: m.pop("minhash"),
    "no audiences": lambda m: m.pop("audiences"),
    "audiences that are a number": lambda m: m.update(audiences=5),
    "audiences that are text": lambda m: m.update(audiences="public"),
    "an audience without a name": lambda m: m["audiences"][0].pop("name"),
    "an audience whose name is a number": lambda m: m["audiences"][0].update(name=5),
    "an act that is text": lambda m: m["audiences"][0].update(act="32"),
    "an exempt run that is text": lambda m: m.update(exempt_run="20"),
    "a negative count": lambda m: m.update(documents=-1),
    "a truth value for a count": lambda m: m.update(window=True),
    "a date that is text": lambda m: m.update(built="yesterday"),
    "a key id that is a number": lambda m: m.update(key_id=7),
    "a source that is a list": lambda m: m["sources"].append([]),
    "files that are a list": lambda m: m.update(files=[]),
    "a file that is a number": lambda m: m["files"].update({"a0.seed.npy": 5}),
    "a file without a size": lambda m: m["files"]["a0.seed.npy"].pop("bytes"),
    "a size that is text": lambda m: m["files"]["a0.seed.npy"].update(bytes="8"),
    "values that are a list": lambda m: m.update(values=[]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_manifest_that_says_something_else(
    folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """Another version and every field of another type is refused when the manifest is read."""
    data = json.loads((folder / MANIFEST).read_text("utf-8"))
    change(data)
    (folder / MANIFEST).write_text(json.dumps(data), "utf-8")
    assert "build the index anew" in fault(folder)


# --- sizes and sums -------------------------------------------------------------------------------


def test_sizes_and_headers_are_checked(folder: Path) -> None:
    """Each file that is missing, has another size or another header is named, all at once."""
    check_sizes(folder, read_manifest(folder))
    files = sorted(folder.glob("*.npy"))
    for number, path in enumerate(files):
        data = path.read_bytes()
        if number % 3 == 0:
            path.unlink()
        else:
            path.write_bytes(data[:-1] if number % 3 == 1 else b"\x92" + data[1:])
    told = fault(folder).splitlines()
    assert len(told) == len(files)
    for number, (path, line) in enumerate(zip(files, sorted(told), strict=True)):
        assert line.startswith(f"{path}: ")
        assert ("is missing", "bytes instead of", "its header")[number % 3] in line


def test_verify_reads_everything(folder: Path) -> None:
    """A changed byte that neither size nor header shows is found by its sum; progress counts all bytes."""
    manifest = read_manifest(folder)
    seen: list[int] = []
    verify(folder, manifest, seen.append)
    assert sum(seen) == manifest.index_bytes
    spoilt = [folder / "a0.run.remainders.npy", folder / "a1.minhash.npy"]
    for path in spoilt:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    check_sizes(folder, manifest)
    with pytest.raises(IndexFormatError) as error:
        verify(folder, manifest)
    assert [line.partition(": ")[0] for line in sorted(error.value.faults)] == [str(path) for path in spoilt]
    assert all("sha256" in line for line in error.value.faults)


def test_arrays_come_back(tmp_path: Path) -> None:
    """Small, large and empty arrays are read as they were written, whatever their layout was."""
    writer = Writer(tmp_path)
    arrays = {
        "empty": np.zeros(0, np.uint32),
        "small": np.arange(3, dtype=np.uint64),
        "large": np.arange(10_000, dtype=np.uint32),
        "strided": np.arange(100, dtype=np.uint32)[::7],
        "table": np.arange(12, dtype=np.uint32).reshape(3, 4),
    }
    for name, array in arrays.items():
        writer.array(name, array)
    for name, array in arrays.items():
        found = load_array(tmp_path, name)
        assert found.dtype == array.dtype
        assert (found == array).all()
        assert found.shape == array.shape
    assert set(writer.files) == {f"{name}.npy" for name in arrays}


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"x" * 500, b"PK\x03\x04" + b"\0" * 300])
def test_a_file_that_is_no_array(tmp_path: Path, content: bytes) -> None:
    """Nothing but an array is read; pickles are not, they could run code."""
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(IndexFormatError, match="not readable as an array"):
        load_array(tmp_path, "x")
    with pytest.raises(IndexFormatError, match="not readable as an array"):
        load_array(tmp_path, "missing")
    np.save(tmp_path / "y.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(IndexFormatError, match="not readable as an array"):
        load_array(tmp_path, "y")


# --- a folder that appears whole ------------------------------------------------------------------


def test_a_folder_appears_when_all_is_done(tmp_path: Path) -> None:
    """Until the body has ended there is nothing at the target, and then everything."""
    target = tmp_path / "x.idx"
    with atomic_folder(target) as work:
        (work / MANIFEST).write_text("1")
        assert not target.exists()
        assert work.parent == tmp_path
    assert (target / MANIFEST).read_text() == "1"
    with atomic_folder(target) as work:
        (work / MANIFEST).write_text("2")
        assert (target / MANIFEST).read_text() == "1"
    assert (target / MANIFEST).read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["x.idx"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_body_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    """Whatever ends the body, what was there before is there after, and nothing else."""
    target = tmp_path / "x.idx"
    with atomic_folder(target) as work:
        (work / MANIFEST).write_text("1")
    with pytest.raises(error), atomic_folder(target) as work:
        (work / MANIFEST).write_text("2")
        raise error
    assert (target / MANIFEST).read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["x.idx"]


def test_one_at_a_time(tmp_path: Path) -> None:
    """A second writer of the same target is refused, one of another target is not; then it is free again."""
    with atomic_folder(tmp_path / "x.idx"):
        with pytest.raises(ConfigError, match="another build"), atomic_folder(tmp_path / "x.idx"):
            pytest.fail("two builds of one index")
        with atomic_folder(tmp_path / "y.idx"):
            pass
    with atomic_folder(tmp_path / "x.idx") as work:
        (work / MANIFEST).write_text("3")


def test_a_lock_that_was_taken_away_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file that the build before has just removed does not count: it keeps nobody out."""
    import fcntl

    def taken_away(file: Any, how: int) -> None:
        (tmp_path / ".x.idx.building").unlink()

    monkeypatch.setattr(fcntl, "flock", taken_away)
    with pytest.raises(ConfigError, match="another build"), atomic_folder(tmp_path / "x.idx"):
        pytest.fail("a lock on a file that is gone")


# --- the key --------------------------------------------------------------------------------------


def test_a_key_file_is_made_on_the_first_build(tmp_path: Path) -> None:
    """It lies beside the index, mode 0600, is made once, and then read."""
    folder = tmp_path / "new" / "x.idx"
    key = index_key(folder, {}, create=True)
    path = key_file(folder)
    assert path == tmp_path / "new" / "x.idx.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) >= 2 * KEY_LENGTH
    assert index_key(folder, {}) == index_key(folder, {}, create=True) == key
    assert index_key(tmp_path / "other.idx", {}, create=True) != key
    assert not folder.exists()


def test_the_environment_wins(tmp_path: Path) -> None:
    """A key in the environment is taken, and no file is made for it."""
    environment = {"SLUICEGATE_INDEX_KEY": "a key from the environment"}
    assert index_key(tmp_path / "x.idx", environment, create=True) == "a key from the environment"
    assert list(tmp_path.iterdir()) == []
    index_key(tmp_path / "x.idx", {"SLUICEGATE_INDEX_KEY": ""}, create=True)
    assert key_file(tmp_path / "x.idx").is_file()


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    """A missing, short or unreadable key is said without repeating it."""
    folder = tmp_path / "x.idx"
    with pytest.raises(IndexFormatError, match="SLUICEGATE_INDEX_KEY or put the key file there"):
        index_key(folder, {})
    with pytest.raises(ConfigError, match="has 7 characters; 16 or more are needed") as error:
        index_key(folder, {"SLUICEGATE_INDEX_KEY": "hunter2"})
    assert "hunter2" not in str(error.value)
    key_file(folder).write_text("hunter2\n")
    with pytest.raises(ConfigError, match="holds 7 characters") as error:
        index_key(folder, {})
    assert "hunter2" not in str(error.value)
    key_file(folder).write_bytes(b"\xff" * 30)
    assert len(index_key(folder, {})) == 30
