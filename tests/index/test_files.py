"""The files of an index: written privately, encrypted, read back; a folder that appears whole."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proxy.errors import ConfigError, IndexFormatError
from proxy.grams import GramKey
from proxy.index import BuildOptions, add_documents, build_index, open_index, read_manifest
from proxy.index.adding import AddOptions
from proxy.index.files import (
    Private,
    atomic_folder,
    is_bare,
    load_array,
    next_serial,
    write_manifest,
)
from proxy.index.format import MANIFEST
from proxy.types import Document
from tests.columns import files, writer
from tests.training import ADMIN, KEY, STAFF

GRAM_KEY = GramKey(KEY)


def test_arrays_come_back(tmp_path: Path) -> None:
    """Small, large and empty arrays are read as they were written, whatever their layout was."""
    made = writer(tmp_path, GRAM_KEY)
    arrays = {
        "empty": np.zeros(0, np.uint32),
        "small": np.arange(3, dtype=np.uint64),
        "large": np.arange(10_000, dtype=np.uint32),
        "strided": np.arange(100, dtype=np.uint32)[::7],
        "table": np.arange(12, dtype=np.uint32).reshape(3, 4),
    }
    for name, array in arrays.items():
        made.array(name, array)
    for name, array in arrays.items():
        found = files(tmp_path, GRAM_KEY).column(name).whole()
        assert found.dtype == array.dtype
        assert (found == array).all()
        assert found.shape == array.shape
    assert set(made.files) == {f"{name}.npy" for name in arrays}


def test_only_bare_sets_lie_in_clear(tmp_path: Path) -> None:
    """An array that nobody has declared a bare set is encrypted; a name is written once."""
    made = writer(tmp_path, GRAM_KEY)
    array = np.arange(1000, dtype=np.uint32)
    for name in ("a0.run.remainders", "a12.seed", "style.starts", "a0.words.hashes", "new", "b0.seed"):
        made.array(name, array)
        assert bool((load_array(tmp_path, name) == array).all()) == is_bare(name)
    assert [is_bare(name) for name in ("a12.seed", "a0.words.hashes", "new", "b0.seed", "a0.a0.seed")] == [
        True,
        False,
        False,
        False,
        False,
    ]
    with pytest.raises(ValueError, match="was written before"):
        made.array("new", array)


def test_private_contents_come_back_and_are_padded(tmp_path: Path) -> None:
    """Names of sources are read with the key; neither they nor their length are in the file."""
    sizes = set()
    for number, names in enumerate((("chats.jsonl",), ("a-much-longer-name-of-a-file.jsonl", "b.csv"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        writer(folder, GRAM_KEY).private(Private(names, {"skipped": number}))
        assert files(folder, GRAM_KEY).private() == Private(names, {"skipped": number})
        data = (folder / "private.bin").read_bytes()
        assert b"jsonl" not in data
        sizes.add(len(data))
    assert len(sizes) == 1
    with pytest.raises(IndexFormatError, match="cannot be decrypted"):
        files(tmp_path / "0", GramKey("another key, long enough")).private()


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

# --- who may read it ------------------------------------------------------------------------------


@pytest.fixture
def open_umask() -> Any:
    """A process whose new files everybody may read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_may_read_an_index(tmp_path: Path) -> None:
    """Files are 0600 and folders 0700 whatever the umask, of a build and of an addition."""
    out = tmp_path / "x.idx"
    build_index([Document("a:1", (ADMIN,), "admin")], out, BuildOptions(key=KEY))
    add_documents([Document("b:1", (STAFF,), "staff")], out, AddOptions(KEY, {}, 32))
    for path in (out, *out.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    """The next build of the same target removes its folders, and no others."""
    left = [".x.idx.0a1b2c3d.tmp", ".x.idx.99999999.old"]
    kept = [".y.idx.0a1b2c3d.tmp", ".x.idx.tmp", ".x.idx.0a1b2c3d.tmp.mine", "x.idx.0a1b2c3d.tmp"]
    for name in (*left, *kept):
        (tmp_path / name).mkdir()
    build_index([Document("a:1", (ADMIN,), "admin")], tmp_path / "x.idx", BuildOptions(key=KEY))
    assert {path.name for path in tmp_path.iterdir()} == {"x.idx", *kept}


def test_the_number_of_a_build_rises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each build and each addition, also within one second and after the clock was set back."""
    out = tmp_path / "x.idx"
    serials = [build_index([Document("a:1", (ADMIN,), "admin")], out, BuildOptions(key=KEY)).serial]
    monkeypatch.setattr("proxy.index.files.time.time", lambda: 5.0)
    serials.append(add_documents([Document("b:1", (STAFF,), "staff")], out, AddOptions(KEY, {}, 32)).serial)
    serials.append(build_index([Document("a:1", (ADMIN,), "admin")], out, BuildOptions(key=KEY)).serial)
    assert serials == sorted(set(serials))
    assert read_manifest(out).serial == serials[-1]
    assert next_serial(tmp_path / "none") == 5


def test_an_addition_keeps_what_was_stored(tmp_path: Path) -> None:
    """Nothing stored is renamed or written again; the new part has a nonce of its own."""
    out = tmp_path / "x.idx"
    old = build_index([Document("a:1", (ADMIN,), "admin")], out, BuildOptions(key=KEY))
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name != MANIFEST}
    new = add_documents([Document("b:1", (STAFF,), "admin")], out, AddOptions(KEY, {}, 32))
    assert {name: (out / name).read_bytes() for name in before} == before
    assert {path.name for path in out.iterdir()} == {*before, MANIFEST, "p1"}
    assert new.parts[0]["nonce"] != old.nonce == new.nonce
    write_manifest(out, new)


def test_a_disk_without_room_leaves_the_old_index_and_says_what_to_do(tmp_path: Path) -> None:
    """A real limit on the size of files, in a process of its own; the index of before still opens."""
    folder = tmp_path / "x.idx"
    old = build_index([Document("a", (STAFF,), "staff")], folder, BuildOptions(KEY))
    script = f"""
import resource, signal
from proxy.errors import ConfigError
from proxy.index import BuildOptions, build_index
from proxy.types import Document
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
text = " ".join(f"word{{number * 7919}} another{{number}}" for number in range(5000))
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    build_index([Document("b", (text,), "admin")], Path({str(folder)!r}), BuildOptions({KEY!r}))
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{folder}: the index was not written, and nothing was replaced; ")
    assert "ulimit -f" in done.stdout
    assert open_index(folder, KEY).manifest.files == old.files
    assert [each.name for each in tmp_path.iterdir() if each.is_dir()] == ["x.idx"]


@pytest.mark.parametrize(
    ("code", "said"),
    [(errno.ENOSPC, "the disk is full: free some space"), (errno.EDQUOT, "the disk quota is used up")],
)
def test_a_full_disk_is_named_as_that(tmp_path: Path, code: int, said: str) -> None:
    """Whatever write fails, and the folder that was begun is gone."""
    with pytest.raises(ConfigError, match=said), atomic_folder(tmp_path / "x.idx"):
        raise OSError(code, "no room")
    assert not [each for each in tmp_path.iterdir() if each.is_dir()]
