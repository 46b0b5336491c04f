"""The caller's own values: in any form, nested ones too, and of long ones as much as was sent."""

from __future__ import annotations

from proxy.detectors.value_echo import Echo
from proxy.index.values import ValueTrie
from proxy.values import ACTS, GlyphTable, KnownValue
from tests.value_index import trie_of

LONG = "".join(chr(97 + (n * n) % 26) for n in range(300))
TRIE = trie_of(
    {
        "admin": [
            [("person", "Noah Brown"), ("email", "noah.brown7@example.org"), ("place", "Denver")],
            [("key", LONG), ("person", "Ann Li")],
        ]
    }
)


def echo_of(*texts: str, trie: ValueTrie = TRIE) -> Echo:
    echo = Echo()
    for text in texts:
        echo.read(trie, GlyphTable(), text)
    return echo


def named(entity: str) -> KnownValue:
    return next(value for value in map(TRIE.value, range(len(TRIE))) if value.entity == entity)


def test_values_are_found_in_any_form_and_inside_each_other() -> None:
    """An e-mail address holds the name."""
    echo = echo_of("NOAH.BROWN7 at example.org")
    assert echo.has(named("email"), TRIE.root)
    assert echo.has(named("person"), TRIE.root)
    assert not echo.has(named("place"), TRIE.root)
    assert not echo_of("snoah brown").depths


def test_texts_are_read_one_by_one() -> None:
    """None goes on in the next."""
    assert not echo_of("Noah ", "Brown").depths
    assert echo_of("Noah ", "x Brown Noah").depths


def test_a_value_that_is_no_finding_alone_tells_no_record() -> None:
    """The records asked about are those of the others."""
    assert echo_of("Denver, Ann Li").records == set()
    assert echo_of("Noah Brown of Denver").records == {0}


def test_of_a_long_value_as_much_as_was_sent() -> None:
    """In steps of 64 letters: where it may be judged."""
    echo = echo_of(LONG[:200])
    place = TRIE.root
    reached = []
    for depth, letter in enumerate(LONG, 1):
        following = place[letter]
        assert following is not None
        place = following
        if place.ends:
            reached.append((depth, echo.has(named("key"), place)))
    assert reached == [(ACTS, True), (2 * ACTS, True), (3 * ACTS, True), (4 * ACTS, False), (300, False)]
    assert echo_of(LONG).has(named("key"), place)
    assert echo_of(LONG[:60]).depths == {}
