"""Writes the folder of models: the files, their manifest and the NOTICE that their licences ask for.

May import: the standard library only. The rule that must stay true: the manifest is written last and
lists every file beside it, with its size, its sum and where it comes from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.recognizers.files import FORMAT, MANIFEST

NOTICE = """Models in this folder
=====================

"""


@dataclass(frozen=True, slots=True)
class File:
    """One file of the pack. ``credit`` goes into the NOTICE as it stands."""

    data: bytes
    language: str
    source: str
    licence: str
    changes: str
    credit: str = ""


def write(folder: Path, models: Mapping[str, File]) -> int:
    """Write everything and return the bytes written."""
    folder.mkdir(parents=True, exist_ok=True)
    listed: dict[str, dict[str, object]] = {}
    for name, file in sorted(models.items()):
        (folder / name).write_bytes(file.data)
        listed[name] = {
            "language": file.language,
            "bytes": len(file.data),
            "sha256": hashlib.sha256(file.data).hexdigest(),
            "source": file.source,
            "licence": file.licence,
            "changes": file.changes,
        }
    credits = [f"{name}\n\n{file.credit}\n" for name, file in sorted(models.items()) if file.credit]
    notice = NOTICE + "\n".join(credits)
    (folder / "NOTICE").write_text(notice, "utf-8")
    manifest = json.dumps({"format": FORMAT, "files": listed}, indent=2) + "\n"
    (folder / MANIFEST).write_text(manifest, "utf-8")
    return sum(len(file.data) for file in models.values()) + len(notice.encode()) + len(manifest)
