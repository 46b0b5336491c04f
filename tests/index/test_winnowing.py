"""Sampled seeds: no window without one, and the set of a text is that of the index."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from proxy.grams import SEED
from proxy.index.winnowing import WINDOW, sampled, winnow
from tests.memory_index import KEY


@given(st.lists(st.lists(st.integers(0, 50), max_size=30), min_size=1, max_size=5))
def test_winnowing_leaves_no_gap(documents: list[list[int]]) -> None:
    """Every window of neighbouring seeds of a document has a chosen one; a short document has one, too."""
    seeds = np.array([seed for document in documents for seed in document], dtype=np.uint64)
    counts = np.array([len(document) for document in documents], dtype=np.int64)
    chosen = set(winnow(seeds, counts).tolist())
    start = 0
    for document in documents:
        for at in range(len(document) - WINDOW + 1):
            assert chosen & set(range(start + at, start + at + WINDOW))
        if document:
            assert chosen & set(range(start, start + len(document)))
        start += len(document)
    assert chosen <= set(range(len(seeds)))


@given(st.text(alphabet="abcdef 退款", max_size=80), st.text(max_size=20), st.text(max_size=20))
def test_a_shared_run_shares_a_seed(run: str, before: str, after: str) -> None:
    """Texts that share a run of a seed and a window share a sampled seed."""
    seeds = KEY.seed_array(KEY.codes(run))
    if len(seeds) < WINDOW:
        return
    whole = KEY.seed_array(KEY.codes(before + run + after))
    one, other = (set(sampled(KEY, each).tolist()) for each in (seeds, whole))
    assert one & other
    assert other <= set(KEY.arrays(whole, SEED).tolist())
