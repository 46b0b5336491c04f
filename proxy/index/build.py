"""From documents to an index: units, grams of each level, sampled seeds, MinHash, house style.

Memory while building: 8 bytes a unit for all seeds, and 24 more a unit of the audience being written;
a training set of 500 MB of English text needs about 13 GB. Larger sets are split over several
indexes. Only hashes are kept, and no text touches the disk: an interrupted build leaves none.

May import: the ground floor and this room. The rule that must stay true: every run of a level's
length in a document is put into that level.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy import __version__
from proxy.errors import ConfigError
from proxy.grams import SEED, GramKey
from proxy.index import minhash
from proxy.index.files import Private, Writer, atomic_folder, next_serial, write_manifest
from proxy.index.filters import BloomFilter, GramSet, Postings
from proxy.index.format import AudienceCounts, Manifest
from proxy.index.hashing import SEPARATOR, hash_documents
from proxy.index.learning import FindValues, Learner
from proxy.index.winnowing import WINDOW, winnow
from proxy.text import FoldTable
from proxy.types import NOBODY, Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXEMPT_RUN = 20
MOST_PLACES = 32
STYLE_CLUSTERS = 20
"""A run of audience ``nobody`` that this many clusters of near-duplicates share is house style."""

_BATCH_SEEDS = 1 << 21

DEFAULT_ACT = 32
ACTS = {NOBODY: 80}
"""The units at which a match acts, by audience, where nobody says otherwise."""


@dataclass(slots=True)
class _Audience:
    """The documents of one audience while they are collected."""

    name: str
    act: int
    seeds: list[NDArray[np.uint64]] = field(default_factory=list)
    """The seeds of each document, all of them, in order."""
    words: list[NDArray[np.uint32]] = field(default_factory=list)
    word_lengths: list[NDArray[np.uint8]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    """The units of each document."""
    sources: list[int] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    characters: int = 0
    units: int = 0


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What an index is made with. ``acts``: units at which a match acts, by audience."""

    key: str = field(repr=False)
    acts: Mapping[str, int] = field(default_factory=lambda: dict(ACTS))
    default_act: int = DEFAULT_ACT
    exempt_run: int = EXEMPT_RUN
    default_audience: str = NOBODY
    workers: int = 1


def build_index(
    documents: Iterable[Document],
    out: Path,
    options: BuildOptions,
    *,
    background: Iterable[Document] = (),
    values: FindValues | None = None,
    stage: Callable[[str], None] | None = None,
    check: Callable[[Path], None] | None = None,
    reading: Callable[[], Mapping[str, Any]] | None = None,
) -> Manifest:
    """Build an index of ``documents`` at ``out`` and return its manifest.

    ``background`` is text that is free for everyone. ``values`` finds the personal data, secrets and
    canaries of a document, which become known values; without it there are none. The folder appears
    whole or not at all; an index
    that was there is replaced. Raises ConfigError when there is no document, or ``out`` is in use or
    something else.

    ``reading`` gives the report of the reader, for those who hold the key, once all documents were read.
    ``check`` receives the folder of the finished index before it takes its place; where it raises,
    nothing is replaced.
    """
    key = GramKey(options.key)
    tell = stage or (lambda _name: None)
    with atomic_folder(out) as folder:
        tell("reading")
        learner = Learner(key, values)
        collected, sources, text_bytes = _collect(documents, key, options, learner)
        if not collected:
            raise ConfigError("no document to index: every record was skipped or the sources are empty")
        writer = Writer(folder, key)
        counts = []
        for number, audience in enumerate(sorted(collected.values(), key=lambda a: a.name)):
            tell(f"indexing {audience.name}")
            counts.append(_write_audience(writer, key, audience, f"a{number}", options.exempt_run, learner))
        _write_background(writer, key, background, options.exempt_run, learner)
        tell("indexing known values")
        learned = learner.write(writer, {each.name: each.documents for each in counts})
        writer.private(Private(tuple(sources), reading() if reading is not None else {}))
        manifest = Manifest(
            key_id=key.id,
            nonce=writer.nonce,
            serial=next_serial(out),
            built=time.time(),
            seed=SEED,
            window=WINDOW,
            most_places=MOST_PLACES,
            exempt_run=options.exempt_run,
            documents=sum(c.documents for c in counts),
            characters=sum(c.characters for c in counts),
            text_bytes=text_bytes,
            audiences=tuple(counts),
            minhash=minhash.describe(),
            values=learned["values"],
            structures=learned["structures"],
            files=writer.files,
            sluicegate=__version__,
        ).signed(key)
        write_manifest(folder, manifest)
        if check is not None:
            tell("testing")
            check(folder)
        tell("done")
    return manifest


def _collect(
    documents: Iterable[Document], key: GramKey, options: BuildOptions, learner: Learner
) -> tuple[dict[str, _Audience], list[str], int]:
    """The seeds of every document, by audience."""
    collected: dict[str, _Audience] = {}
    sources: dict[str, int] = {}
    text_bytes = 0
    for document, hashes in hash_documents(documents, key, options.key, options.workers):
        name = document.audience or options.default_audience
        audience = collected.get(name)
        if audience is None:
            act = options.acts.get(name, options.default_act)
            audience = collected[name] = _Audience(name, act)
        learner.document(document, name, len(audience.lengths))
        source, _, record = document.id.rpartition(":")
        audience.seeds.append(hashes.seeds)
        audience.words.append(hashes.words)
        audience.word_lengths.append(hashes.word_lengths)
        audience.lengths.append(hashes.units)
        audience.sources.append(sources.setdefault(source, len(sources)))
        audience.records.append(int(record) if record.isdecimal() else 0)
        audience.characters += sum(map(len, document.texts))
        audience.units += hashes.units
        text_bytes += hashes.size
    return collected, list(sources), text_bytes


def _batches(audience: _Audience) -> Iterator[tuple[int, NDArray[np.uint64], NDArray[np.int64]]]:
    """(first document, all seeds, how many of each document) in batches of about ``_BATCH_SEEDS``."""
    import numpy as np

    first, batch, size = 0, [], 0
    for number, seeds in enumerate(audience.seeds):
        batch.append(seeds)
        size += len(seeds)
        if size >= _BATCH_SEEDS or number == len(audience.seeds) - 1:
            yield first, np.concatenate(batch), np.array([len(part) for part in batch], dtype=np.int64)
            first, batch, size = number + 1, [], 0


def _inside(counts: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Which grams of k units lie inside one document, given how many seeds each document has.

    Shape: (all seeds - (k - SEED),), as :meth:`GramKey.arrays` returns them for the concatenation.
    """
    import numpy as np

    total = int(counts.sum())
    left = np.repeat(np.cumsum(counts), counts) - np.arange(total)
    return left[: max(0, total - (k - SEED))] > k - SEED


def _runs(audience: _Audience, key: GramKey, k: int | None) -> NDArray[np.uint64]:
    """The distinct grams of k units of one audience, sorted; the seeds as they are for None."""
    return _distinct(_sorted_runs(audience, key, k))


def _sorted_runs(audience: _Audience, key: GramKey, k: int | None) -> NDArray[np.uint64]:
    """The same, each as often as it stands there."""
    import numpy as np

    parts = []
    for _first, seeds, counts in _batches(audience):
        if k is None:
            parts.append(seeds)
        else:
            parts.append(key.arrays(seeds, k)[_inside(counts, k)])
    grams = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    grams.sort()
    return grams


def _distinct(ordered: NDArray[np.uint64]) -> NDArray[np.uint64]:
    import numpy as np

    if not len(ordered):
        return ordered
    keep = np.ones(len(ordered), dtype=bool)
    keep[1:] = ordered[1:] != ordered[:-1]
    return ordered[keep]


def _write_seeds(writer: Writer, key: GramKey, name: str, seeds: NDArray[np.uint64]) -> None:
    """A filter of seeds in their mixed form: no raw hash is stored."""
    _write_bloom(writer, name, key.arrays(seeds, SEED))


def _write_bloom(writer: Writer, name: str, grams: NDArray[np.uint64]) -> None:
    words = BloomFilter.empty(len(grams))
    BloomFilter.add(words, grams)
    writer.array(name, words)


def _write_background(
    writer: Writer, key: GramKey, documents: Iterable[Document], run: int, learner: Learner
) -> None:
    """The runs of X units of declared free text; nothing where there is none."""
    import numpy as np

    table = FoldTable()
    seeds = []
    for document in documents:
        seeds.append(key.seed_array(key.codes(SEPARATOR.join(document.texts), table)))
        learner.free(document)
    if not seeds:
        return
    grams = np.concatenate([key.arrays(each, run) for each in seeds])
    grams.sort()
    starts, remainders = GramSet.build(_distinct(grams))
    writer.array("background.starts", starts)
    writer.array("background.remainders", remainders)
    every = np.concatenate(seeds)
    every.sort()
    every = _distinct(every)
    _write_seeds(writer, key, "background.seed", every)
    learner.stands(None, every)


def _write_audience(
    writer: Writer, key: GramKey, audience: _Audience, prefix: str, run: int, learner: Learner
) -> AudienceCounts:
    """All arrays of one audience; see ``store.py`` for their names."""
    import numpy as np

    runs = _runs(audience, key, run)
    starts, remainders = GramSet.build(runs)
    writer.array(f"{prefix}.run.starts", starts)
    writer.array(f"{prefix}.run.remainders", remainders)
    distinct = len(runs)
    del runs, starts, remainders
    seeds = _runs(audience, key, None)
    _write_seeds(writer, key, f"{prefix}.seed", seeds)
    learner.stands(audience.name, seeds)
    del seeds
    _write_bloom(writer, f"{prefix}.act", _runs(audience, key, audience.act))

    lengths = np.array(audience.lengths, dtype=np.int64)
    if int(lengths.sum()) >= 1 << 32:
        raise ConfigError(
            f"audience {audience.name}: more than 2**32 units; split the set into several indexes"
        )
    sampled = list(_sampled_seeds(audience, key))
    grams = np.concatenate([g for g, _ in sampled]) if sampled else np.zeros(0, np.uint64)
    places = np.concatenate([p for _, p in sampled]) if sampled else np.zeros(0, np.uint32)
    table_starts, table_remainders, table_places, common = Postings.build(grams, places, MOST_PLACES)
    writer.array(f"{prefix}.place.starts", table_starts)
    writer.array(f"{prefix}.place.remainders", table_remainders)
    writer.array(f"{prefix}.place.positions", table_places)
    document_starts = np.zeros(len(lengths) + 1, dtype=np.uint32)
    np.cumsum(lengths, out=document_starts[1:])
    writer.array(f"{prefix}.documents", document_starts)
    _write_words(writer, audience, prefix)
    writer.array(f"{prefix}.sources", np.array(audience.sources, dtype=np.uint32))
    writer.array(f"{prefix}.records", np.array(audience.records, dtype=np.uint32))

    sets = _sets(grams, places, document_starts)
    signature = minhash.signatures(sets)
    writer.array(f"{prefix}.minhash", signature)
    joined = minhash.clusters(signature)
    writer.array(f"{prefix}.clusters", joined)
    if audience.name == NOBODY:
        style = _house_style(audience, key, joined, run)
        starts, remainders = GramSet.build(style)
        writer.array("style.starts", starts)
        writer.array("style.remainders", remainders)
    return AudienceCounts(
        name=audience.name,
        act=audience.act,
        documents=len(lengths),
        units=int(lengths.sum()),
        characters=audience.characters,
        grams=distinct,
        common_seeds=common,
        clusters=len(np.unique(joined)),
    )


def _write_words(writer: Writer, audience: _Audience, prefix: str) -> None:
    """The words of the documents, for aligning near-verbatim spans."""
    import numpy as np

    first = np.zeros(len(audience.words) + 1, dtype=np.uint32)
    np.cumsum([len(words) for words in audience.words], out=first[1:])
    writer.array(f"{prefix}.words.hashes", np.concatenate(audience.words))
    writer.array(f"{prefix}.words.lengths", np.concatenate(audience.word_lengths))
    writer.array(f"{prefix}.words.first", first)


def _sampled_seeds(
    audience: _Audience, key: GramKey
) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint32]]]:
    """Seeds chosen by winnowing, and their positions in the audience's units, batch by batch."""
    import numpy as np

    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(audience.lengths, dtype=np.int64))])
    for first, seeds, counts in _batches(audience):
        if not len(seeds):
            continue
        chosen = winnow(seeds, counts)
        owner = np.repeat(np.arange(len(counts)), counts)[chosen]
        offset = chosen - (np.cumsum(counts) - counts)[owner]
        yield key.arrays(seeds[chosen], SEED), (starts[first + owner] + offset).astype(np.uint32)


def _sets(
    grams: NDArray[np.uint64], places: NDArray[np.uint32], document_starts: NDArray[np.uint32]
) -> Sequence[NDArray[np.uint64]]:
    """The sampled seeds of each document."""
    import numpy as np

    edges = np.searchsorted(places, document_starts)
    return [grams[edges[i] : edges[i + 1]] for i in range(len(document_starts) - 1)]


def _house_style(
    audience: _Audience, key: GramKey, joined: NDArray[np.uint32], run: int
) -> NDArray[np.uint64]:
    """Runs that stand in ``STYLE_CLUSTERS`` or more clusters, sorted.

    Clusters, not documents: a record that is repeated a hundred times is over-fitted, not style.
    """
    import numpy as np

    if len(np.unique(joined)) < STYLE_CLUSTERS:
        return np.zeros(0, np.uint64)
    # What stands in so many clusters stands there as often: few runs do, and only these are looked at.
    grams = _sorted_runs(audience, key, run)
    again = STYLE_CLUSTERS - 1
    frequent = _distinct(grams[again:][grams[again:] == grams[: max(0, len(grams) - again)]])
    del grams
    if not len(frequent):
        return frequent
    grams_parts, cluster_parts = [], []
    for first, seeds, counts in _batches(audience):
        inside = _inside(counts, run)
        owner = np.repeat(joined[first : first + len(counts)], counts)[: len(inside)][inside]
        grams = key.arrays(seeds, run)[inside]
        at = np.searchsorted(frequent, grams)
        at[at == len(frequent)] = 0
        kept = frequent[at] == grams
        grams_parts.append(grams[kept])
        cluster_parts.append(owner[kept])
    grams = np.concatenate(grams_parts)
    owners = np.concatenate(cluster_parts)
    order = np.lexsort((owners, grams))
    grams, owners = grams[order], owners[order]
    new = np.ones(len(grams), dtype=bool)
    new[1:] = (grams[1:] != grams[:-1]) | (owners[1:] != owners[:-1])
    distinct, counts = np.unique(grams[new], return_counts=True)
    return distinct[counts >= STYLE_CLUSTERS]
