"""What waits of a stream, for how long, and that its texts keep their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.server.gather import MOST, Gather
from proxy.types import Delta

PIECES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["content", "refusal"]),
        st.text("abc", min_size=1, max_size=40),
        st.floats(0, 0.1),
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


@given(PIECES, st.sampled_from([0.0, 0.05]))
def test_nothing_is_lost_and_the_order_stays(
    pieces: list[tuple[int, str, str, float, bool]], seconds: float
) -> None:
    """Whatever comes, each choice says the same in the same order, and what waits is bounded."""
    gather, now = Gather(seconds), 0.0
    came: list[Delta] = []
    went: list[Delta] = []
    for choice, channel, text, passed, ends in pieces:
        now += passed
        delta = Delta(choice, channel, text)
        came.append(delta)
        went += gather.add([delta], [(choice, channel)] if ends else [], now)
        waiting = sum(map(len, said(came).values())) - sum(map(len, said(went).values()))
        assert waiting < 3 * MOST
        assert gather.waits == (waiting > 0)
        if ends:
            assert said(came)[choice] == said(went)[choice]
    went += gather.rest()
    assert said(came) == said(went)
    assert not gather.waits


def test_the_first_piece_of_a_channel_does_not_wait() -> None:
    """The first token is delivered as soon as without it."""
    gather = Gather(0.05)
    assert gather.add([Delta(0, "content", "Hel")], (), 0.0) == [Delta(0, "content", "Hel")]
    assert gather.add([Delta(0, "content", "lo")], (), 0.01) == []
    assert gather.add([Delta(1, "content", "Yes")], (), 0.01) == [Delta(1, "content", "Yes")]


def test_pieces_wait_until_the_oldest_has_waited_long_enough() -> None:
    """A piece that comes after the time takes those that wait with it."""
    gather = Gather(0.05)
    gather.add([Delta(0, "content", "a")], (), 0.0)
    assert not gather.add([Delta(0, "content", "b")], (), 0.02)
    assert not gather.add([Delta(0, "content", "c")], (), 0.04)
    assert gather.add([Delta(0, "content", "d")], (), 0.07) == [Delta(0, "content", "bcd")]


def test_many_characters_do_not_wait() -> None:
    """A model that is quick fills the room before the time is over."""
    gather = Gather(0.05)
    gather.add([Delta(0, "content", "a")], (), 0.0)
    assert gather.add([Delta(0, "content", "b" * MOST)], (), 0.0) == [Delta(0, "content", "b" * MOST)]


def test_another_channel_of_the_choice_takes_what_waits_with_it() -> None:
    """What was said first is guarded first, though it is said elsewhere."""
    gather = Gather(0.05)
    gather.add([Delta(0, "content", "a")], (), 0.0)
    gather.add([Delta(0, "content", "b")], (), 0.0)
    ready = gather.add([Delta(0, "refusal", "c")], (), 0.0)
    assert ready == [Delta(0, "content", "b"), Delta(0, "refusal", "c")]
