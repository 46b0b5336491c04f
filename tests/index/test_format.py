"""The index on disk: manifest, sizes and sums, the key beside it, and a folder that appears whole."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import IndexFormatError
from proxy.grams import GramKey
from proxy.index import BuildOptions, build_index, open_index
from proxy.index.format import (
    MANIFEST,
    check_key,
    check_sizes,
    read_manifest,
    verify,
)
from proxy.types import Document
from tests.training import ADMIN, KEY, SmallIndex


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
    files = [path for path in small_index.path.iterdir() if path.name != MANIFEST]
    assert manifest.index_bytes == sum(path.stat().st_size for path in files)


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
    assert "rebuild the index" in told


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda m: m.update(format_version=99),
    "another skeleton": lambda m: m.update(skeleton_version=0),
    "another seed": lambda m: m.update(seed=10),
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
    "a nonce that is short": lambda m: m.update(nonce=m["nonce"][2:]),
    "a nonce that is no number": lambda m: m.update(nonce="g" * 32),
    "a part with the nonce of another": lambda m: m.update(
        parts=[{"audiences": 1, "nonce": m["nonce"], "values": {}, "structures": {}}]
    ),
    "a part without a nonce": lambda m: m.update(parts=[{"audiences": 1, "values": {}, "structures": {}}]),
    "a serial that is text": lambda m: m.update(serial="3"),
    "a MAC that is a number": lambda m: m.update(mac=3),
    "a file elsewhere": lambda m: m["files"].update({"../x.npy": m["files"]["a0.seed.npy"]}),
    "a file of the system": lambda m: m["files"].update({"/etc/passwd": m["files"]["a0.seed.npy"]}),
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
    assert "rebuild the index" in fault(folder)


def test_fields_of_a_later_release_are_kept(folder: Path) -> None:
    """They are read over, and are part of what the MAC covers."""
    data = json.loads((folder / MANIFEST).read_text("utf-8"))
    data["extensions"] = {"wordchain": {"version": 1}}
    (folder / MANIFEST).write_text(json.dumps(data), "utf-8")
    manifest = read_manifest(folder)
    key = GramKey(KEY)
    assert manifest.unknown == {"extensions": {"wordchain": {"version": 1}}}
    with pytest.raises(IndexFormatError, match="its MAC does not fit"):
        check_key(folder, manifest, key)
    (folder / MANIFEST).write_text(manifest.signed(key).to_json(), "utf-8")
    check_key(folder, read_manifest(folder), key)
    data = json.loads((folder / MANIFEST).read_text("utf-8"))
    data["extensions"]["wordchain"]["version"] = 2
    (folder / MANIFEST).write_text(json.dumps(data), "utf-8")
    with pytest.raises(IndexFormatError, match="its MAC does not fit"):
        check_key(folder, read_manifest(folder), key)


# --- sizes and sums -------------------------------------------------------------------------------


def test_sizes_and_headers_are_checked(folder: Path) -> None:
    """Each file that is missing, has another size or another header is named, all at once."""
    check_sizes(folder, read_manifest(folder))
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
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


def test_files_that_may_not_be_read_name_who_and_what_bars_them() -> None:
    """Not "rebuild the index": the user, the file that bars, its mode and owner; not as root."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        folder = top / "inner" / "x.idx"
        folder.parent.mkdir()
        build_index([Document("a", (ADMIN,), "admin")], folder, BuildOptions(KEY))
        folder.parent.chmod(0o000)
        said = as_nobody(lambda: read_manifest(folder))
        assert f"{folder / MANIFEST}: permission denied for user " in said
        assert f"{folder.parent} (mode 0000, owner {pwd.getpwuid(os.getuid()).pw_name})" in said
        assert "rebuild" not in said
        folder.parent.chmod(0o755)
        folder.chmod(0o755)
        for each in folder.iterdir():
            each.chmod(0o644)
        barred = next(folder.glob("*.npy"))
        barred.chmod(0o000)
        said = as_nobody(lambda: open_index(folder, KEY))
        assert f"{barred}: permission denied for user " in said
        assert "(mode 0000" in said
        assert "rebuild" not in said


def as_nobody(call: Callable[[], object]) -> str:
    """What a call raises in a process that is no superuser."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            call()
            message = "nothing was raised"
        except IndexFormatError as error:
            message = str(error)
        except BaseException as error:
            message = repr(error)
        os.write(writing, message.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said
