"""Which seeds of a document are kept with their places: robust winnowing.

S. Schleimer, D. S. Wilkerson and A. Aiken, "Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD
2003: of every window of neighbouring seeds the least is chosen. So two texts that share a run of
``SEED + WINDOW - 1`` units share a chosen seed, wherever the run stands in either.

May import: the ground floor; numpy inside functions. The rule that must stay true: every window of
``WINDOW`` neighbouring seeds of a document holds a chosen one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.grams import SEED, GramKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 4
"""Of every 4 neighbouring seeds at least one is sampled (density 2/5)."""


def winnow(seeds: NDArray[np.uint64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the least seed of every window of ``WINDOW`` (Schleimer, Wilkerson and Aiken 2003).

    ``counts`` are the seeds of each document; a document with fewer than a window gives its least.
    """
    import numpy as np

    chosen = np.zeros(len(seeds), dtype=bool)
    if len(seeds) >= WINDOW:
        windows = np.lib.stride_tricks.sliding_window_view(seeds, WINDOW)
        least = np.argmin(windows, axis=1) + np.arange(len(windows))
        whole = np.repeat(np.cumsum(counts), counts) - np.arange(len(seeds)) >= WINDOW
        chosen[least[whole[: len(windows)]]] = True
    ends = np.cumsum(counts)
    for number in np.flatnonzero((counts > 0) & (counts < WINDOW)).tolist():
        begin = int(ends[number] - counts[number])
        chosen[begin + int(np.argmin(seeds[begin : int(ends[number])]))] = True
    return np.flatnonzero(chosen)


def sampled(key: GramKey, seeds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The chosen seeds of one document in the form the index keeps them in: its set for MinHash."""
    import numpy as np

    return key.arrays(seeds[winnow(seeds, np.array([len(seeds)]))], SEED)
