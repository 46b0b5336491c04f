"""Which documents a text is like: locality-sensitive hashing over MinHash signatures, in flat arrays.

Documents whose signatures agree in one band of ``minhash.ROWS`` rows are candidates (Leskovec, Rajaraman
and Ullman, Mining of Massive Datasets, ch. 3.4); what counts is then the share of equal places, which
estimates the Jaccard similarity of the sampled seeds. One sorted array of (band, 32 bits of the band's hash)
and one of owners: 192 bytes a document beside the 512 of its signature, where datasketch's dictionaries
take some 8,700.

Whole documents alone: a short passage of a long one is not like it in this sense. That is found by
seeds (``detectors/near.py``).

May import: the ground floor and this room; numpy inside functions. The rule that must stay true: no candidate
is left out, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.grams import GramKey, SpacedTable
from proxy.index.files import parts_of
from proxy.index.format import Manifest
from proxy.index.hashing import hash_batch
from proxy.index.minhash import BANDS, bands, signatures
from proxy.index.winnowing import sampled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_AT_ONCE = 1 << 16
"""Candidates whose signatures are compared together: 32 MB of them."""


@dataclass(frozen=True, slots=True)
class Similar:
    """A document that a text is like. ``similarity``: estimated Jaccard similarity, 0 to 1."""

    document: str
    audience: str
    similarity: float


class DocumentLsh:
    """The signatures of many documents, to be asked which of them others are like."""

    def __init__(self, signature: NDArray[np.uint32]) -> None:
        """``signature``: shape (documents, PERMUTATIONS); may be memory-mapped. Keeps no copy of it."""
        import numpy as np

        self._signature = signature
        count = len(signature)
        self._keys = np.empty(BANDS * count, dtype=np.uint64)
        self._owners = np.empty(BANDS * count, dtype=np.uint32)
        hashes = _band_keys(signature)
        for band in range(BANDS):
            order = np.argsort(hashes[:, band], kind="stable")
            self._keys[band * count : (band + 1) * count] = hashes[order, band]
            self._owners[band * count : (band + 1) * count] = order

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, the signatures among them."""
        return int(self._signature.nbytes + self._keys.nbytes + self._owners.nbytes)

    def query(
        self, signature: NDArray[np.uint32], least: float = 0.5
    ) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float64]]:
        """The documents that each of some texts is like: (which text, which document, how much).

        ``signature``: shape (texts, PERMUTATIONS). The pairs are in the order of the texts, then of the
        documents; only those of similarity ``least`` and more are told.
        """
        import numpy as np

        keys = _band_keys(signature).ravel()
        low = np.searchsorted(self._keys, keys, side="left")
        counts = np.searchsorted(self._keys, keys, side="right") - low
        total = int(counts.sum())
        text = np.repeat(np.arange(len(keys)) // BANDS, counts)
        at = np.repeat(low - (np.cumsum(counts) - counts), counts) + np.arange(total)
        pairs = np.unique((text.astype(np.uint64) << np.uint64(32)) | self._owners[at])
        text = (pairs >> np.uint64(32)).astype(np.int64)
        owner = (pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        similarity = np.empty(len(pairs))
        for start in range(0, len(pairs), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            equal = signature[text[part]] == self._signature[owner[part]]
            similarity[part] = equal.mean(axis=1)
        kept = similarity >= least
        return text[kept], owner[kept], similarity[kept]


def _band_keys(signature: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """(band, upper half of its hash) in 64 bits, shape (documents, BANDS)."""
    import numpy as np

    numbers = np.arange(BANDS, dtype=np.uint64) << np.uint64(32)
    keys: NDArray[np.uint64] = (bands(signature) >> np.uint64(32)) | numbers
    return keys


def similar(folder: Path, manifest: Manifest, key: GramKey, text: str, least: float = 0.3) -> list[Similar]:
    """The documents of an index that a whole text is like, most like first.

    A text without a seed is like none.
    """
    seeds = hash_batch(key, [(text,)], SpacedTable())[0].seeds
    if not len(seeds):
        return []
    signature = signatures([sampled(key, seeds)])
    return sorted(
        _similar(folder, manifest, key, signature, least), key=lambda one: (-one.similarity, one.document)
    )


def _similar(
    folder: Path, manifest: Manifest, key: GramKey, signature: NDArray[np.uint32], least: float
) -> Iterator[Similar]:
    for part in parts_of(folder, manifest, key):
        names = part.private().sources
        for number, counts in enumerate(part.audiences):
            sources = part.column(f"a{number}.sources")
            records = part.column(f"a{number}.records")
            lsh = DocumentLsh(part.column(f"a{number}.minhash").whole())
            _, documents, found = lsh.query(signature, least)
            for document, similarity in zip(documents.tolist(), found.tolist(), strict=True):
                name = f"{names[sources[document]]}:{records[document]}"
                yield Similar(name, counts.name, similarity)
