"""Raw offsets of units: told for what a look-back needs, whatever was put aside, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.offsets import Offsets
from tests.memory_index import KEY


def encoded(piece: str) -> list[bytes]:
    return [KEY.table[character] for character in piece]


def offsets_of(text: str) -> list[int]:
    return [at for at, units in enumerate(encoded(text)) for _ in range(len(units) // 4)]


@given(st.lists(st.tuples(st.text(alphabet="ab .退½", max_size=30), st.booleans()), max_size=30))
def test_offsets_are_those_of_the_whole_text(pieces: list[tuple[str, bool]]) -> None:
    """Pieces that were put aside and pieces that were read come out in their order, none lost."""
    offsets, text = Offsets(KEY.table, 20), ""
    for piece, matters in pieces:
        start, units = len(text), encoded(piece)
        count = sum(map(len, units)) // 4
        text += piece
        if matters:
            fresh = offsets.read(start, units, count)
            expected = offsets_of(text)
            assert fresh == expected[len(expected) - count :]
            assert offsets.raw == expected[offsets.first :]
            assert all(offsets.of(unit) == raw for unit, raw in enumerate(expected) if unit >= offsets.first)
        else:
            offsets.put_aside(start, piece, count)


def test_it_does_not_grow_with_the_stream() -> None:
    """After a long quiet, and after a long match, the last units are there and the first are not."""
    piece = "abcdefghi退"
    for quiet in (True, False):
        offsets = Offsets(KEY.table, 100)
        for number in range(20_000):
            if quiet and number < 19_999:
                offsets.put_aside(number * 10, piece, 11)
            else:
                offsets.read(number * 10, encoded(piece), 11)
        assert 100 <= len(offsets.raw) < 10_000
        assert offsets.of(20_000 * 11 - 1) == 199_999
        assert offsets.of(20_000 * 11 - 100) == 199_909
