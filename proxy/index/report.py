"""What an index tells about its training set: passages under two audiences, near-duplicates, families.

It needs the key: where a seed is, and in which document, is encrypted.

May import: the ground floor and this room; numpy inside functions. The rule that must stay true: it names
documents and counts, never text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.grams import SEED, GramKey
from proxy.index.files import PartFiles, parts_of
from proxy.index.format import Manifest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST_SEEDS = 4
"""Sampled seeds that two documents must share to count as holding one passage (about 20 units)."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One passage filed under two audiences. ``units``: about how much of it the documents share."""

    first: str
    first_audience: str
    second: str
    second_audience: str
    units: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents that are near-duplicates of each other, by MinHash."""

    audience: str
    documents: int
    example: str


@dataclass(frozen=True, slots=True)
class Family:
    """A template: a document whose sampled seeds stand in many documents that are no near-duplicates."""

    audience: str
    documents: int
    units: int
    example: str


def conflicts(folder: Path, manifest: Manifest, key: GramKey) -> list[Conflict]:
    """Pairs of documents under different audiences that share a passage, longest first."""
    parts = list(_every(folder, manifest, key))
    found: list[Conflict] = []
    for one, other in combinations(parts, 2):
        if one.name == other.name:
            continue  # the same audience, added later
        for (first, second), seeds in _shared(one, other).items():
            if seeds >= FEWEST_SEEDS:
                units = SEED + (seeds - 1) * (manifest.window + 1) // 2
                found.append(Conflict(one.id(first), one.name, other.id(second), other.name, units))
    return sorted(found, key=lambda conflict: (-conflict.units, conflict.first, conflict.second))


def clusters(folder: Path, manifest: Manifest, key: GramKey) -> list[Cluster]:
    """Clusters of two or more near-duplicates, largest first."""
    found = []
    for part in _every(folder, manifest, key):
        sizes = Counter(part.clusters.tolist())
        found += [Cluster(part.name, size, part.id(first)) for first, size in sizes.items() if size > 1]
    return sorted(found, key=lambda cluster: (-cluster.documents, cluster.example))


def families(folder: Path, manifest: Manifest, key: GramKey) -> list[Family]:
    """Seeds that stand in many clusters of one audience, by the document they were met in first."""
    import numpy as np

    found = []
    for part in _every(folder, manifest, key):
        owners = part.clusters[part.documents]
        order = np.lexsort((owners, part.keys))
        keys, cluster = part.keys[order], owners[order]
        new = np.ones(len(keys), dtype=bool)
        new[1:] = (keys[1:] != keys[:-1]) | (cluster[1:] != cluster[:-1])
        distinct, spread = np.unique(keys[new], return_counts=True)
        shared = distinct[spread >= max(3, len(np.unique(owners)) // 50)]
        in_family = np.isin(part.keys, shared)
        examples = Counter(part.documents[in_family].tolist())
        if examples:
            example, seeds = max(examples.items(), key=lambda item: (item[1], -item[0]))
            units = SEED + (seeds - 1) * (manifest.window + 1) // 2
            members = len(np.unique(part.documents[in_family]))
            found.append(Family(part.name, members, units, part.id(example)))
    return found


def _every(folder: Path, manifest: Manifest, key: GramKey) -> Iterator[_Places]:
    """The sampled seeds of each audience of each part, in the order of the manifest."""
    for files in parts_of(folder, manifest, key):
        sources = files.private().sources
        for number in range(len(files.audiences)):
            yield _Places(files, number, sources)


class _Places:
    """The sampled seeds of one audience: what is kept of each, and the document it stands in."""

    def __init__(self, files: PartFiles, number: int, sources: Sequence[str]) -> None:
        import numpy as np

        prefix = f"a{number}"
        self.name = files.audiences[number].name
        self._sources = sources
        self._source = files.column(f"{prefix}.sources").whole()
        self._record = files.column(f"{prefix}.records").whole()
        self.clusters: NDArray[np.uint32] = files.column(f"{prefix}.clusters").whole()
        starts = files.bare(f"{prefix}.place.starts")
        self.bits = (len(starts) - 1).bit_length() - 1
        buckets = np.repeat(np.arange(len(starts) - 1, dtype=np.uint64), np.diff(starts))
        remainders = files.bare(f"{prefix}.place.remainders").astype(np.uint64)
        self.keys: NDArray[np.uint64] = (buckets << np.uint64(32)) | remainders
        begins = files.column(f"{prefix}.documents").whole()
        places = files.column(f"{prefix}.place.positions").whole()
        self.documents: NDArray[np.int64] = np.searchsorted(begins, places, side="right") - 1

    def id(self, document: int) -> str:
        return f"{self._sources[self._source[document]]}:{self._record[document]}"


def _shared(one: _Places, other: _Places) -> Counter[tuple[int, int]]:
    """For each pair of documents the number of distinct sampled seeds that both hold."""
    import numpy as np

    bits = min(one.bits, other.bits)
    first = one.keys >> np.uint64(one.bits - bits)
    second = other.keys >> np.uint64(other.bits - bits)
    pairs: Counter[tuple[int, int]] = Counter()
    order = np.argsort(second, kind="stable")
    ordered = second[order]
    low = np.searchsorted(ordered, first, side="left")
    high = np.searchsorted(ordered, first, side="right")
    for index in np.flatnonzero(high > low).tolist():
        document = int(one.documents[index])
        for at in order[low[index] : high[index]].tolist():
            pairs[document, int(other.documents[at])] += 1
    return pairs
