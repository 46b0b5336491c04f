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

from proxy.grams import GramKey, SpacedTable
from proxy.index.words import hash_words
from proxy.types import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEPARATOR = "\n"
"""Between the texts of a document; no unit, so runs go on across it."""

_BATCH_CHARACTERS = 1 << 20


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
        for document in documents:
            yield document, hash_texts(key, document.texts, table)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # "spawn": this process may have threads (a progress bar), which a fork would not survive.
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start_worker, initargs=(secret,)
    ) as pool:
        waiting: deque[tuple[list[Document], Future[list[Hashes]]]] = deque()
        for batch in _by_size(documents):
            waiting.append((batch, pool.submit(_hash_batch, [document.texts for document in batch])))
            while len(waiting) > 2 * workers:
                yield from _paired(*waiting.popleft())
        while waiting:
            yield from _paired(*waiting.popleft())


def hash_texts(key: GramKey, texts: Sequence[str], table: SpacedTable) -> Hashes:
    """The hashes of one document's texts."""
    text = SEPARATOR.join(texts)
    codes, places = key.spaced_codes(text, table)
    words, lengths = hash_words(key, codes, places)
    return Hashes(
        key.seed_array(codes), words, lengths, len(codes), len(text.encode("utf-8", "surrogatepass"))
    )


def _paired(batch: list[Document], made: Future[list[Hashes]]) -> Iterator[tuple[Document, Hashes]]:
    yield from zip(batch, made.result(), strict=True)


def _by_size(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Batches of about ``_BATCH_CHARACTERS`` characters."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += sum(map(len, document.texts))
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Worker:
    """What a worker process keeps between batches; made by its initializer, in that process alone."""

    key: GramKey
    table: SpacedTable


def _start_worker(secret: str) -> None:
    _Worker.key, _Worker.table = GramKey(secret), SpacedTable()


def _hash_batch(texts: list[tuple[str, ...]]) -> list[Hashes]:
    return [hash_texts(_Worker.key, each, _Worker.table) for each in texts]
