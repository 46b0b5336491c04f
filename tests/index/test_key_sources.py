"""Where the index key comes from, one source at a time, and keys that cannot be used."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.errors import ConfigError, IndexFormatError
from proxy.grams import KEY_LENGTH
from proxy.index import AddOptions, BuildOptions, build_index, index_key, key_file, open_index, take_index_key
from proxy.index.key_sources import DESCRIPTOR_VARIABLE, FILE_VARIABLE, VARIABLE
from proxy.types import Document
from tests.training import ADMIN

OLD, NEW, THIRD = "an old key of 16 or more", "a new key of 16 or more", "a third key of 16 or more"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A key file apart from every index."""
    path = tmp_path / "secrets" / "index.key"
    path.parent.mkdir()
    path.touch(0o600)
    return path


def pipe(data: bytes) -> int:
    """A descriptor that data can be read from, to its end."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading


# --- beside the index -----------------------------------------------------------------------------


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


# --- variable, file, descriptor -------------------------------------------------------------------


def test_a_source_that_is_set_wins_over_the_file_beside_the_index(tmp_path: Path, file: Path) -> None:
    """A key from elsewhere is taken, and no file is made for it; an empty variable is none."""
    file.write_text(f"{NEW}\n")
    for environment in (
        {VARIABLE: NEW},
        {VARIABLE: f"{NEW}\n"},
        {FILE_VARIABLE: str(file), VARIABLE: ""},
        {DESCRIPTOR_VARIABLE: str(pipe(f"{NEW}\n".encode()))},
    ):
        assert index_key(tmp_path / "x.idx", take_index_key(environment), create=True) == NEW
    assert not key_file(tmp_path / "x.idx").exists()
    index_key(tmp_path / "x.idx", {VARIABLE: ""}, create=True)
    assert key_file(tmp_path / "x.idx").is_file()


@pytest.mark.parametrize("two", [(VARIABLE, FILE_VARIABLE), (FILE_VARIABLE, DESCRIPTOR_VARIABLE)])
def test_two_sources_are_an_error_that_names_them(tmp_path: Path, two: tuple[str, str]) -> None:
    environment = dict.fromkeys(two, "/nowhere")
    for call in (lambda: take_index_key(environment), lambda: index_key(tmp_path / "x.idx", environment)):
        with pytest.raises(ConfigError, match="more than one source of the index key") as error:
            call()
        assert all(name in str(error.value) for name in two)


def test_a_descriptor_is_read_once_and_closed(tmp_path: Path) -> None:
    """What was taken is good for every later question; nothing can be read from the descriptor any more."""
    descriptor = pipe(NEW.encode())
    taken = take_index_key({DESCRIPTOR_VARIABLE: str(descriptor), "OTHER": "stays"})
    assert DESCRIPTOR_VARIABLE not in taken
    assert taken["OTHER"] == "stays"
    with pytest.raises(OSError):
        os.fstat(descriptor)
    assert index_key(tmp_path / "x.idx", taken) == index_key(tmp_path / "x.idx", taken) == NEW


@pytest.mark.parametrize("number", ["x", "-1", "1", "2", "3.5", "٣"])
def test_a_descriptor_that_can_be_none_is_said(number: str) -> None:
    with pytest.raises(ConfigError, match=f"{DESCRIPTOR_VARIABLE}: must be the number of a descriptor"):
        take_index_key({DESCRIPTOR_VARIABLE: number})


def test_a_descriptor_that_is_not_open_is_said() -> None:
    descriptor = pipe(b"")
    os.close(descriptor)
    with pytest.raises(ConfigError, match=f"descriptor {descriptor} cannot be read: Bad file descriptor"):
        take_index_key({DESCRIPTOR_VARIABLE: str(descriptor)})


def test_no_repr_shows_a_key(tmp_path: Path, file: Path) -> None:
    """Not that of the environment in memory, of the key itself, or of what is built or added with it."""
    file.write_text(NEW)
    given: list[object] = [
        take_index_key({VARIABLE: NEW}),
        take_index_key({DESCRIPTOR_VARIABLE: str(pipe(NEW.encode()))}),
        index_key(tmp_path / "x.idx", {FILE_VARIABLE: str(file)}),
        BuildOptions(key=NEW),
        AddOptions(NEW, {}, 32),
    ]
    for each in given:
        assert NEW not in repr(each)


# --- two keys -------------------------------------------------------------------------------------


def test_of_two_keys_the_first_builds_and_the_one_that_fits_opens(tmp_path: Path, file: Path) -> None:
    environment = {FILE_VARIABLE: str(file)}
    document = Document("a", (ADMIN,), "admin")
    for number, key in enumerate((OLD, NEW)):
        build_index([document], tmp_path / f"{number}.idx", BuildOptions(key))
    file.write_text(f"{NEW}\r\n\n{OLD}\n")
    assert index_key(tmp_path / "2.idx", environment, create=True) == NEW
    assert index_key(tmp_path / "0.idx", environment, create=True) == NEW
    assert index_key(tmp_path / "0.idx", environment) == OLD
    assert index_key(tmp_path / "1.idx", environment) == NEW
    file.write_text(f"{THIRD}\n{OLD}\n")
    with pytest.raises(IndexFormatError, match="was built with another key"):
        open_index(tmp_path / "1.idx", index_key(tmp_path / "1.idx", environment))


# --- keys that cannot be used ---------------------------------------------------------------------

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "holds no key"),
    "blank": (b" \n\n", "holds no key"),
    "short": (b"hunter2\n", "has 7 characters; 16 or more are needed"),
    "short second": (f"{NEW}\nhunter2".encode(), "line 2 has 7 characters"),
    "three": (f"{NEW}\n{OLD}\n{THIRD}\n".encode(), "holds 3 lines"),
    "no text": (b"\xff" * 30, "is not text"),
    "binary": (b"\0hunter2" * 4, "is not text"),
    "long": (b"hunter2" * 1000, "has more than 4096 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_key_that_cannot_be_used_is_said_without_repeating_it(
    name: str, tmp_path: Path, file: Path
) -> None:
    """From every source: what is wrong, and where."""
    data, said = BAD[name]
    folder = tmp_path / "x.idx"
    file.write_bytes(data)
    sources: list[tuple[Callable[[], object], str]] = [
        (lambda: index_key(folder, {FILE_VARIABLE: str(file)}), str(file)),
        (
            lambda: index_key(folder, take_index_key({DESCRIPTOR_VARIABLE: str(piped(data))})),
            DESCRIPTOR_VARIABLE,
        ),
    ]
    if data.strip():
        key_file(folder).write_bytes(data)
        sources.append((lambda: index_key(folder, {}), str(key_file(folder))))
    for call, where in sources:
        with pytest.raises(ConfigError, match=said) as error:
            call()
        assert str(error.value).startswith(where)
        assert "hunter2" not in str(error.value)
        assert NEW not in str(error.value)


def piped(data: bytes) -> int:
    """As ``pipe``, for more than a pipe holds at once."""
    reading, writing = os.pipe()

    def write() -> None:
        # It may be too much to be read to its end.
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as stream:
            stream.write(data)

    threading.Thread(target=write).start()
    return reading


def test_files_that_are_none_are_said(tmp_path: Path, file: Path) -> None:
    """A missing file, a folder, a pipe (which could not be read again), and one that lies in the index."""
    folder = tmp_path / "x.idx"
    with pytest.raises(IndexFormatError, match="cannot be read: No such file"):
        index_key(folder, {FILE_VARIABLE: str(tmp_path / "none")})
    with pytest.raises(ConfigError, match=f"not a regular file; .*{DESCRIPTOR_VARIABLE}"):
        index_key(folder, {FILE_VARIABLE: str(tmp_path)})
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="not a regular file"):
        index_key(folder, {FILE_VARIABLE: str(tmp_path / "fifo")})
    build_index([Document("a", (ADMIN,), "admin")], folder, BuildOptions(NEW))
    (folder / "index.key").write_text(NEW)
    (tmp_path / "link").symlink_to(folder / "index.key")
    for path in (folder / "index.key", tmp_path / "link"):
        with pytest.raises(ConfigError, match="lies in the index; index and key together equal the text"):
            index_key(folder, {FILE_VARIABLE: str(path)})


def test_no_key_at_all_says_where_to_put_one(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError, match=r"x\.idx\.key: the key of this index is missing; set"):
        index_key(tmp_path / "x.idx", {})


@pytest.mark.parametrize(
    ("mode", "owner", "warned"),
    [
        (0o600, 0, False),
        (0o400, 0, False),
        (0o640, 0, True),
        (0o604, 0, True),
        (0o440, 1, False),  # a secret that a cluster mounts: root's, and read by the group of the container
        (0o444, 1, True),
        (0o460, 1, True),
    ],
)
def test_a_key_that_others_can_read_is_warned_of_once(
    mode: int, owner: int, warned: bool, tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By name and mode; the key is used all the same. ``owner``: one that is not ours."""
    if owner and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    file.write_text(NEW)
    if owner:
        os.chown(file, owner, -1)
    file.chmod(mode)
    if os.geteuid() != 0 and not mode & 0o400:
        pytest.skip("not readable")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert index_key(tmp_path / "x.idx", {FILE_VARIABLE: str(file)}) == NEW
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == warned
    assert all(f"{file}: other users can read this key (mode {mode:04o})" in line for line in lines)
