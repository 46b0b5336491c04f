"""New documents in an index, without a rebuild: a small index of them beside the arrays that are there.

The new folder takes the old files by hard links, so adding takes the time that the new documents take, and
it takes the old one's place by a rename, as a build does: a reader sees the one or the other, whole. All that
is new lies in a folder ``pn`` with a nonce of its own; nothing that was stored is written again.

Each part is asked in turn, so an index of many parts answers more slowly; a rebuild makes one of them again.
Near-duplicates are joined and house style is found within each part only.

May import: the ground floor and this room; numpy inside functions. The rule that must stay true: what an
index finds before, it finds afterwards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from proxy.errors import ConfigError
from proxy.grams import GramKey
from proxy.index.build import BuildOptions, build_index
from proxy.index.files import atomic_folder, next_serial, write_manifest
from proxy.index.format import MANIFEST, Manifest, check_files, check_key, read_manifest
from proxy.index.learning import FindValues
from proxy.types import NOBODY, Document

MOST_PARTS = 16
"""Parts of an index; then it is time to build it anew."""


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How documents are added. ``acts``: units at which a match acts, for audiences that are new."""

    key: str = field(repr=False)
    acts: Mapping[str, int]
    default_act: int
    default_audience: str = NOBODY
    workers: int = 1


def add_documents(
    documents: Iterable[Document],
    folder: Path,
    options: AddOptions,
    *,
    background: Iterable[Document] = (),
    values: FindValues | None = None,
    stage: Callable[[str], None] | None = None,
    check: Callable[[Path], None] | None = None,
    reading: Callable[[], Mapping[str, Any]] | None = None,
) -> Manifest:
    """Add documents to the index at ``folder`` and return its new manifest.

    ``check`` receives the folder of the new index before it takes the old one's place; where it raises,
    nothing is replaced. Raises ConfigError where there is none to add, the index has too many parts, or
    somebody else writes it.
    """
    read_manifest(folder)  # what is no index is said to be none, before a lock is made beside it
    with atomic_folder(folder) as work:
        old = read_manifest(folder)
        key = GramKey(options.key)
        check_key(folder, old, key)
        check_files(folder, old, key)
        if len(old.parts) >= MOST_PARTS:
            raise ConfigError(
                f"{folder}: documents were added {MOST_PARTS} times; build it anew from all its data"
            )
        name = f"p{len(old.parts) + 1}"
        build = BuildOptions(
            key=options.key,
            acts=dict(options.acts) | {each.name: each.act for each in old.audiences},
            default_act=options.default_act,
            exempt_run=old.exempt_run,
            default_audience=options.default_audience,
            workers=options.workers,
        )
        new = build_index(
            documents, work / name, build, background=background, values=values, stage=stage, reading=reading
        )
        (work / name / MANIFEST).unlink()
        _link(folder, work, old)
        manifest = replace(_joined(old, name, new), serial=next_serial(folder)).signed(key)
        write_manifest(work, manifest)
        if check is not None:
            if stage is not None:
                stage("testing")
            check(work)
    return manifest


def _link(folder: Path, work: Path, old: Manifest) -> None:
    """Put the old files into the new folder too, as they are."""
    for name in old.files:
        target = work / name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            os.link(folder / name, target)
        except OSError:  # a file system without hard links
            shutil.copyfile(folder / name, target)
            target.chmod(0o600)


def _joined(old: Manifest, name: str, new: Manifest) -> Manifest:
    """The manifest of the whole: the new part keeps its files, its nonce and its numbers."""
    part = {
        "audiences": len(new.audiences),
        "nonce": new.nonce,
        "values": new.values,
        "structures": new.structures,
        "documents": new.documents,
        "built": new.built,
    }
    return replace(
        old,
        built=new.built,
        documents=old.documents + new.documents,
        characters=old.characters + new.characters,
        text_bytes=old.text_bytes + new.text_bytes,
        audiences=(*old.audiences, *new.audiences),
        files={**old.files, **{f"{name}/{file}": entry for file, entry in new.files.items()}},
        parts=(*old.parts, part),
    )
