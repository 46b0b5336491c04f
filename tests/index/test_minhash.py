"""MinHash: equal sets have equal signatures, near-duplicates meet, strangers stay alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from proxy.index.minhash import BANDS, PERMUTATIONS, ROWS, bands, clusters, describe, signatures

RANDOM = np.random.default_rng(11)
EMPTY = np.zeros(0, np.uint64)


def some(count: int) -> NDArray[np.uint64]:
    """Hashes of a document's seeds, as random as they are."""
    return RANDOM.integers(0, 2**64, count, dtype=np.uint64)


def mixed(shared: NDArray[np.uint64], own: int) -> NDArray[np.uint64]:
    return np.concatenate([shared, some(own)])


def test_signatures_tell_the_similarity() -> None:
    """Equal sets agree whatever their order; the share of equal places is about the Jaccard similarity."""
    shared = some(400)
    one, other = mixed(shared, 100), mixed(shared, 100)
    signature = signatures([one, one[::-1].copy(), other, some(500), EMPTY])
    assert signature.shape == (5, PERMUTATIONS)
    assert signature.dtype == np.uint32
    assert (signature[0] == signature[1]).all()
    assert abs((signature[0] == signature[2]).mean() - 400 / 600) < 0.15
    assert (signature[0] == signature[3]).mean() < 0.1
    assert (signature[4] == np.iinfo(np.uint32).max).all()
    assert (signature == signatures([one, one, other, one, EMPTY]))[[0, 1, 2, 4]].all()


def test_near_duplicates_are_one_cluster() -> None:
    """Two documents of similarity 0.9 and more are joined under the lower number; strangers are not."""
    shared = some(1000)
    sets = [some(1000), mixed(shared, 20), some(1000), mixed(shared, 20), mixed(shared, 5), some(30)]
    assert clusters(signatures(sets)).tolist() == [0, 1, 2, 1, 1, 5]


def test_documents_without_seeds_stay_alone() -> None:
    """That two documents have nothing does not make them alike."""
    assert clusters(signatures([EMPTY, EMPTY, some(50), EMPTY])).tolist() == [0, 1, 2, 3]
    assert clusters(signatures([EMPTY])).tolist() == [0]
    assert clusters(signatures([])).tolist() == []


def test_what_the_manifest_says() -> None:
    """The scheme is told, so that signatures of another one are not compared; bands share out all places."""
    told = describe()
    assert told["scheme"] == "affine32"
    assert told["bands"] * told["rows"] == told["permutations"] == PERMUTATIONS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=BANDS, max_size=BANDS), min_size=1, max_size=12))
def test_a_cluster_is_what_bands_join(rows: list[list[int]]) -> None:
    """Documents are in one cluster just where a chain of documents that agree in a band joins them."""
    signature = np.repeat(np.array(rows, dtype=np.uint32), ROWS, axis=1)
    assert bands(signature).shape == (len(rows), BANDS)
    expected = list(range(len(rows)))
    for _ in rows:
        for i, one in enumerate(rows):
            for j, other in enumerate(rows):
                if any(a == b for a, b in zip(one, other, strict=True)):
                    expected[i] = expected[j] = min(expected[i], expected[j])
    assert clusters(signature).tolist() == expected


def test_a_band_that_differs_in_one_row_does_not_join() -> None:
    """Seven equal rows of eight are not a band."""
    one = RANDOM.integers(0, 2**32 - 1, (1, PERMUTATIONS), dtype=np.uint32)
    other = one.copy()
    other[0, ::ROWS] ^= 1
    both = np.concatenate([one, other])
    assert not (bands(one) == bands(other)).any()
    assert clusters(both).tolist() == [0, 1]
    other[0, 0] ^= 1
    assert clusters(np.concatenate([one, other])).tolist() == [0, 0]


def test_a_large_set_is_the_union_of_its_parts() -> None:
    """A set that is looked at in parts has the least of each place of theirs."""
    large = some(40_000)
    halves = signatures([large[:16_384], large[16_384:32_768], large[32_768:]])
    assert (signatures([large])[0] == halves.min(axis=0)).all()
