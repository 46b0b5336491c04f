"""Fuzz: whatever a model's server or a caller sends, nothing crashes, nothing uncleared leaves.

Answers are made of the pieces of real ones: cut, repeated, mixed up, with members changed for values of every
kind. The dialects read them, guards that let all go are between, and what they write is looked at: a marked
text may be written only where a guard has let it go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects import DIALECTS
from proxy.errors import RequestError, UpstreamError
from proxy.sse import SseParser
from proxy.types import Cleared
from tests.e2e.replies import STREAMED, WHOLE, asked
from tests.e2e.surface import PLACES, leaves

MARK = "MARKED-TEXT"
"""Text that looks like an id, or like the name of a model: those are doors as well."""
ENDPOINTS = tuple(PLACES)
endpoints = pytest.mark.parametrize("endpoint", ENDPOINTS)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 300)
    | st.floats()
    | st.sampled_from(["", "a", MARK, "response.completed", "message", "function_call", "stop", "index"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "type", "text"]), inner, max_size=3)
    ),
    max_leaves=6,
)
paths = st.lists(st.integers(0, 12), min_size=1, max_size=6)
changes = st.lists(st.tuples(paths, values | st.just("delete")), max_size=4)


def changed(value: Any, path: list[int], to: Any) -> Any:
    """A copy with one member, found by walking the numbers of a path, changed or left out."""
    if not path or not isinstance(value, (dict, list)) or not value:
        return to
    names = list(value) if isinstance(value, dict) else list(range(len(value)))
    name = names[path[0] % len(names)]
    made = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and to == "delete":
        del made[name]
    else:
        made[name] = changed(made[name], path[1:], to)
    return made


def sample(endpoint: str, stream: bool, numbers: list[int]) -> Any:
    """A whole answer, or the events of a streamed one, with marked text in some place."""
    places = list(PLACES[endpoint].values())
    place = places[numbers[0] % len(places)]
    texts = [MARK] * (1 + numbers[1] % 2)
    return list(STREAMED[endpoint](place, texts)) if stream else WHOLE[endpoint](place, texts)


def request(endpoint: str, stream: bool) -> Any:
    place = next(iter(PLACES[endpoint].values()))
    return DIALECTS[endpoint](asked(endpoint, place, 2, stream), allow_logprobs=True)


def lower(text: str) -> str:
    """What a guard lets go of a text: here its letters made small, so that uncleared text is told apart."""
    return text.lower()


def clean(made: object) -> bool:
    return not any(MARK in text for text in leaves(made))


@endpoints
@given(numbers=st.lists(st.integers(0, 50), min_size=2, max_size=2), edits=changes)
@settings(max_examples=150)
def test_whole_answers(endpoint: str, numbers: list[int], edits: list[Any]) -> None:
    """Any body is read, or refused in our words; nothing is written that was not let go."""
    body = sample(endpoint, False, numbers)
    for path, to in edits:
        body = changed(body, path, to)
    try:
        answer = request(endpoint, False).whole(body, "ours", "Stopped.")
    except UpstreamError as error:
        assert MARK not in str(error)
        return
    texts: dict[Any, Cleared] = {}
    for delta in answer.deltas:
        channel = (delta.choice, delta.channel)
        texts[channel] = Cleared(texts.get(channel, "") + lower(delta.text))
    assert clean(answer.write(texts))
    assert clean(request(endpoint, False).whole(body, "ours", "Stopped.").write({}))
    for choice in {channel[0] for channel in texts}:
        stopped = request(endpoint, False).whole(body, "ours", "Stopped.").write(texts, {choice: "inc_1"})
        assert clean(stopped)
        assert "inc_1" in str(stopped)


@endpoints
@given(
    numbers=st.lists(st.integers(0, 50), min_size=2, max_size=2),
    edits=st.lists(st.tuples(st.integers(0, 40), paths, values | st.just("delete")), max_size=4),
    order=st.lists(st.integers(0, 40), max_size=4),
    block=st.integers(-1, 30),
    hold=st.booleans(),
)
@settings(max_examples=150)
def test_streamed_answers(
    endpoint: str, numbers: list[int], edits: list[Any], order: list[int], block: int, hold: bool
) -> None:
    """Any events, repeated and in any order, with text held or not, and a block at any place."""
    events = sample(endpoint, True, numbers)
    for place, path, to in edits:
        events[place % len(events)] = changed(events[place % len(events)], path, to)
    for place in order:
        events.insert(place % len(events), events[(place * 7) % len(events)])
    answer = request(endpoint, True).streamed("ours", "Stopped.")
    held: dict[Any, str] = {}
    ended: set[Any] = set()
    stopped: set[int] = set()
    for number, event in enumerate([*events, None]):
        try:
            reading = answer.cut() if event is None else answer.read(event)
        except UpstreamError as error:
            assert MARK not in str(error)
            assert clean(answer.failed(str(error), "upstream_error", "server_error").data)
            return
        texts: dict[Any, Cleared] = {}
        for delta in reading.deltas:
            channel = (delta.choice, delta.channel)
            assert channel not in ended, "text for a channel that has ended"
            held[channel] = held.get(channel, "") + delta.text
        for channel in list(held):
            if channel[0] in stopped:
                del held[channel]
            elif not hold or channel in reading.ended:
                texts[channel] = Cleared(lower(held.pop(channel)))
        ended |= set(reading.ended)
        blocked = None
        if number == block and reading.deltas:
            blocked = {reading.deltas[0].choice: "inc_1"}
        frames = answer.write(reading, texts, blocked)
        stopped |= set(blocked or ())
        assert all(clean(frame.data) for frame in frames)
        orjson.dumps([frame.data for frame in frames])
        if answer.over:
            return


@given(
    pieces=st.lists(st.binary(max_size=40) | st.sampled_from([b"data: ", b"\n", b"\r\n", b":", b"[DONE]"]))
)
@settings(max_examples=300)
def test_bytes(pieces: list[bytes]) -> None:
    """Any bytes are events or an error, and the same whatever their cutting."""

    def read(cut: list[bytes]) -> Any:
        parser, events = SseParser(4096), []
        try:
            for piece in cut:
                events += parser.feed(piece)
            return events + parser.finish(), ""
        except UpstreamError as error:
            return events, str(error)

    data = b"".join(pieces)
    assert read(pieces) == read([data]) == read([bytes([each]) for each in data])


BODIES: dict[str, Callable[[], Any]] = {
    endpoint: (lambda endpoint=endpoint: asked(endpoint, next(iter(PLACES[endpoint].values())), 2, True))
    for endpoint in ENDPOINTS
} | {"/embeddings": lambda: {"model": "m", "input": ["a", "b"], "encoding_format": "float"}}


@pytest.mark.parametrize("endpoint", BODIES)
@given(edits=changes, more=st.dictionaries(st.text(max_size=8), values, max_size=3))
@settings(max_examples=150)
def test_requests(endpoint: str, edits: list[Any], more: dict[str, Any]) -> None:
    """Any body is a request or refused in our words; whatever is asked of a request has an answer."""
    body = BODIES[endpoint]() | more
    for path, to in edits:
        body = changed(body, path, to)
    try:
        made = DIALECTS[endpoint](body, allow_logprobs=False)
    except RequestError as error:
        assert MARK not in str(error)
        return
    made.own_words(("system", "developer", "user", "tool", "function"))
    assert 1 <= made.choices <= 8192
    assert isinstance(made.stream, bool)
