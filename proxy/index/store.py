"""An opened index: the arrays memory-mapped, the look-ups as functions of one gram.

Arrays of audience number n: ``an.seed`` (Bloom, runs of 12 units), ``an.run.*`` (exact set, runs of
X units), ``an.act`` (Bloom, runs of L units), ``an.place.*`` (sampled seeds with positions),
``an.documents|sources|records`` (where a document begins, and its name), ``an.words.*``, ``an.minhash``,
``an.clusters``; ``style.*`` for audience ``nobody``; ``background.*`` for declared free text. Over all
audiences: ``values.*`` (see ``values.py``) and ``structures.*`` (see ``payload.py``).

May import: the ground floor and this room. The rule that must stay true: opening reads headers
only, so an index of any size opens at once and costs the pages it touches.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxy.errors import IndexFormatError
from proxy.grams import GramKey
from proxy.index.filters import BloomFilter, GramSet, Postings
from proxy.index.format import Manifest, check_sizes, load_array, read_manifest
from proxy.index.learning import bases_of
from proxy.index.payload import VERSION as STRUCTURES_VERSION
from proxy.index.payload import Structures
from proxy.index.values import VERSION as VALUES_VERSION
from proxy.index.values import ValueTrie
from proxy.index.words import WordTable
from proxy.types import Contains, Select


class _Audience:
    """The look-ups of one audience."""

    def __init__(self, folder: Path, prefix: str, manifest: Manifest, act: int) -> None:
        def array(name: str) -> Any:
            return load_array(folder, f"{prefix}.{name}")

        self.run = GramSet(array("run.starts"), array("run.remainders"))
        self.seeds = BloomFilter(array("seed")).select
        long = BloomFilter(array("act"))
        levels = sorted([(manifest.exempt_run, self.run.contains), (act, long.contains)], key=lambda x: x[0])
        self.levels: tuple[tuple[int, Contains], ...] = tuple(levels)
        self.postings = Postings(array("place.starts"), array("place.remainders"), array("place.positions"))
        self.starts = array("documents").data
        self.sources = array("sources").data
        self.records = array("records").data
        self.words = WordTable(array("words.hashes"), array("words.lengths"), array("words.first"))


class StoredIndex:
    """An index on disk (``types.TextIndex``), shared by all answers of a process."""

    def __init__(self, folder: Path, manifest: Manifest, key: GramKey) -> None:
        self.manifest = manifest
        self.key = key
        self.exempt_run = manifest.exempt_run
        self.window = manifest.window
        self.most_places = manifest.most_places
        self.audiences = tuple(counts.name for counts in manifest.audiences)
        self._by_name = {
            counts.name: _Audience(folder, f"a{number}", manifest, counts.act)
            for number, counts in enumerate(manifest.audiences)
        }
        self._style = _optional_set(folder, manifest, "style")
        self._background = _optional_set(folder, manifest, "background")
        self._background_seeds: Select | None = None
        if "background.seed.npy" in manifest.files:
            self._background_seeds = BloomFilter(load_array(folder, "background.seed")).select

        documents = {counts.name: counts.documents for counts in manifest.audiences}
        bounds = {name: (base, base + documents[name]) for name, base in bases_of(documents).items()}
        self._values = ValueTrie(folder, manifest.values, key, bounds, self._document)
        self._structures = Structures(folder, manifest.structures, key, bounds, self._document)

    @property
    def age(self) -> float:
        """Seconds since the index was built."""
        return time.time() - self.manifest.built

    def seeds(self, audience: str) -> Select:
        return self._by_name[audience].seeds

    def levels(self, audience: str) -> Sequence[tuple[int, Contains]]:
        return self._by_name[audience].levels

    def exempt(self, audience: str) -> Contains:
        return self._by_name[audience].run.contains

    def background(self) -> Contains | None:
        return self._background

    def background_seeds(self) -> Select | None:
        return self._background_seeds

    def house_style(self) -> Contains | None:
        return self._style

    def places(self, audience: str, gram: int) -> Sequence[int]:
        return self._by_name[audience].postings.places(gram)

    def words(self, audience: str, position: int, before: int, after: int) -> tuple[list[int], list[int]]:
        part = self._by_name[audience]
        return part.words.around(part.starts, position, before, after)

    def document_at(self, audience: str, position: int) -> str:
        return self._document(audience, bisect_right(self._by_name[audience].starts, position) - 1)

    def _document(self, audience: str, number: int) -> str:
        """The id of an audience's document, by its number there."""
        part = self._by_name[audience]
        return f"{self.manifest.sources[part.sources[number]]}:{part.records[number]}"

    def values(self) -> ValueTrie:
        """The known values (``types.ValueIndex``)."""
        return self._values

    def structures(self) -> Structures:
        """The structure of payloads (``keypaths.StructureIndex``)."""
        return self._structures


def _optional_set(folder: Path, manifest: Manifest, name: str) -> Contains | None:
    if f"{name}.starts.npy" not in manifest.files:
        return None
    grams = GramSet(load_array(folder, f"{name}.starts"), load_array(folder, f"{name}.remainders"))
    return grams.contains if len(grams) else None


def open_index(folder: Path, key: str) -> StoredIndex:
    """Open the index at ``folder``. Raises IndexFormatError for anything that does not fit."""
    manifest = read_manifest(folder)
    gram_key = GramKey(key)
    if gram_key.id != manifest.key_id:
        raise IndexFormatError(
            f"{folder}: was built with another key (id {manifest.key_id}, given {gram_key.id}); "
            "check SLUICEGATE_INDEX_KEY or the key file beside the index"
        )
    for part, about, ours in (
        ("values", manifest.values, VALUES_VERSION),
        ("structures", manifest.structures, STRUCTURES_VERSION),
    ):
        if about.get("version") != ours:
            raise IndexFormatError(
                f"{folder}: its {part} are of version {about.get('version')!r}, this release reads {ours}; "
                "build the index anew"
            )
    check_sizes(folder, manifest)
    try:
        return StoredIndex(folder, manifest, gram_key)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise IndexFormatError(
            f"{folder}: arrays do not fit ({type(error).__name__}); build it anew"
        ) from None
