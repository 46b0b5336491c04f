"""An opened index: the arrays memory-mapped, the look-ups as functions of one gram.

Arrays of audience number n: ``an.seed`` (Bloom, runs of 12 units in their mixed form), ``an.run.*`` (exact
set, runs of X units), ``an.act`` (Bloom, runs of L units), ``an.place.*`` (sampled seeds with positions),
``an.documents|sources|records`` (where a document begins, and its name), ``an.words.*``, ``an.minhash``,
``an.clusters``; ``style.*`` for audience ``nobody``; ``background.*`` for declared free text. Over all
audiences: ``values.*`` (see ``values.py``) and ``structures.*`` (see ``payload.py``). Each addition (see
``adding.py``) has all of these in a folder ``pn`` of its own. What is no bare set is encrypted
(``files.BARE_SETS``).
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from proxy.errors import IndexFormatError
from proxy.grams import GramKey
from proxy.index.allowed import AllowedTexts, either, either_selects
from proxy.index.cipher import Column
from proxy.index.files import PartFiles, parts_of
from proxy.index.filters import BloomFilter, GramSet, Postings
from proxy.index.format import Manifest, check_files, check_key, read_manifest, verify
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

    def __init__(self, files: PartFiles, number: int, manifest: Manifest) -> None:
        def bare(name: str) -> Any:
            return files.bare(f"a{number}.{name}")

        def column(name: str) -> Column:
            return files.column(f"a{number}.{name}")

        act = files.audiences[number].act
        self.run = GramSet(bare("run.starts"), bare("run.remainders"))
        self.seeds = BloomFilter(bare("seed")).select
        """Of seeds in their mixed form."""
        long = BloomFilter(bare("act"))
        levels = sorted([(manifest.exempt_run, self.run.contains), (act, long.contains)], key=lambda x: x[0])
        self.levels: tuple[tuple[int, Contains], ...] = tuple(levels)
        self.postings = Postings(bare("place.starts"), bare("place.remainders"), column("place.positions"))
        self._starts = column("documents")
        self.sources = column("sources")
        self.records = column("records")
        self.words = WordTable(column("words.hashes"), column("words.lengths"), column("words.first"))

    @cached_property
    def starts(self) -> memoryview:
        """Where each document begins, and where the last ends: decrypted when first asked for, four bytes
        a document. A search in it would decrypt a block at each step."""
        return self._starts.whole().data


class _Part:
    """What one build made: the audiences of some documents, and what is known over all of them."""

    def __init__(
        self, files: PartFiles, manifest: Manifest, about: Mapping[str, Mapping[str, Any]], key: GramKey
    ) -> None:
        self.audiences = {
            counts.name: _Audience(files, number, manifest) for number, counts in enumerate(files.audiences)
        }
        self._sources = files.private().sources
        self.style = _optional_set(files, manifest, "style")
        self.background = _optional_set(files, manifest, "background")
        self.background_seeds: Select | None = None
        if f"{files.prefix}background.seed.npy" in manifest.files:
            self.background_seeds = BloomFilter(files.bare("background.seed")).select
        documents = {each.name: each.documents for each in files.audiences}
        self.documents = sum(documents.values())
        bounds = {each: (base, base + documents[each]) for each, base in bases_of(documents).items()}
        self.values = ValueTrie(files, about["values"], key, bounds, self.document)
        self.structures = Structures(files, about["structures"], key, bounds, self.document)

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
        self._seeds = {
            name: key.mixed_select(any_selects([each.seeds for each in found])) for name, found in each_of
        }
        self._levels = {name: _levels(found) for name, found in each_of}
        self._exempt = {name: any_of([each.run.contains for each in found]) for name, found in each_of}
        self._style = _any([part.style for part in parts])
        self._background = _any([part.background for part in parts])
        seeds = [part.background_seeds for part in parts if part.background_seeds is not None]
        self._background_seeds = key.mixed_select(any_selects(seeds)) if seeds else None
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
    abouts = [{"values": manifest.values, "structures": manifest.structures}, *manifest.parts]
    return [
        _Part(files, manifest, about, key)
        for files, about in zip(parts_of(folder, manifest, key), abouts, strict=True)
    ]


def _levels(segments: Sequence[_Audience]) -> Sequence[tuple[int, Contains]]:
    if len(segments) == 1:
        return segments[0].levels
    return joined_levels([each.levels for each in segments])


def _optional_set(files: PartFiles, manifest: Manifest, name: str) -> Contains | None:
    if f"{files.prefix}{name}.starts.npy" not in manifest.files:
        return None
    grams = GramSet(files.bare(f"{name}.starts"), files.bare(f"{name}.remainders"))
    return grams.contains if len(grams) else None


def _any(sets: Sequence[Contains | None]) -> Contains | None:
    known = [each for each in sets if each is not None]
    return any_of(known) if known else None


def open_index(folder: Path, key: str, *, later: bool = False) -> StoredIndex:
    """Open the index at ``folder``. Raises IndexFormatError for anything that does not fit.

    The MAC of the manifest is checked, then the sums of all files, about a second a gigabyte. ``later``
    leaves the sums to :func:`format.verify` and checks sizes, headers and canaries, in no time.
    """
    manifest = read_manifest(folder)
    gram_key = GramKey(key)
    check_key(folder, manifest, gram_key)
    kinds = {"values": VALUES_VERSION, "structures": STRUCTURES_VERSION}
    first = {"values": manifest.values, "structures": manifest.structures}
    for part, ours, about in (
        (kind, ours, each[kind]) for each in (first, *manifest.parts) for kind, ours in kinds.items()
    ):
        if about.get("version") != ours:
            raise IndexFormatError(
                f"{folder}: its {part} are of version {about.get('version')!r}, this release reads {ours}; "
                "rebuild the index"
            )
    check_files(folder, manifest, gram_key)
    if not later:
        verify(folder, manifest)
    try:
        return StoredIndex(folder, manifest, gram_key)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise IndexFormatError(
            f"{folder}: arrays do not fit ({type(error).__name__}); rebuild the index"
        ) from None
