"""Open the index that is to be served, and refuse one that is older than what was served before.

The state keeps the highest build number for each key and name of an index, so that nobody who can write to
the folder puts an old copy back, which lacks what was added since. The number is covered by the manifest's
MAC. Commands that work offline have no state, and do not check.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.audit import Trail
from proxy.errors import IndexFormatError
from proxy.grams import GramKey
from proxy.index import Manifest, StoredIndex, check_key, index_key, open_index, read_manifest
from proxy.keys import State
from proxy.server.settings import Settings
from proxy.server.verifying import LaterCheck


class OlderIndex(IndexFormatError):
    """The index is older than one that was served before."""


_TRIES = 3


@dataclass(frozen=True, slots=True)
class Opened:
    """An index, and the check of its sums; None where they have been checked."""

    index: StoredIndex
    check: LaterCheck | None = None

    def close(self) -> None:
        if self.check is not None:
            self.check.close()


def open_served(settings: Settings, environment: Mapping[str, str], *, later: bool) -> Opened:
    """Open the index. ``later``: its sums are yet to be checked. Raises IndexFormatError."""
    key = index_key(settings.index, environment)
    if not later:
        return Opened(open_index(settings.index, key))
    for _ in range(_TRIES):
        index = open_index(settings.index, key, later=True)
        check = LaterCheck(settings.index, index.manifest)
        if read_manifest(settings.index).version == index.version:
            return Opened(index, check)
        check.close()  # it was replaced between the two: the check would read another index's files
    raise IndexFormatError(f"{settings.index}: is replaced again and again while it is opened")


def open_newer(
    settings: Settings, environment: Mapping[str, str], keys: State, in_force: StoredIndex, *, later: bool
) -> Opened:
    """Open the index again while another one serves. Raises IndexFormatError, and ConfigError where the
    state cannot be asked."""
    key = index_key(settings.index, environment)
    manifest = read_manifest(settings.index)
    check_key(settings.index, manifest, GramKey(key))
    if manifest.version != in_force.version:
        check_serial(settings, keys, manifest)  # before the sums, which may take minutes
    opened = open_served(settings, environment, later=later)
    if opened.index.version != in_force.version:
        try:
            check_serial(settings, keys, opened.index.manifest)
        except BaseException:
            opened.close()
            raise
    return opened


def check_serial(settings: Settings, keys: State, manifest: Manifest) -> None:
    """Raise OlderIndex where a later build was served before."""
    highest = keys.serial(manifest.key_id, name_of(settings))
    if manifest.serial < highest:
        raise OlderIndex(
            f"{settings.index}: is build {manifest.serial}, and build {highest} was served before: it may "
            "lack what is protected now; build it again, or accept it once with serve --allow-older"
        )


def admit(settings: Settings, keys: State, trail: Trail, manifest: Manifest) -> None:
    """Let the index of a start serve, and keep its number. ``--allow-older`` accepts a lower one; the trail
    says so. Raises OlderIndex."""
    name, serial = name_of(settings), manifest.serial
    highest = keys.serial(manifest.key_id, name)
    if serial < highest and settings.allow_older:
        trail.note("older_index", version=manifest.version, serial=serial, highest=highest)
        keys.lower_serial(manifest.key_id, name, serial)
    check_serial(settings, keys, manifest)
    keys.raise_serial(manifest.key_id, name, serial)


def name_of(settings: Settings) -> str:
    """Return the name that the state knows the index by: that of its folder."""
    return os.path.basename(os.path.abspath(settings.index))
