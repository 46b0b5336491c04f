"""What waits of the pieces that came together, and that its texts keep their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.server.gather import MOST, Gather
from proxy.types import Delta

PIECES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["content", "refusal"]),
        st.text("abc", min_size=1, max_size=40).map(lambda text: text * 20),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)


def said(deltas: list[Delta]) -> dict[int, list[tuple[str, str]]]:
    """What each choice says, character by character with its channel."""
    out: dict[int, list[tuple[str, str]]] = {}
    for delta in deltas:
        out.setdefault(delta.choice, []).extend((delta.channel, each) for each in delta.text)
    return out


@given(PIECES)
def test_nothing_is_lost_and_the_order_stays(pieces: list[tuple[int, str, str, bool, bool]]) -> None:
    """Whatever comes, each choice says the same in the same order, and what waits is bounded."""
    gather = Gather()
    came: list[Delta] = []
    went: list[Delta] = []
    for choice, channel, text, ends, over in pieces:
        delta = Delta(choice, channel, text)
        came.append(delta)
        went += gather.add([delta], [(choice, channel)] if ends else [])
        if over:
            went += gather.rest()
        waiting = sum(map(len, said(came).values())) - sum(map(len, said(went).values()))
        assert waiting < 3 * MOST
        assert gather.waits == (waiting > 0)
        if ends:
            assert said(came)[choice] == said(went)[choice]
    went += gather.rest()
    assert said(came) == said(went)
    assert not gather.waits


def test_pieces_that_follow_each_other_are_one() -> None:
    """The texts of a choice and channel are joined, each choice by itself."""
    gather = Gather()
    for text in ("Hel", "lo ", "you"):
        assert gather.add([Delta(0, "content", text), Delta(1, "content", text.upper())], ()) == []
    assert gather.rest() == [Delta(0, "content", "Hello you"), Delta(1, "content", "HELLO YOU")]


def test_many_characters_do_not_wait() -> None:
    """A guard is not given more than it can read while others wait."""
    gather = Gather()
    gather.add([Delta(0, "content", "a")], ())
    ready = gather.add([Delta(0, "content", "b" * MOST)], ())
    assert ready == [Delta(0, "content", "a" + "b" * MOST)]
    assert not gather.waits


def test_another_channel_of_the_choice_takes_what_waits_with_it() -> None:
    """What was said first is guarded first, though it is said elsewhere."""
    gather = Gather()
    gather.add([Delta(0, "content", "b")], ())
    assert gather.add([Delta(0, "refusal", "c")], ()) == [Delta(0, "content", "b")]
    assert gather.add((), [(0, "refusal")]) == [Delta(0, "refusal", "c")]
