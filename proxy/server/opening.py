"""Open the index that is to be served, and refuse one that is older than what was served before.

The state keeps the highest build number for each key and name of an index, so that nobody who can write to
the folder puts an old copy back, which lacks what was added since. The number is covered by the manifest's
MAC. Commands that work offline have no state, and do not check.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from proxy.audit import Trail
from proxy.errors import IndexFormatError
from proxy.grams import GramKey
from proxy.index import Manifest, StoredIndex, check_key, index_key, open_index, read_manifest
from proxy.keys import State
from proxy.server.settings import Settings


class OlderIndex(IndexFormatError):
    """The index is older than one that was served before."""


def open_newer(
    settings: Settings, environment: Mapping[str, str], keys: State, in_force: StoredIndex
) -> StoredIndex:
    """Open the index again while another one serves. Raises IndexFormatError, and ConfigError where the
    state cannot be asked."""
    key = index_key(settings.index, environment)
    manifest = read_manifest(settings.index)
    check_key(settings.index, manifest, GramKey(key))
    if manifest.version != in_force.version:
        check_serial(settings, keys, manifest)  # before the sums, which may take minutes
    index = open_index(settings.index, key)
    if index.version != in_force.version:
        check_serial(settings, keys, index.manifest)
    return index


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
