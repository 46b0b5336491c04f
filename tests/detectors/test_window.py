"""The window over the last units: any seed in it, bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.window import SeedWindow
from proxy.grams import SEED
from tests.memory_index import KEY, encode


@given(
    st.lists(st.text(alphabet="abcdef 退款", max_size=40), max_size=30),
    st.integers(20, 60),
    st.integers(1, 3),
)
def test_seeds_are_those_of_the_whole_text(pieces: list[str], keep: int, stride: int) -> None:
    """However the text came, the seeds of the last ``keep`` units are the right ones."""
    window, text = SeedWindow(KEY, keep), ""
    for piece in pieces:
        before = len(encode(text)) // 4
        count, fresh = window.read(encode(piece), stride)
        text += piece
        expected = KEY.seeds(encode(text))
        units = len(encode(text)) // 4
        assert count == units - before
        ends = range(max(before + 1, SEED), units + 1)
        assert fresh == [expected[end - SEED] for end in ends if end % stride == 0]
        assert len(window) == units
        first = max(0, units - keep)
        for index in range(first, units - SEED + 1):
            assert window[index] == expected[index]
        begin = max(SEED, first + SEED)
        assert window.seeds(begin, units + 1, 1) == expected[begin - SEED :]
        assert window.encoded(first, units) == encode(text)[first * 4 :]


def test_it_does_not_grow_with_the_stream() -> None:
    """After a hundred thousand units it keeps about twice what a look-back needs."""
    window = SeedWindow(KEY, 100)
    for _ in range(10_000):
        window.read(encode("abcdefghij"), 2)
    assert len(window._encoded) <= (2 * 100 + 10) * 4
