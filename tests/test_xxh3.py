"""XXH3 with numpy: the digests of the xxhash library, whatever the bytes and the seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from proxy.xxh3 import rows, windows

SEEDS = st.integers(min_value=0, max_value=(1 << 64) - 1)
UNITS = st.lists(st.integers(min_value=0, max_value=(1 << 32) - 1), max_size=60)


@given(UNITS, SEEDS)
def test_windows_are_the_librarys_digests(units: list[int], seed: int) -> None:
    """Each window of twelve units hashes as the library hashes its bytes; fewer units have none."""
    codes = np.array(units, dtype=np.uint32)
    encoded = codes.astype("<u4").tobytes()
    expected = [xxh3_64_intdigest(encoded[i : i + 48], seed) for i in range(0, len(encoded) - 47, 4)]
    assert windows(codes, seed).tolist() == expected


@given(st.lists(UNITS.filter(lambda row: len(row) >= 12), max_size=5), SEEDS)
def test_rows_are_the_librarys_digests(lists: list[list[int]], seed: int) -> None:
    """Each row of twelve units hashes as the library hashes its bytes."""
    made = np.array([row[:12] for row in lists], dtype=np.uint32).reshape(len(lists), 12)
    expected = [xxh3_64_intdigest(row.astype("<u4").tobytes(), seed) for row in made]
    assert rows(made, seed).tolist() == expected


def test_long_texts_have_no_seams() -> None:
    """Texts of several blocks, with units of all widths, hash at every seam as anywhere."""
    codes = (np.arange(40_000, dtype=np.uint64) * 2654435761 % (1 << 32)).astype(np.uint32)
    encoded = codes.astype("<u4").tobytes()
    made = windows(codes, 77)
    assert len(made) == 40_000 - 11
    for at in (0, 8191, 8192, 16_383, 16_384, 39_988):
        assert made[at] == xxh3_64_intdigest(encoded[4 * at : 4 * at + 48], 77)
