"""The index on disk: a directory of flat numpy arrays under one manifest.

``manifest.json`` names the format and skeleton versions, the id of the hash key, the thresholds the
levels were made for, the MinHash scheme, counts, and for each file its size and sha256. Opening
checks versions, key, sizes and headers, which takes the same time whatever the size of the index;
:func:`verify` reads everything and checks the sums. The directory is written under another name
and renamed, so a reader never sees half an index.

May import: the ground floor; numpy inside functions. The rule that must stay true: no file holds
text of the training set, only keyed hashes, positions and the names of sources.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.errors import ConfigError, IndexFormatError
from proxy.grams import KEY_LENGTH, SEED
from proxy.text import SKELETON_VERSION

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT_VERSION = 2
MANIFEST = "manifest.json"
_CHUNK = 1 << 22
_HEADER = 128
"""Bytes of a file that hold its array's header: type, shape, order."""

_VERSIONS = {"format_version": FORMAT_VERSION, "skeleton_version": SKELETON_VERSION, "seed": SEED}
_NUMBERS = ("window", "most_places", "exempt_run", "documents", "characters", "text_bytes")
_COUNTS = ("act", "documents", "units", "characters", "grams", "common_seeds", "clusters")
_FILE = {"bytes": int, "sha256": str, "header": str}


@dataclass(frozen=True, slots=True)
class AudienceCounts:
    """What one audience holds. ``act`` is the length of its longest level, in units."""

    name: str
    act: int
    documents: int
    units: int
    characters: int
    grams: int
    common_seeds: int
    """Seeds that stand in more places than are kept: too common to tell documents apart."""
    clusters: int
    """Clusters of near-duplicate documents, by MinHash; a document alone is one."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of ``manifest.json``."""

    key_id: str
    built: float
    seed: int
    window: int
    most_places: int
    exempt_run: int
    documents: int
    characters: int
    text_bytes: int
    audiences: tuple[AudienceCounts, ...]
    minhash: Mapping[str, Any]
    sources: tuple[str, ...]
    values: Mapping[str, Any]
    """Known values: how many, by entity, and what was made of them (see ``value_build.py``)."""
    structures: Mapping[str, Any]
    """The structure of payloads (see ``payload.py``)."""
    parts: tuple[Mapping[str, Any], ...] = ()
    """What was added later (see ``adding.py``): how many of the last audiences each part brought, and its
    ``values`` and ``structures``."""
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    skeleton_version: int = SKELETON_VERSION
    sluicegate: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @property
    def version(self) -> str:
        """Names the contents: the beginning of the sha256 of the manifest, which has that of every file."""
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()[:12]

    @property
    def index_bytes(self) -> int:
        return sum(int(entry["bytes"]) for entry in self.files.values())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an index; IndexFormatError says what is wrong with it."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise IndexFormatError(f"{folder}: there is no index here; build one with `sluicegate index build`")
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise IndexFormatError(f"{folder}: not an index (no {MANIFEST})") from None
    except (OSError, ValueError, RecursionError) as error:
        raise IndexFormatError(
            f"{path}: cannot be read ({type(error).__name__}); build the index anew"
        ) from None
    if not isinstance(data, dict):
        raise IndexFormatError(f"{path}: is not a manifest; build the index anew")
    for name, ours in _VERSIONS.items():
        if data.get(name) != ours:
            raise IndexFormatError(
                f"{path}: {name} is {data.get(name)!r}, this release reads {ours}; build the index anew"
            )
    try:
        audiences = tuple(AudienceCounts(**entry) for entry in data.pop("audiences"))
        sources = tuple(data.pop("sources"))
        parts = tuple(data.pop("parts", ()))
        manifest = Manifest(audiences=audiences, sources=sources, parts=parts, **data)
    except (TypeError, KeyError) as error:
        raise IndexFormatError(
            f"{path}: fields are missing or unknown ({error}); build the index anew"
        ) from None
    if not _sound(manifest):
        raise IndexFormatError(f"{path}: a field holds something else than it should; build the index anew")
    return manifest


def _sound(manifest: Manifest) -> bool:
    """Whether every field that is read later has the type that it is read as."""
    numbers = (
        *(getattr(manifest, name) for name in _NUMBERS),
        *(getattr(each, name) for each in manifest.audiences for name in _COUNTS),
    )
    texts = (manifest.key_id, *manifest.sources, *(each.name for each in manifest.audiences))
    mappings = (manifest.minhash, manifest.values, manifest.structures, manifest.files)
    added = [each.get("audiences") if isinstance(each, dict) else None for each in manifest.parts]
    return (
        all(type(each) is int and each > 0 for each in added)
        and sum(each for each in added if each) < len(manifest.audiences)
        and all(isinstance(each.get(k), dict) for each in manifest.parts for k in ("values", "structures"))
        and type(manifest.built) in (int, float)
        and all(type(each) is int and each >= 0 for each in numbers)
        and all(isinstance(each, str) for each in texts)
        and all(isinstance(each, dict) for each in mappings)
        and all(
            isinstance(each, dict) and {key: type(value) for key, value in each.items()} == _FILE
            for each in manifest.files.values()
        )
    )


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Every file is there and has the size and the header the manifest says."""
    faults = []
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{path}: is missing; build the index anew")
        elif path.stat().st_size != entry["bytes"]:
            faults.append(
                f"{path}: has {path.stat().st_size} bytes instead of {entry['bytes']}; build the index anew"
            )
        elif _header(path) != entry["header"]:
            faults.append(f"{path}: its header is not the manifest's; build the index anew")
    if faults:
        raise IndexFormatError(*faults)


def verify(folder: Path, manifest: Manifest, progress: Callable[[int], None] | None = None) -> None:
    """Read every file and compare its sha256; IndexFormatError lists all that differ."""
    check_sizes(folder, manifest)
    faults = []
    for name, entry in manifest.files.items():
        if _sha256(folder / name, progress) != entry["sha256"]:
            faults.append(f"{folder / name}: its sha256 is not the manifest's; build the index anew")
    if faults:
        raise IndexFormatError(*faults)


def _header(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_HEADER)).hexdigest()[:16]


def _sha256(path: Path, progress: Callable[[int], None] | None = None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if progress is not None:
                progress(len(chunk))
    return digest.hexdigest()


class Writer:
    """Writes the arrays of one index into a folder and remembers their sizes and sums."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, dict[str, Any]] = {}

    def array(self, name: str, array: NDArray[Any]) -> None:
        """Write one array as ``<name>.npy``."""
        import numpy as np

        path = self.folder / f"{name}.npy"
        np.save(path, np.ascontiguousarray(array), allow_pickle=False)
        self._note(path)

    def _note(self, path: Path) -> None:
        self.files[path.name] = {
            "bytes": path.stat().st_size,
            "sha256": _sha256(path),
            "header": _header(path),
        }


def load_array(folder: Path, name: str) -> NDArray[Any]:
    """One array, memory-mapped read-only: its pages are shared by all workers and read when touched."""
    from numpy.lib import format as npy

    path = folder / f"{name}.npy"
    try:
        if path.stat().st_size <= _HEADER:  # an empty array: there is nothing to map
            with path.open("rb") as file:
                array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        else:
            array = npy.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError):
        raise IndexFormatError(f"{path}: is not readable as an array; build the index anew") from None
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
        work = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
        work.mkdir()
        try:
            yield work
            old = target.parent / f".{target.name}.{secrets.token_hex(4)}.old"
            if target.exists():
                os.rename(target, old)
            os.rename(work, target)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)


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


def index_key(folder: Path, environment: Mapping[str, str], *, create: bool = False) -> str:
    """The key: ``SLUICEGATE_INDEX_KEY``, or the key file beside the index (made on the first build)."""
    given = environment.get("SLUICEGATE_INDEX_KEY", "").strip()  # a mounted secret often ends in a newline
    if given:
        if len(given) < KEY_LENGTH:
            raise ConfigError(
                f"SLUICEGATE_INDEX_KEY: has {len(given)} characters; {KEY_LENGTH} or more are needed"
            )
        return given
    path = key_file(folder)
    if path.is_file():
        key = path.read_text("utf-8", "replace").strip()
        if len(key) < KEY_LENGTH:
            raise ConfigError(f"{path}: holds {len(key)} characters; a key has {KEY_LENGTH} or more")
        return key
    if not create:
        raise IndexFormatError(
            f"{path}: the key of this index is missing; set SLUICEGATE_INDEX_KEY or put the key file there"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
    return key


def key_file(folder: Path) -> Path:
    """Where the key of an index lies when the environment does not give it: beside the index."""
    return folder.parent / f"{folder.name}.key"
