"""An opened index: the arrays memory-mapped, the look-ups as functions of one gram.

Arrays of audience number n: ``an.seed`` (Bloom, runs of 12 units), ``an.run.*`` (exact set, runs of
X units), ``an.act`` (Bloom, runs of L units), ``an.place.*`` (sampled seeds with positions),
``an.documents|sources|records`` (where a document begins, and its name), ``an.words.*``, ``an.minhash``,
``an.clusters``; ``style.*`` for audience ``nobody``; ``background.*`` for declared free text. Over all
audiences: ``values.*`` (see ``values.py``) and ``structures.*`` (see ``payload.py``). What was added later
(see ``adding.py``) has audiences of its own numbers, and the rest in the folder ``pn``.

May import: the ground floor and this room. The rule that must stay true: opening reads headers
only, so an index of any size opens at once and costs the pages it touches.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from proxy.errors import IndexFormatError
from proxy.grams import GramKey
from proxy.index.allowed import AllowedTexts, either, either_selects
from proxy.index.filters import BloomFilter, GramSet, Postings
from proxy.index.format import Manifest, check_sizes, load_array, read_manifest
from proxy.index.joined import (
    JoinedStructures,
    JoinedValues,
    any_of,
    any_selects,
    joined_levels,
)
from proxy.index.learning import bases_of
from proxy.index.payload import VERSION as STRUCTURES_VERSION
from proxy.index.payload import Structures
from proxy.index.values import VERSION as VALUES_VERSION
from proxy.index.values import ValueTrie
from proxy.index.words import WordTable
from proxy.keypaths import StructureIndex
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


class _Part:
    """What one build made: the audiences of some documents, and what is known over all of them."""

    def __init__(
        self,
        folder: Path,
        name: str,
        manifest: Manifest,
        numbers: range,
        about: Mapping[str, Mapping[str, Any]],
        key: GramKey,
    ) -> None:
        """``name``: the folder of what is no audience's, "" for the first. ``numbers``: of its audiences."""
        counts = {manifest.audiences[number].name: manifest.audiences[number] for number in numbers}
        self.audiences = {
            each.name: _Audience(folder, f"a{number}", manifest, each.act)
            for number, each in zip(numbers, counts.values(), strict=True)
        }
        self._sources = manifest.sources
        inner, prefix = (folder / name, f"{name}/") if name else (folder, "")
        self.style = _optional_set(inner, prefix, manifest, "style")
        self.background = _optional_set(inner, prefix, manifest, "background")
        self.background_seeds: Select | None = None
        if f"{prefix}background.seed.npy" in manifest.files:
            self.background_seeds = BloomFilter(load_array(inner, "background.seed")).select
        documents = {each.name: each.documents for each in counts.values()}
        self.documents = sum(documents.values())
        bounds = {each: (base, base + documents[each]) for each, base in bases_of(documents).items()}
        self.values = ValueTrie(inner, about["values"], key, bounds, self.document)
        self.structures = Structures(inner, about["structures"], key, bounds, self.document)

    def document(self, audience: str, number: int) -> str:
        """The id of an audience's document, by its number there."""
        part = self.audiences[audience]
        return f"{self._sources[part.sources[number]]}:{part.records[number]}"


class StoredIndex:
    """An index on disk (``types.TextIndex``), shared by all answers of a process."""

    def __init__(self, folder: Path, manifest: Manifest, key: GramKey) -> None:
        self.manifest = manifest
        self.version = manifest.version
        self.key = key
        self.exempt_run = manifest.exempt_run
        self.window = manifest.window
        self.most_places = manifest.most_places
        self.audiences = tuple(dict.fromkeys(counts.name for counts in manifest.audiences))
        parts = self._parts = _parts(folder, manifest, key)
        self._owners = {name: [part for part in parts if name in part.audiences] for name in self.audiences}
        self._segments = {
            name: [part.audiences[name] for part in owners] for name, owners in self._owners.items()
        }
        self._bases = {
            name: [0, *accumulate(int(each.starts[-1]) for each in segments)]
            for name, segments in self._segments.items()
        }
        each_of = self._segments.items()
        self._seeds = {name: any_selects([each.seeds for each in found]) for name, found in each_of}
        self._levels = {name: _levels(found) for name, found in each_of}
        self._exempt = {name: any_of([each.run.contains for each in found]) for name, found in each_of}
        self._style = _any([part.style for part in parts])
        self._background = _any([part.background for part in parts])
        seeds = [part.background_seeds for part in parts if part.background_seeds is not None]
        self._background_seeds = any_selects(seeds) if seeds else None
        self._known: ValueTrie | JoinedValues = parts[0].values  # never walked: nothing is remembered in it
        self._structures: StructureIndex = parts[0].structures
        if len(parts) > 1:
            self._known = JoinedValues([part.values for part in parts], [part.documents for part in parts])
            self._structures = JoinedStructures([part.structures for part in parts])
        self.allow(AllowedTexts((), key, manifest.exempt_run))

    @property
    def age(self) -> float:
        """Seconds since the index was built."""
        return time.time() - self.manifest.built

    def seeds(self, audience: str) -> Select:
        return self._seeds[audience]

    def levels(self, audience: str) -> Sequence[tuple[int, Contains]]:
        return self._levels[audience]

    def exempt(self, audience: str) -> Contains:
        return self._exempt[audience]

    def background(self) -> Contains | None:
        return self._free

    def background_seeds(self) -> Select | None:
        return self._free_seeds

    def allow(self, texts: AllowedTexts) -> None:
        """From now on these texts are free for everyone, like background, and none that was allowed before.

        A scanner that has begun goes on with what it began with.
        """
        self._free = either(self._background, texts.runs())
        self._free_seeds = either_selects(self._background_seeds, texts.seeds())
        self._values = self._known.freed(texts.values)

    def house_style(self) -> Contains | None:
        return self._style

    def places(self, audience: str, gram: int) -> Sequence[int]:
        segments = self._segments[audience]
        found = segments[0].postings.places(gram)
        if len(segments) == 1:
            return found
        bases = self._bases[audience]
        more = [
            base + place
            for base, each in zip(bases[1:], segments[1:], strict=False)
            for place in each.postings.places(gram)
        ]
        return [*found, *more] if more else found

    def words(self, audience: str, position: int, before: int, after: int) -> tuple[list[int], list[int]]:
        number, position = self._local(audience, position)
        part = self._segments[audience][number]
        return part.words.around(part.starts, position, before, after)

    def start_of(self, audience: str, position: int) -> int:
        number, local = self._local(audience, position)
        starts = self._segments[audience][number].starts
        start: int = starts[bisect_right(starts, local) - 1]
        return position - local + start

    def document_at(self, audience: str, position: int) -> str:
        number, position = self._local(audience, position)
        starts = self._segments[audience][number].starts
        return self._owners[audience][number].document(audience, bisect_right(starts, position) - 1)

    def _local(self, audience: str, position: int) -> tuple[int, int]:
        """The segment that a position lies in, and where it lies there."""
        bases = self._bases[audience]
        if len(bases) == 2:
            return 0, position
        number = min(bisect_right(bases, position), len(bases) - 1) - 1
        return number, position - bases[number]

    def values(self) -> ValueTrie | JoinedValues:
        """The known values, without those in allowed texts as they stand now: ask anew for each scanner."""
        return self._values

    def structures(self) -> StructureIndex:
        """The structure of payloads."""
        return self._structures


def _parts(folder: Path, manifest: Manifest, key: GramKey) -> list[_Part]:
    """The first build, and each that was added, with the audiences of its own."""
    added = [int(each["audiences"]) for each in manifest.parts]
    edges = [0, *accumulate(added, initial=len(manifest.audiences) - sum(added))]
    abouts = [{"values": manifest.values, "structures": manifest.structures}, *manifest.parts]
    return [
        _Part(
            folder,
            f"p{number}" if number else "",
            manifest,
            range(edges[number], edges[number + 1]),
            about,
            key,
        )
        for number, about in enumerate(abouts)
    ]


def _levels(segments: Sequence[_Audience]) -> Sequence[tuple[int, Contains]]:
    if len(segments) == 1:
        return segments[0].levels
    return joined_levels([each.levels for each in segments])


def _optional_set(folder: Path, prefix: str, manifest: Manifest, name: str) -> Contains | None:
    if f"{prefix}{name}.starts.npy" not in manifest.files:
        return None
    grams = GramSet(load_array(folder, f"{name}.starts"), load_array(folder, f"{name}.remainders"))
    return grams.contains if len(grams) else None


def _any(sets: Sequence[Contains | None]) -> Contains | None:
    known = [each for each in sets if each is not None]
    return any_of(known) if known else None


def open_index(folder: Path, key: str) -> StoredIndex:
    """Open the index at ``folder``. Raises IndexFormatError for anything that does not fit."""
    manifest = read_manifest(folder)
    gram_key = GramKey(key)
    if gram_key.id != manifest.key_id:
        raise IndexFormatError(
            f"{folder}: was built with another key (id {manifest.key_id}, given {gram_key.id}); "
            "check SLUICEGATE_INDEX_KEY or the key file beside the index"
        )
    kinds = {"values": VALUES_VERSION, "structures": STRUCTURES_VERSION}
    first = {"values": manifest.values, "structures": manifest.structures}
    for part, ours, about in (
        (kind, ours, each[kind]) for each in (first, *manifest.parts) for kind, ours in kinds.items()
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
