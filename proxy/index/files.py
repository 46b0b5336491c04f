"""The files of an index: written privately, encrypted by name, read by memory map; the folder appears whole.

Each part of an index, the first build and every addition, has a nonce of its own and keeps its files as
they were written.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from proxy.errors import ConfigError, IndexFormatError
from proxy.grams import GramKey
from proxy.index.cipher import Cipher, Column, encrypted, new_nonce, sealed, unsealed
from proxy.index.format import (
    HEADER,
    MANIFEST,
    AudienceCounts,
    Manifest,
    file_canary,
    header_of,
    read_manifest,
    sha256_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

BARE_SETS = frozenset(
    (
        *("run.starts", "run.remainders", "act", "seed", "place.starts", "place.remainders"),
        *("style.starts", "style.remainders"),
        *("background.starts", "background.remainders", "background.seed"),
        *("values.nodes.starts", "values.nodes.remainders"),
        *("values.ends.starts", "values.ends.remainders"),
    )
)
"""The arrays that lie in clear, without the audience before them: sets of keyed hashes, sorted by
themselves. Every other array is encrypted. ``docs/security.md`` says what each of them tells."""

PRIVATE = "private.bin"
_AUDIENCE = re.compile(r"a\d+\.")


def is_bare(name: str) -> bool:
    """Return whether an array lies in clear."""
    return _AUDIENCE.sub("", name, count=1) in BARE_SETS


@dataclass(frozen=True, slots=True)
class Private:
    """What only the holder of the key may read of a part: names of sources, and how they were read."""

    sources: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)


class Writer:
    """Writes the files of one part of an index, and remembers their sizes, sums and canaries."""

    def __init__(self, folder: Path, key: GramKey, nonce: str | None = None) -> None:
        """``nonce``: a random one is drawn where there is none."""
        self.folder = folder
        self.nonce = new_nonce() if nonce is None else nonce
        self.files: dict[str, dict[str, Any]] = {}
        self._key = key
        self._cipher = Cipher(key, self.nonce)

    def array(self, name: str, array: NDArray[Any]) -> None:
        """Write one array as ``<name>.npy``, encrypted unless it is a bare set.

        Raises ValueError for a name that was written before: no stream is used twice.
        """
        import numpy as np

        plain = np.ascontiguousarray(array)
        written = plain if is_bare(name) else encrypted(plain, self._cipher.stream(name))
        with self._new(f"{name}.npy") as file:
            np.save(_Plain(file), written, allow_pickle=False)
        self._note(f"{name}.npy")

    def private(self, content: Private) -> None:
        """Write the names of the sources and the report of the reader, encrypted."""
        with self._new(PRIVATE) as file:
            file.write(sealed(asdict(content), self._cipher.stream(PRIVATE)))
        self._note(PRIVATE)

    def _new(self, name: str) -> IO[bytes]:
        if name in self.files:
            raise ValueError(f"{name} was written before")
        return open_private(self.folder / name)

    def _note(self, name: str) -> None:
        path = self.folder / name
        self.files[name] = {
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
            "header": header_of(path),
            "canary": file_canary(path, name, self.nonce, self._key),
        }


class _Plain:
    """A file that numpy writes to as to any stream: written past the stream, an error has no reason."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write


def open_private(path: Path) -> IO[bytes]:
    """Open a new file that its owner alone may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of an index."""
    with open_private(folder / MANIFEST) as file:
        file.write(manifest.to_json().encode("utf-8", "surrogatepass"))


class PartFiles:
    """The files of one part of an index, and the audiences it brought."""

    def __init__(
        self, folder: Path, name: str, nonce: str, key: GramKey, audiences: Sequence[AudienceCounts]
    ) -> None:
        """``folder``: that of the index. ``name``: the part's folder in it, "" for the first."""
        self.folder = folder / name if name else folder
        self.prefix = f"{name}/" if name else ""
        self.audiences = tuple(audiences)
        self._cipher = Cipher(key, nonce)

    def bare(self, name: str) -> NDArray[Any]:
        """Return an array that lies in clear, memory-mapped."""
        return load_array(self.folder, name)

    def column(self, name: str) -> Column:
        """Return an encrypted array, memory-mapped."""
        return Column(load_array(self.folder, name), self._cipher.stream(name))

    def private(self) -> Private:
        """Return the names of the sources and the report of the reader."""
        path = self.folder / PRIVATE
        try:
            content = unsealed(path.read_bytes(), self._cipher.stream(PRIVATE))
            return Private(tuple(map(str, content["sources"])), dict(content["reading"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise IndexFormatError(f"{path}: cannot be decrypted; rebuild the index") from None


def parts_of(folder: Path, manifest: Manifest, key: GramKey) -> list[PartFiles]:
    """Return the first build and each addition, with the audiences of its own."""
    added = [int(each["audiences"]) for each in manifest.parts]
    edges = [0, *accumulate(added, initial=len(manifest.audiences) - sum(added))]
    nonces = [manifest.nonce, *(str(each["nonce"]) for each in manifest.parts)]
    return [
        PartFiles(
            folder,
            f"p{number}" if number else "",
            nonce,
            key,
            manifest.audiences[edges[number] : edges[number + 1]],
        )
        for number, nonce in enumerate(nonces)
    ]


def load_array(folder: Path, name: str) -> NDArray[Any]:
    """One array, memory-mapped read-only: its pages are shared by all workers and read when touched."""
    from numpy.lib import format as npy

    path = folder / f"{name}.npy"
    try:
        if path.stat().st_size <= HEADER:  # an empty array: there is nothing to map
            with path.open("rb") as file:
                array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        else:
            array = npy.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError):
        raise IndexFormatError(f"{path}: is not readable as an array; rebuild the index") from None
    return array


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place when the body ends well.

    A lock file keeps a second build of the same target out. An index that was there before is
    replaced; anything else in the way is refused.
    """
    if (
        target.exists()
        and not (target / MANIFEST).is_file()
        and (not target.is_dir() or any(target.iterdir()))
    ):
        raise ConfigError(f"{target}: exists and is not an index; choose another --out or remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.parent / f".{target.name}.building"
    with _lock(lock, target):
        for left in _left_behind(target):
            shutil.rmtree(left, ignore_errors=True)
        work = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
        work.mkdir(mode=0o700)
        work.chmod(0o700)
        try:
            with _full_disk_reported(target):
                yield work
            old = target.parent / f".{target.name}.{secrets.token_hex(4)}.old"
            if target.exists():
                os.rename(target, old)
            os.rename(work, target)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _full_disk_reported(target: Path) -> Iterator[None]:
    """Raise ConfigError where there is no room for the files."""
    remedies = {
        errno.ENOSPC: "the disk is full: free some space",
        errno.EDQUOT: "the disk quota is used up: free some space",
        errno.EFBIG: "a file is larger than this process may write: raise `ulimit -f`",
    }
    try:
        yield
    except OSError as error:
        if error.errno not in remedies:
            raise
        raise ConfigError(
            f"{target}: the index was not written, and nothing was replaced; {remedies[error.errno]}, or "
            "choose another place"
        ) from None


def _left_behind(target: Path) -> list[Path]:
    """Return the folders of builds that were killed: while the lock is held, nobody else works in them."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.(tmp|old)")
    return [path for path in target.parent.iterdir() if name.fullmatch(path.name)]


def next_serial(folder: Path) -> int:
    """Return the number of the next build of a folder: seconds since the epoch, or one more than before."""
    try:
        before = read_manifest(folder).serial
    except IndexFormatError:
        before = 0
    return max(before + 1, int(time.time()))


@contextmanager
def _lock(path: Path, target: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the two lines above, the build that had it may have ended and taken the file away.
            ours = os.path.samestat(os.fstat(file.fileno()), os.stat(path))
        except OSError:
            ours = False
        if not ours:
            raise ConfigError(f"{target}: another build is writing this index; wait for it to end")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
