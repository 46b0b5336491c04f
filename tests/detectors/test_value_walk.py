"""The walk: which paths are alive, what ends where, and what it is told of."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from proxy.detectors.value_walk import GAP, Ended, Track, Walk, next_places
from proxy.index.values import ValueTrie
from proxy.values import ACTS, GlyphTable
from proxy.values.reading import Glyph, read
from tests.detectors.conformance import cut
from tests.value_index import trie_of


class Listener:
    """Notes what it is told: (character, [(start, end)], [start of what acts])."""

    def __init__(self, *, busy: bool = False) -> None:
        self.busy = busy
        self.told: list[tuple[int, list[tuple[int, int]], list[int]]] = []

    def note(
        self, at: int, glyph: Glyph, ended: Sequence[Ended], acts: Sequence[Track], floor: int, units: int
    ) -> int:
        self.told.append((at, [(each.track[0], each.end) for each in ended], [start for start, _, _ in acts]))
        return floor


def walked(
    trie: ValueTrie, text: str, sizes: Sequence[int] = (1000,)
) -> tuple[list[int], Listener, list[int]]:
    walk, listener = Walk(trie, GlyphTable()), Listener()
    settled = [offset for piece in cut(text, sizes) for offset in walk.feed(piece, listener)]
    return settled, listener, [each.track[0] for each in walk.finish()]


TRIE = trie_of(
    {"a": [[("code", "abcdefgh"), ("code", "abcdefghij"), ("code", "xy12345z"), ("code", "王小明明")]]}
)


def test_what_is_held_is_the_live_prefix() -> None:
    """From the beginning of what may become a value, and no longer."""
    settled, _, _ = walked(TRIE, "no abcx abcd, abce xabc")
    held = [at + 1 - offset for at, offset in enumerate(settled)]
    assert held == [0, 0, 0, 1, 2, 3, 0, 0, 1, 2, 3, 4, 5, 6, 1, 2, 3, 0, 0, 1, 0, 0, 0]


def test_an_end_is_told_with_the_character_that_shows_it() -> None:
    """The next one that is no mark; a letter that goes on shows that there is none."""
    assert walked(TRIE, "abcdefgh. ")[1].told == [(8, [(0, 8)], [])]
    assert walked(TRIE, "abcdefg\u0301h\u0301\u200b. ")[1].told == [(11, [(0, 11)], [])]
    assert walked(TRIE, "abcdefghi ")[1].told == []
    assert walked(TRIE, "abcdefghX")[1].told == [(8, [(0, 8)], [])]
    assert walked(TRIE, "abcdefgh")[2] == [0]
    assert walked(TRIE, "王小明明")[1].told == [(3, [(0, 4)], [])]


@pytest.mark.parametrize("sizes", [(1,), (3,), (9,), (1000,)])
def test_pieces_of_any_size_are_one_text(sizes: Sequence[int]) -> None:
    """Also empty ones, and ones that are short or long enough to be read in another way."""
    text = "say abcdefghij, then ABCDEFGH or xy-12345-Z; and some more words " * 3
    assert walked(TRIE, text, sizes)[0] == walked(TRIE, text)[0]
    assert walked(TRIE, text, sizes)[1].told == walked(TRIE, text)[1].told
    walk, listener = Walk(TRIE, GlyphTable()), Listener()
    assert walk.feed("", listener) == []
    assert walk.feed("ab", listener) == [0, 0]
    assert walk.feed("", listener) == []
    assert walk.position == 2


def test_separators_may_stand_inside_a_value_up_to_a_limit() -> None:
    """Then what was alive is not."""
    assert walked(TRIE, "abcd" + " " * GAP + "efgh.")[1].told
    assert not walked(TRIE, "abcd" + " " * (GAP + 1) + "efgh.")[1].told
    assert walked(TRIE, "abcd" + " " * 500)[0][-1] == 504


def test_a_long_value_is_handed_over() -> None:
    """After its first 64 letters the walk follows it no longer, and holds nothing for it."""
    trie = trie_of({"a": [[("key", "kq" * 60)]]})
    settled, listener, _ = walked(trie, "kq" * 60)
    assert listener.told == [(ACTS - 1, [], [0])]
    assert settled[ACTS - 2] == 0
    assert settled[-1] == 120


def test_characters_of_several_letters_and_readings() -> None:
    """A ligature is its letters, a Chinese numeral itself or its digit."""
    trie = trie_of({"a": [[("code", "affixes1"), ("code", "三元桥二号楼")]]})
    assert walked(trie, "aﬃxes一 ")[1].told == [(5, [(0, 6)], [])]
    assert walked(trie, "三元桥二号楼")[1].told == [(5, [(0, 6)], [])]
    root = trie.root
    assert len(next_places(root, read("三"))) == 1
    assert next_places(root, read("四")) == []


def test_a_busy_listener_hears_every_character() -> None:
    """Else only those at which something ends or acts."""
    walk, listener = Walk(TRIE, GlyphTable()), Listener(busy=True)
    walk.feed("ab c", listener)
    assert [at for at, _, _ in listener.told] == [0, 1, 2, 3]
