"""The manifest of an index: versions, counts, and for each file its size, sum and canary, under a MAC.

``manifest.json`` names the format and skeleton versions, the id of the hash key, the nonce of each part,
the thresholds the levels were made for, the MinHash scheme and counts. Its MAC under the index key covers
every field, also those that a later release adds. :func:`check_files` takes the same time whatever the
size of the index; :func:`verify` reads everything and checks the sums.

The invariant: no file holds text of the training set. What is no bare set of keyed hashes is encrypted
(see ``cipher.py``), the names of sources too.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import mmap
import os
import pwd
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from proxy.errors import IndexFormatError
from proxy.grams import SEED, GramKey
from proxy.index import cipher
from proxy.text import SKELETON_VERSION

FORMAT_VERSION = 3
MANIFEST = "manifest.json"
_CHUNK = 1 << 22
HEADER = 128
"""Bytes of a file that hold its array's header: type, shape, order."""

_VERSIONS = {"format_version": FORMAT_VERSION, "skeleton_version": SKELETON_VERSION, "seed": SEED}
_NUMBERS = ("serial", "window", "most_places", "exempt_run", "documents", "characters", "text_bytes")
_COUNTS = ("act", "documents", "units", "characters", "grams", "common_seeds", "clusters")
_FILE = {"bytes": int, "sha256": str, "header": str, "canary": str}
_NONCE = 2 * cipher.NONCE_BYTES


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
    nonce: str
    """Of the first part; in hexadecimal."""
    serial: int
    """The number of this build: higher than that of every build before of the same folder."""
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
    values: Mapping[str, Any]
    """Known values: how many, by entity, and what was made of them (see ``value_build.py``)."""
    structures: Mapping[str, Any]
    """The structure of payloads (see ``payload.py``)."""
    parts: tuple[Mapping[str, Any], ...] = ()
    """What was added later (see ``adding.py``): how many of the last audiences each part brought, its
    ``nonce``, ``values`` and ``structures``."""
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    skeleton_version: int = SKELETON_VERSION
    sluicegate: str = ""
    mac: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a later release has written. They are kept, and covered by the MAC."""

    def to_json(self) -> str:
        return json.dumps(self._content(), indent=1, ensure_ascii=False)

    def signed(self, key: GramKey) -> Manifest:
        """Return the manifest with its MAC under the index key."""
        return replace(self, mac=cipher.mac(key, self._canonical()))

    def is_signed(self, key: GramKey) -> bool:
        """Return whether the MAC is that of the contents under this key."""
        return hmac.compare_digest(self.mac.encode(), cipher.mac(key, self._canonical()).encode())

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = asdict(self)
        unknown: dict[str, Any] = content.pop("unknown")
        return content | unknown

    def _canonical(self) -> str:
        content = self._content() | {"mac": ""}
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

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
    try:
        if not folder.is_dir():
            raise IndexFormatError(
                f"{folder}: there is no index here; build one with `sluicegate index build`"
            )
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise IndexFormatError(f"{folder}: not an index (no {MANIFEST})") from None
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, RecursionError) as error:
        raise IndexFormatError(
            f"{path}: cannot be read ({type(error).__name__}); rebuild the index"
        ) from None
    if not isinstance(data, dict):
        raise IndexFormatError(f"{path}: is not a manifest; rebuild the index")
    for name, ours in _VERSIONS.items():
        if data.get(name) != ours:
            raise IndexFormatError(
                f"{path}: {name} is {data.get(name)!r}, this release reads {ours}; rebuild the index"
            )
    try:
        audiences = tuple(AudienceCounts(**entry) for entry in data.pop("audiences"))
        parts = tuple(data.pop("parts", ()))
        known = {each.name for each in fields(Manifest)} - {"unknown"}
        unknown = {name: data.pop(name) for name in list(data) if name not in known}
        manifest = Manifest(audiences=audiences, parts=parts, unknown=unknown, **data)
    except (TypeError, KeyError) as error:
        raise IndexFormatError(
            f"{path}: fields are missing or unknown ({error}); rebuild the index"
        ) from None
    if not _sound(manifest):
        raise IndexFormatError(f"{path}: a field holds something else than it should; rebuild the index")
    return manifest


def unreadable(path: Path, error: OSError) -> IndexFormatError:
    """Return the error for a file that is there and that the system does not let us read."""
    if error.errno not in (errno.EACCES, errno.EPERM):
        return IndexFormatError(f"{path}: cannot be read: {error.strerror or error}")
    barred = path
    for each in (*reversed(path.parents), path):  # the first on the way that bars it
        if not os.access(each, os.R_OK if each == path else os.X_OK, effective_ids=True):
            barred = each
            break
    try:
        found = barred.stat()
        whose = f" (mode {stat.S_IMODE(found.st_mode):04o}, owner {_user(found.st_uid)})"
    except OSError:
        whose = ""
    return IndexFormatError(
        f"{path}: permission denied for user {_user(os.geteuid())}: {barred}{whose} does not let it through; "
        "run as the owner, or change the mode or the owner"
    )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _sound(manifest: Manifest) -> bool:
    """Whether every field that is read later has the type that it is read as."""
    numbers = (
        *(getattr(manifest, name) for name in _NUMBERS),
        *(getattr(each, name) for each in manifest.audiences for name in _COUNTS),
    )
    texts = (manifest.key_id, manifest.mac, *(each.name for each in manifest.audiences))
    nonces = (manifest.nonce, *(each.get("nonce") for each in manifest.parts if isinstance(each, dict)))
    mappings = (manifest.minhash, manifest.values, manifest.structures, manifest.files)
    added = [each.get("audiences") if isinstance(each, dict) else None for each in manifest.parts]
    return (
        all(type(each) is int and each > 0 for each in added)
        and sum(each for each in added if each) < len(manifest.audiences)
        and all(isinstance(each.get(k), dict) for each in manifest.parts for k in ("values", "structures"))
        and type(manifest.built) in (int, float)
        and all(type(each) is int and each >= 0 for each in numbers)
        and all(isinstance(each, str) for each in texts)
        and all(isinstance(each, str) and len(each) == _NONCE and _is_hex(each) for each in nonces)
        and len(set(nonces)) == len(nonces)
        and all(map(_is_inside, manifest.files))
        and all(isinstance(each, dict) for each in mappings)
        and all(
            isinstance(each, dict) and {key: type(value) for key, value in each.items()} == _FILE
            for each in manifest.files.values()
        )
    )


def _is_hex(text: str) -> bool:
    return all(each in "0123456789abcdef" for each in text)


def _is_inside(name: str) -> bool:
    """Return whether a file's name leads to a file of the index: its own folder, or that of a part."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and len(path.parts) <= 2


def check_key(folder: Path, manifest: Manifest, key: GramKey) -> None:
    """Raise IndexFormatError where the manifest was made under another key, or was changed since."""
    if key.id != manifest.key_id:
        raise IndexFormatError(
            f"{folder}: was built with another key (id {manifest.key_id}, given {key.id}); "
            "check SLUICEGATE_INDEX_KEY_FILE or the key file beside the index"
        )
    if not manifest.is_signed(key):
        raise IndexFormatError(
            f"{folder / MANIFEST}: its MAC does not fit: it was changed after the build; rebuild the index"
        )


def check_files(folder: Path, manifest: Manifest, key: GramKey) -> None:
    """Check sizes, headers and canaries of all files: a few reads each. IndexFormatError lists all faults."""
    check_sizes(folder, manifest)
    faults = []
    for name, entry in manifest.files.items():
        if canary_of(folder / name, name, manifest, key) != entry["canary"]:
            faults.append(f"{folder / name}: its canary does not fit; rebuild the index")
    if faults:
        raise IndexFormatError(*faults)


def canary_of(path: Path, name: str, manifest: Manifest, key: GramKey) -> str:
    """Return the canary of a file of an index; "" where it cannot be read."""
    part, _, inner = name.rpartition("/")
    numbers = {f"p{number}": each["nonce"] for number, each in enumerate(manifest.parts, 1)}
    return file_canary(path, inner, str(numbers.get(part, manifest.nonce)), key)


def file_canary(path: Path, name: str, nonce: str, key: GramKey) -> str:
    """Return the canary of a file under its name inside its part; "" where it cannot be read."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            view = memoryview(mapped)
            try:
                return cipher.canary(key, nonce, name, view)
            finally:
                view.release()
    except (OSError, ValueError):
        return ""


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Every file is there and has the size and the header the manifest says."""
    faults = []
    for name, entry in manifest.files.items():
        path = folder / name
        try:
            if not path.is_file():
                faults.append(f"{path}: is missing; rebuild the index")
            elif path.stat().st_size != entry["bytes"]:
                faults.append(
                    f"{path}: has {path.stat().st_size} bytes instead of {entry['bytes']}; rebuild the index"
                )
            elif header_of(path) != entry["header"]:
                faults.append(f"{path}: its header is not the manifest's; rebuild the index")
        except OSError as error:
            faults.append(str(unreadable(path, error)))
    if faults:
        raise IndexFormatError(*faults)


def verify(folder: Path, manifest: Manifest, progress: Callable[[int], None] | None = None) -> None:
    """Read every file and compare its sha256; IndexFormatError lists all that differ."""
    check_sizes(folder, manifest)
    faults = []
    for name, entry in manifest.files.items():
        if sha256_of(folder / name, progress) != entry["sha256"]:
            faults.append(f"{folder / name}: its sha256 is not the manifest's; rebuild the index")
    if faults:
        raise IndexFormatError(*faults)


def header_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(HEADER)).hexdigest()[:16]


def sha256_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if progress is not None:
                progress(len(chunk))
    return digest.hexdigest()
