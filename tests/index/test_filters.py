"""Sets of grams: nothing that was put in is ever missed, and strangers are rare."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.index.filters import BloomFilter, GramSet, Postings
from tests.columns import column
from tests.memory_index import KEY

GRAMS = st.lists(
    st.integers(min_value=0, max_value=2**32).map(lambda n: n * 0x9E3779B97F4A7C15 % 2**64),
    max_size=200,
    unique=True,
)
"""Spread like hashes: grams that agree in their first 32 bits and more do not come up by chance."""


@given(GRAMS)
def test_bloom_never_misses(grams: list[int]) -> None:
    """Every gram that was put in is selected, one by one and in bulk."""
    words = BloomFilter.empty(len(grams))
    BloomFilter.add(words, np.array(grams, dtype=np.uint64))
    bloom = BloomFilter(words)
    assert bloom.select(grams) == list(range(len(grams)))
    assert all(map(bloom.contains, grams))


@given(GRAMS, GRAMS)
def test_set_is_exact(grams: list[int], others: list[int]) -> None:
    """The sorted set knows its members and no one else (32-bit remainders: chance nil here)."""
    known = GramSet(*GramSet.build(np.sort(np.array(grams, dtype=np.uint64))))
    assert len(known) == len(grams)
    assert all(map(known.contains, grams))
    assert [known.contains(other) for other in others] == [other in set(grams) for other in others]


def test_strangers_are_rare_at_size() -> None:
    """With 200,000 grams: about one stranger in a hundred in the filter, none in the set."""
    random = np.random.default_rng(7)
    grams = np.unique(random.integers(0, 2**64, 200_000, dtype=np.uint64))
    strangers = random.integers(0, 2**64, 100_000, dtype=np.uint64).tolist()
    words = BloomFilter.empty(len(grams))
    BloomFilter.add(words, grams)
    assert len(BloomFilter(words).select(strangers)) / len(strangers) < 0.02
    assert words.nbytes / len(grams) < 1.6
    starts, remainders = GramSet.build(grams)
    known = GramSet(starts, remainders)
    assert sum(map(known.contains, strangers)) == 0
    assert (starts.nbytes + remainders.nbytes) / len(grams) < 4.6


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(min_value=0, max_value=30), st.integers(min_value=0, max_value=999))),
    st.integers(min_value=1, max_value=5),
)
def test_postings_give_the_first_places_in_order(pairs: list[tuple[int, int]], most: int) -> None:
    """All places of a rare gram, the first ones of a common gram, and a count of the common ones."""
    pairs = sorted(set(pairs))
    grams = np.array([gram * 0x9E3779B97F4A7C15 % 2**64 for gram, _ in pairs], dtype=np.uint64)
    places = np.array([place for _, place in pairs], dtype=np.uint32)
    starts, remainders, kept, common = Postings.build(grams, places, most)
    table = Postings(starts, remainders, column(kept, KEY))
    for gram in range(31):
        expected = [place for g, place in pairs if g == gram]
        assert list(table.places(gram * 0x9E3779B97F4A7C15 % 2**64)) == expected[:most]
    counts = np.unique([gram for gram, _ in pairs], return_counts=True)[1]
    assert common == int((counts > most).sum())


def test_empty_sets_contain_nothing() -> None:
    """Sets without members answer no, and do not fail."""
    none = np.zeros(0, np.uint64)
    assert not GramSet(*GramSet.build(none)).contains(5)
    assert not BloomFilter(BloomFilter.empty(0)).contains(5)
    starts, remainders, kept, _ = Postings.build(none, np.zeros(0, np.uint32), 3)
    assert not Postings(starts, remainders, column(kept, KEY)).places(5)
