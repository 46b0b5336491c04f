"""Documents to hashes: the part of a build that costs most, and that several processes can share.

May import: the ground floor and this room. The rule that must stay true: what leaves here of a
document's text is hashes and lengths.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.grams import SEED, GramKey, SpacedTable
from proxy.index.words import hash_words
from proxy.secrecy import forbid_dumps
from proxy.types import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEPARATOR = "\n"
"""Between the texts of a document; no unit, so runs go on across it."""

_SMALL_BATCH = 1 << 16
"""Characters hashed together: enough that numpy's calls cost little, few enough for the caches."""

_BATCH_CHARACTERS = 1 << 18
"""Characters sent to a worker process at once."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """What is kept of one document: all its seeds in order, its words, and how much text it was."""

    seeds: NDArray[np.uint64]
    words: NDArray[np.uint32]
    word_lengths: NDArray[np.uint8]
    units: int
    size: int
    """Bytes of its text in UTF-8."""


def hash_documents(
    documents: Iterable[Document], key: GramKey, secret: str, workers: int
) -> Iterator[tuple[Document, Hashes]]:
    """Each document with its hashes, in order. ``secret`` is what ``key`` was made of."""
    if workers < 2:
        table = SpacedTable()
        for batch in _by_size(documents, _SMALL_BATCH):
            made = hash_batch(key, [document.texts for document in batch], table)
            yield from zip(batch, made, strict=True)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # "spawn": this process may have threads (a progress bar), which a fork would not survive.
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start_worker, initargs=(secret,)
    ) as pool:
        waiting: deque[tuple[list[Document], Future[list[Hashes]]]] = deque()
        for batch in _by_size(documents, _BATCH_CHARACTERS):
            waiting.append((batch, pool.submit(_hash_batch, [document.texts for document in batch])))
            while len(waiting) > 2 * workers:
                yield from _paired(*waiting.popleft())
        while waiting:
            yield from _paired(*waiting.popleft())


def hash_batch(key: GramKey, documents: Sequence[Sequence[str]], table: SpacedTable) -> list[Hashes]:
    """The hashes of several documents, worked out together; each document is given by its texts."""
    import numpy as np

    whole = [SEPARATOR.join(texts) for texts in documents]
    codes, places, starts = key.texts_codes(whole, table)
    seeds = key.seed_array(codes)
    words, lengths, word_edges = hash_words(key, codes, places)
    edges = starts.tolist()
    word_starts = np.searchsorted(word_edges, starts).tolist()
    out = []
    for number, text in enumerate(whole):
        first, last = edges[number], edges[number + 1]
        begin, end = word_starts[number], word_starts[number + 1]
        # Copies of what is the document's own; windows that reach into the next one are left out.
        own = seeds[first : max(first, last - SEED + 1)].copy()
        size = len(text.encode("utf-8", "surrogatepass"))
        out.append(Hashes(own, words[begin:end].copy(), lengths[begin:end].copy(), last - first, size))
    return out


def _paired(batch: list[Document], made: Future[list[Hashes]]) -> Iterator[tuple[Document, Hashes]]:
    yield from zip(batch, made.result(), strict=True)


def _by_size(documents: Iterable[Document], enough: int) -> Iterator[list[Document]]:
    """Batches of about ``enough`` characters."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += sum(map(len, document.texts))
        if size >= enough:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Worker:
    """What a worker process keeps between batches; made by its initializer, in that process alone."""

    key: GramKey
    table: SpacedTable


def _start_worker(secret: str) -> None:
    forbid_dumps()
    _Worker.key, _Worker.table = GramKey(secret), SpacedTable()


def _hash_batch(texts: list[tuple[str, ...]]) -> list[Hashes]:
    return hash_batch(_Worker.key, texts, _Worker.table)
