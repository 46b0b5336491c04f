"""The structure of internal JSON payloads: sets of key paths, learned from JSON in texts and from records.

A structure is the set of the key paths of one object (``proxy.keypaths``), as keyed hashes. Equal
sets are one structure. Where a training set has more than ``MOST`` of them, those that are alike by
MinHash are one family, and of a family only the set that most documents have is kept, for each set of
audiences.

Arrays: ``structures.paths`` (the hashes, structure by structure) with ``structures.starts``;
``structures.audiences`` (which set of audiences); ``structures.records`` with
``structures.record_starts`` (the first document of each audience).

May import: the ground floor and this room; numpy inside functions. The rule that must stay true: no key
is stored, only keyed hashes of paths.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from xxhash import xxh3_64_intdigest

from proxy.grams import SEED, GramKey
from proxy.index import minhash
from proxy.index.cipher import Column
from proxy.index.files import PartFiles, Writer
from proxy.keypaths import JsonObject, KeyPathReader, paths_of_fields
from proxy.types import Document

VERSION = 1
"""Of this part of an index: raised when a path or its hash changes."""

LEAST = 6
"""Key paths of the smallest object that is learned."""

LEAST_INSIDE = 8
"""The same for an object inside another one."""

MOST = 2000
"""Structures that are kept as they are; more are joined to families."""


def path_hash(key: GramKey) -> Callable[[str], int]:
    """The keyed hash of a key path."""
    compose = key.composer(SEED + 2)
    seed = key.seed

    def hashed(path: str) -> int:
        digest = xxh3_64_intdigest(path.encode("utf-8", "surrogatepass"), seed)
        return compose([digest, 0, digest], 2)

    return hashed


@dataclass(slots=True)
class _Structure:
    """In how many documents a structure stands, and the first of each audience."""

    documents: int = 0
    first: dict[str, int] = field(default_factory=dict)


class StructureBuilder:
    """Collects the structures of all documents. Not shared, used once."""

    def __init__(self, key: GramKey) -> None:
        self._hash = path_hash(key)
        self._hashes: dict[str, int] = {}
        self._found: dict[tuple[int, ...], _Structure] = {}

    def add(self, document: Document, audience: str, record: int) -> None:
        """The structures of one document: number ``record`` of its audience."""
        sets = {self._hashed(paths) for paths in _learned(document)}
        for each in sets:
            structure = self._found.setdefault(each, _Structure())
            structure.documents += 1
            structure.first.setdefault(audience, record)

    def _hashed(self, paths: Iterable[str]) -> tuple[int, ...]:
        known = self._hashes
        for path in paths:
            if path not in known:
                known[path] = self._hash(path)
        return tuple(sorted(known[path] for path in paths))

    def write(self, writer: Writer, bases: Mapping[str, int]) -> dict[str, Any]:
        """Write all arrays; returns what the manifest says. ``bases``: first record number by audience."""
        import numpy as np

        kept = self._kept()
        sets: dict[tuple[str, ...], int] = {}
        chosen = [sets.setdefault(tuple(sorted(self._found[each].first)), len(sets)) for each in kept]
        records = [sorted(bases[a] + n for a, n in self._found[each].first.items()) for each in kept]
        writer.array("structures.starts", _starts(kept))
        writer.array("structures.paths", np.array([path for each in kept for path in each], dtype=np.uint64))
        writer.array("structures.audiences", np.array(chosen, dtype=np.uint32))
        writer.array("structures.record_starts", _starts(records))
        writer.array("structures.records", np.array([n for each in records for n in each], dtype=np.uint32))
        return {
            "version": VERSION,
            "structures": len(kept),
            "found": len(self._found),
            "paths": len(self._hashes),
            "audience_sets": [list(names) for names in sets],
        }

    def _kept(self) -> list[tuple[int, ...]]:
        """All structures, or the most common of each family and set of audiences."""
        import numpy as np

        every = sorted(self._found, key=lambda paths: (-self._found[paths].documents, paths))
        if len(every) <= MOST:
            return every
        signatures = minhash.signatures([np.array(paths, dtype=np.uint64) for paths in every])
        families = minhash.clusters(signatures).tolist()
        best: dict[tuple[int, tuple[str, ...]], tuple[int, ...]] = {}
        for family, paths in zip(families, every, strict=True):
            best.setdefault((family, tuple(sorted(self._found[paths].first))), paths)
        return list(best.values())


def _starts(parts: Sequence[Sequence[int]]) -> Any:
    import numpy as np

    return np.cumsum([0, *map(len, parts)]).astype(np.uint32)


def _learned(document: Document) -> Iterable[set[str]]:
    """The sets of key paths of a document that are large enough."""
    if len(document.fields) >= LEAST:
        paths = paths_of_fields(document.fields)
        if len(paths) >= LEAST:
            yield paths
    for text in document.texts:
        if ":" in text and "{" in text and ('"' in text or "'" in text):
            yield from (each.paths for each in objects_of(text) if each.quoted)


def objects_of(text: str) -> Iterable[JsonObject]:
    """The objects in a text that are large enough to be a structure."""
    reader = KeyPathReader()
    ended = [told.object for told in reader.feed(text) if told.path is None]
    for each in (*ended, *reader.open_objects()):
        if len(each.paths) >= (LEAST if each.root else LEAST_INSIDE):
            yield each


class Structures:
    """The structures of an opened index (``keypaths.StructureIndex``), read when first asked for."""

    def __init__(
        self,
        files: PartFiles,
        about: Mapping[str, Any],
        key: GramKey,
        bounds: Mapping[str, tuple[int, int]],
        name: Callable[[str, int], str],
    ) -> None:
        """``bounds``: the record numbers [first, end) of each audience. ``name``: the id of a document."""

        def column(part: str) -> Column:
            return files.column(f"structures.{part}")

        self.path = path_hash(key)
        self._paths = column("paths")
        self._starts = column("starts")
        self._sets = tuple(tuple(names) for names in about["audience_sets"])
        self._audiences = column("audiences")
        self._record_starts = column("record_starts")
        self._records = column("records")
        self._bounds = bounds
        self._name = name

    def __len__(self) -> int:
        return len(self._audiences)

    @cached_property
    def _having(self) -> Mapping[int, Sequence[int]]:
        having: dict[int, list[int]] = {}
        starts, paths = self._starts.whole().tolist(), self._paths.whole()
        for number in range(len(self)):
            for path in paths[starts[number] : starts[number + 1]].tolist():
                having.setdefault(path, []).append(number)
        return having

    def having(self, path: int) -> Sequence[int]:
        return self._having.get(path, ())

    def size(self, structure: int) -> int:
        return self._starts[structure + 1] - self._starts[structure]

    def audiences(self, structure: int) -> Sequence[str]:
        return self._sets[self._audiences[structure]]

    def document(self, structure: int, audience: str) -> str:
        first, end = self._bounds[audience]
        low, high = self._record_starts[structure], self._record_starts[structure + 1]
        records: list[int] = self._records.part(low, high).tolist()
        at = bisect_left(records, first)
        return self._name(audience, records[at] - first) if at < len(records) and records[at] < end else ""
