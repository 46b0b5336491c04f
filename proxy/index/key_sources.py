"""Where the index key comes from: a file, a descriptor, a variable, or the key file beside the index.

A text of keys holds one key a line, at most two. The first is the current one, that new indexes are built
with; the other opens indexes that were built with it, so that a key can be replaced while a server runs. A
file is read each time that a key is needed; a descriptor and a variable are read once, by
:func:`take_index_key`.

The invariant: no message and no repr holds a key.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from proxy.errors import ConfigError, IndexFormatError
from proxy.grams import KEY_LENGTH, GramKey
from proxy.index.format import read_manifest, unreadable
from proxy.secrecy import Secret

VARIABLE = "SLUICEGATE_INDEX_KEY"
FILE_VARIABLE = "SLUICEGATE_INDEX_KEY_FILE"
DESCRIPTOR_VARIABLE = "SLUICEGATE_INDEX_KEY_FD"

_SOURCES = (VARIABLE, FILE_VARIABLE, DESCRIPTOR_VARIABLE)
_MOST_KEYS = 2
_MOST_BYTES = 4096

_log = logging.getLogger("sluicegate")


def take_index_key(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of an environment in which the key of its descriptor, if any, is a variable.

    The descriptor is read to its end and closed. Raises ConfigError where it cannot be read, or where more
    than one source is set.
    """
    source = _source(environment)
    taken = {name: value for name, value in environment.items() if name not in _SOURCES}
    if source == DESCRIPTOR_VARIABLE:
        taken[VARIABLE] = Secret("\n".join(_keys_of_descriptor(environment[source].strip())))
    elif source == VARIABLE:
        taken[VARIABLE] = Secret(environment[source])
    elif source == FILE_VARIABLE:
        taken[FILE_VARIABLE] = environment[source]
    return taken


def index_key(folder: Path, environment: Mapping[str, str], *, create: bool = False) -> Secret:
    """Return the key of the index at ``folder``: of two, the one that the index was built with.

    ``create``: the key for a new index, which is the first; a key file is made beside the index where no
    source is set. Raises ConfigError or IndexFormatError.
    """
    keys = _keys(folder, environment)
    if not keys:
        if not create:
            raise IndexFormatError(
                f"{key_file(folder)}: the key of this index is missing; set {FILE_VARIABLE} or put the key "
                "file there"
            )
        return _made(key_file(folder))
    if create or len(keys) == 1:
        return keys[0]
    wanted = read_manifest(folder).key_id
    return next((key for key in keys if GramKey(key).id == wanted), keys[0])


def has_index_key(folder: Path, environment: Mapping[str, str]) -> bool:
    """Return whether a build would find a key, or have to make one."""
    return bool(_source(environment)) or key_file(folder).exists()


def key_file(folder: Path) -> Path:
    """Where the key of an index lies when the environment does not give it: beside the index."""
    return folder.parent / f"{folder.name}.key"


def _source(environment: Mapping[str, str]) -> str:
    """The one variable that is set, or "". Raises ConfigError for more than one."""
    found = [name for name in _SOURCES if environment.get(name, "").strip()]
    if len(found) > 1:
        raise ConfigError(f"{', '.join(found)}: more than one source of the index key; set one of them")
    return found[0] if found else ""


def _keys(folder: Path, environment: Mapping[str, str]) -> list[Secret]:
    source = _source(environment)
    if source == VARIABLE:
        return _parsed(environment[source], VARIABLE)
    if source == DESCRIPTOR_VARIABLE:
        return _keys_of_descriptor(environment[source].strip())
    path = Path(environment[source].strip()) if source else key_file(folder)
    try:
        if not source and not path.is_file():
            return []
    except OSError as error:
        raise unreadable(path, error) from None
    if source and path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{FILE_VARIABLE}: {path} lies in the index; index and key together equal the text: move the key"
        )
    return _parsed(_from_file(path), str(path))


def _parsed(text: str, where: str) -> list[Secret]:
    """The keys of a text, one a line. Raises ConfigError."""
    keys = [Secret(line.strip()) for line in text.split("\n") if line.strip()]
    if not keys:
        raise ConfigError(f"{where}: holds no key")
    if len(keys) > _MOST_KEYS:
        raise ConfigError(
            f"{where}: holds {len(keys)} lines; give the current key and, while it is replaced, one other"
        )
    for number, key in enumerate(keys, 1):
        if len(key) < KEY_LENGTH:
            line = f"line {number} " if len(keys) > 1 else ""
            raise ConfigError(f"{where}: {line}has {len(key)} characters; {KEY_LENGTH} or more are needed")
        if not key.isprintable():
            raise ConfigError(f"{where}: is not text; a key is a line of printable characters")
    return keys


def _from_file(path: Path) -> str:
    try:
        # Without O_NONBLOCK a named pipe would keep the server waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(
                f"{path}: not a regular file; give a descriptor with {DESCRIPTOR_VARIABLE} instead"
            )
        _warn_of_mode(path, stat.S_IMODE(found.st_mode), found.st_uid)
        data = os.read(descriptor, _MOST_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    finally:
        os.close(descriptor)
    return _decoded(data, str(path))


def _keys_of_descriptor(number: str) -> list[Secret]:
    """The keys that a descriptor holds. It is read to its end, and closed."""
    if not number.isascii() or not number.isdigit() or int(number[:9]) in (1, 2):
        raise ConfigError(f"{DESCRIPTOR_VARIABLE}: must be the number of a descriptor, 0 or from 3 on")
    descriptor = int(number[:9])
    data = b""
    try:
        while len(data) <= _MOST_BYTES and (part := os.read(descriptor, _MOST_BYTES + 1)):
            data += part
        if descriptor == 0:  # standard input must not become another file
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.close(null)
        else:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(
            f"{DESCRIPTOR_VARIABLE}: descriptor {descriptor} cannot be read: {error.strerror}; the "
            "process that starts this one must open it"
        ) from None
    return _parsed(_decoded(data, DESCRIPTOR_VARIABLE), DESCRIPTOR_VARIABLE)


def _decoded(data: bytes, where: str) -> str:
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{where}: has more than {_MOST_BYTES} bytes; it holds no key of an index")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: is not text; a key is a line of printable characters") from None


@cache
def _warn_of_mode(path: Path, mode: int, owner: int) -> None:
    """Warn once of a key that other users can read.

    A group may read a file of another owner: that is how a container's user gets a mounted secret.
    """
    group = stat.S_IRWXG if owner == os.geteuid() else stat.S_IWGRP
    if mode & (group | stat.S_IRWXO):
        _log.warning("%s: other users can read this key (mode %04o); run chmod 600 on it", path, mode)


def _made(path: Path) -> Secret:
    path.parent.mkdir(parents=True, exist_ok=True)
    key = Secret(secrets.token_urlsafe(32))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key + "\n")
    except OSError as error:
        path.unlink(missing_ok=True)  # an empty key file would bar the next build
        raise ConfigError(
            f"{path}: the key of the index cannot be written: {error.strerror}; free some space, or choose "
            "another place"
        ) from None
    return key
