"""The last units of a stream: seeds, grams and offsets are those of the whole text, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.recent import Recent
from proxy.grams import SEED
from tests.memory_index import KEY, encode

ASKS = st.sampled_from(["nothing", "seeds", "grams", "offsets"])


def offsets_of(text: str) -> list[int]:
    return [at for at, character in enumerate(text) for _ in range(len(encode(character)) // 4)]


@given(
    st.lists(st.tuples(st.text(alphabet="abcdef .退款½", max_size=40), ASKS), max_size=30),
    st.integers(50, 80),
    st.integers(1, 3),
)
def test_all_is_as_of_the_whole_text(pieces: list[tuple[str, str]], keep: int, stride: int) -> None:
    """However the text came and whatever was asked before, the last ``keep`` units are told rightly."""
    recent, text = Recent(KEY, keep, stride), ""
    for piece, asked in pieces:
        before = len(encode(text)) // 4
        fresh = recent.read(piece)
        text += piece
        encoded = encode(text)
        units, seeds = len(encoded) // 4, KEY.seeds(encoded)
        assert (recent.units, recent.position) == (units, len(text))
        ends = range(max(before + 1, SEED), units + 1)
        assert fresh == [seeds[end - SEED] for end in ends if end % stride == 0]
        first = max(0, before - keep)
        if asked == "seeds" and units >= first + SEED:
            assert recent.seeds(first + SEED, units + 1) == seeds[first:]
            assert recent.encoded(first, units) == encoded[first * 4 :]
        elif asked == "grams":
            for length in (SEED, SEED + 1, 20, 24, 25, 49):
                compose = KEY.composer(length)
                for end in range(first + length, units + 1, 7):
                    assert recent.gram(length, end) == compose(seeds, end - SEED)
                    assert recent.seed(end) == seeds[end - SEED]
        elif asked == "offsets":
            expected = offsets_of(text)
            assert recent.offsets(first, units) == expected[first:]
            assert all(recent.offset(unit) == expected[unit] for unit in range(first, units))
            assert recent.first <= first


def test_it_does_not_grow_with_the_stream() -> None:
    """After a long quiet, and after much that was asked, the last units are there and the first are not."""
    piece = "abcdefghi退"
    for asked in ("nothing", "seeds", "offsets"):
        recent = Recent(KEY, 100, 2)
        for _ in range(20_000):
            recent.read(piece)
            if asked != "nothing":
                recent.gram(20, recent.units)
            if asked == "offsets":
                recent.offset(recent.units - 1)
        assert recent.offset(20_000 * 11 - 1) == 199_999
        assert recent.offset(20_000 * 11 - 100) == 199_909
        assert 100 <= recent.units - recent.first < 10_000
        assert len(recent._encoded) < 40_000
        assert len(recent._aside) + len(recent._unplaced) < 10_000
        assert all(len(known) <= 5000 for known in (recent._seeds, *recent._grams.values()))


def test_it_does_not_grow_with_what_has_no_units() -> None:
    """Signs and blanks without end leave nothing behind, and what stood before them is still there."""
    recent = Recent(KEY, 100, 2)
    recent.read("abcdefghijklmnopqrstuvwxyz")
    for _ in range(20_000):
        recent.read(" - ")
    assert (
        recent.read("abcdefghijklm")
        == Recent(KEY, 100, 2).read("abcdefghijklmnopqrstuvwxyzabcdefghijklm")[8:]
    )
    assert len(recent._aside) + len(recent._unplaced) < 10_000
    assert (recent.offset(25), recent.offset(26)) == (25, 60_026)
