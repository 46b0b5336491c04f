"""MinHash fingerprints of whole documents: near-duplicate clusters, and the house style they share.

A document's set is its sampled seeds, which are keyed hashes already, so a signature tells nothing
without the key either. Signatures are made by datasketch (Broder 1997; scheme ``affine32``); the
LSH bands (Leskovec, Rajaraman and Ullman, ch. 3) lie in flat sorted arrays, where datasketch's own
dictionaries would take 8.7 GB for a million documents.

May import: the ground floor; numpy and datasketch inside functions. The rule that must stay true:
a cluster joins only documents whose signatures agree in a whole band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERMUTATIONS = 128
BANDS, ROWS = 16, 8
"""16 bands of 8 rows: two documents of similarity 0.8 meet with probability 0.95, of 0.5 with 0.06."""

SCHEME = "affine32"

_PART = 1 << 14
"""Members of a set that are looked at together: 16 MB."""


def describe() -> dict[str, Any]:
    """What the manifest says about the signatures; they compare only with the same."""
    return {"scheme": SCHEME, "permutations": PERMUTATIONS, "bands": BANDS, "rows": ROWS, "seed": 1}


def signatures(sets: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint32]:
    """One signature a document, shape (documents, PERMUTATIONS)."""
    import numpy as np
    from datasketch import MinHash

    out = np.full((len(sets), PERMUTATIONS), np.iinfo(np.uint32).max, dtype=np.uint32)
    # In parts, since a sketch is made of a table of members by places; that of a union is the least of each.
    parts = [
        (row, grams[start : start + _PART])
        for row, grams in enumerate(sets)
        for start in range(0, len(grams), _PART)
    ]
    prepared = ((grams & np.uint64(0xFFFFFFFF)) for _, grams in parts)
    made = MinHash.generator(prepared, num_perm=PERMUTATIONS, seed=1, scheme=SCHEME, hashfunc=int)
    for (row, _), sketch in zip(parts, made, strict=True):
        np.minimum(out[row], sketch.hashvalues, out=out[row])
    return out


def bands(signature: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """The band hashes of signatures, shape (documents, BANDS)."""
    import numpy as np

    rows = signature.reshape(len(signature), BANDS, ROWS).astype(np.uint64)
    out = np.zeros((len(signature), BANDS), dtype=np.uint64)
    for row in range(ROWS):
        out = (out ^ rows[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(29)
    return out


def clusters(signature: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Near-duplicate clusters: for each document the lowest number of a document of its cluster.

    Documents that agree in a band are joined (union-find). A document without seeds, whose
    signature is all maxima, stays alone.
    """
    import numpy as np

    n = len(signature)
    parent = np.arange(n, dtype=np.uint32)
    if n < 2:
        return parent
    filled = signature[:, 0] != np.iinfo(np.uint32).max
    hashes = bands(signature)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for band in range(BANDS):
        order = np.argsort(hashes[:, band], kind="stable")
        column = hashes[order, band]
        for k in np.flatnonzero(column[1:] == column[:-1]).tolist():
            one, other = int(order[k]), int(order[k + 1])
            if filled[one] and filled[other]:
                a, b = root(one), root(other)
                parent[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(n)], dtype=np.uint32)
