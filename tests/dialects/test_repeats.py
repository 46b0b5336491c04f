"""Chunks of one form: told without reading them, and only where reading them would say the same."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.repeats import Repeats
from tests.dialects.chunks import stream

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ['"', "\\", '\\"', '","x":"', 'a"},"b":{"c":"', "\n", "content", "index", "m", "chatcmpl-1", "\ud83d"]
    ),
)
ENDS = st.sampled_from(
    [
        {},
        {},
        {},
        {"finish_reason": None},
        {"finish_reason": "stop"},
        {"logprobs": None},
        {"text": "more"},
    ]
)
MORE = st.sampled_from(
    [{}, {}, {}, {"usage": None}, {"usage": {"prompt_tokens": 1}}, {"system_fingerprint": "fp_1"}]
)


def chunk(text: object, index: int = 0, end: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": index, "delta": {"content": text}, **(end or {})}],
        **more,
    }


def written(value: object, style: int) -> str:
    """JSON as three servers write it."""
    if style == 0:
        return orjson.dumps(value).decode()
    return json.dumps(value, ensure_ascii=style == 1)


@given(
    st.lists(st.tuples(TEXTS, st.sampled_from([0, 0, 0, 1, 2]), ENDS, MORE), max_size=40),
    st.integers(0, 2),
)
def test_a_stream_reads_the_same(
    chunks: list[tuple[str, int, dict[str, Any], dict[str, Any]]], style: int
) -> None:
    """Whatever comes, in whatever order, each chunk is read as it is without the short way."""
    quick, slow = stream(3), stream(3)
    for text, index, end, more in chunks:
        try:
            data = written(chunk(text, index, end, **more), style)
            parsed = orjson.loads(data)
        except (orjson.JSONDecodeError, TypeError, ValueError):
            continue  # half a surrogate pair, which no server can send
        mine = quick.read_again(data) or quick.read(orjson.loads(data))
        theirs = slow.read(parsed)
        assert (list(mine.deltas), list(mine.ended), list(mine.dropped)) == (
            list(theirs.deltas),
            list(theirs.ended),
            list(theirs.dropped),
        )
        assert mine.rest == theirs.rest
        assert quick.write(mine, {}) == slow.write(theirs, {})


def test_choices_that_take_turns() -> None:
    """Each text is told of its own choice, however often they take turns and for however long."""
    answer = stream(3)
    turns = [turn // 3 % 3 for turn in range(60)] + [turn * 7 % 3 for turn in range(30)]
    for turn, index in enumerate(turns):
        data = written(chunk(f"piece {turn}", index), 0)
        reading = answer.read_again(data) or answer.read(orjson.loads(data))
        assert [(delta.choice, delta.text) for delta in reading.deltas] == [(index, f"piece {turn}")]


def test_the_second_chunk_of_a_form_is_not_parsed() -> None:
    """The short way is taken at all."""
    answer = stream()
    for text in ("Hel", "lo"):
        data = written(chunk(text), 0)
        assert answer.read_again(data) is None
        answer.read(orjson.loads(data))
    text = ' "you" 退\n'
    again = answer.read_again(written(chunk(text), 0))
    assert again is not None
    assert [(delta.choice, delta.channel, delta.text) for delta in again.deltas] == [(0, "content", text)]


@pytest.mark.parametrize(
    "data",
    [
        '{"a":"x","b":"y"}',
        '{"a":"x","b":"',
        '{"a":"","b":1}',
        '{"a":"x\x01","b":1}',
        '{"a":"x"," b":1}',
        '{"a":"x","c":"z","b":1}',
        '{"a":1,"b":1}',
        "",
    ],
)
def test_what_is_not_of_the_form(data: str) -> None:
    """Another ending, no string between, none at all: all that is left to the parser."""
    repeats = Repeats()
    repeats._before, repeats._after, repeats._least = '{"a":"', '","b":1}', 15
    assert repeats.text('{"a":"hello","b":1}') == "hello"
    assert repeats.text(data) is None


def test_a_text_that_also_stands_elsewhere_is_not_learned() -> None:
    """Where the text is cannot be told then; the next chunk will show it."""
    repeats = Repeats()
    twice = chunk("m")
    repeats.learn(written(twice, 0), twice, "m")
    assert repeats.text(written(chunk("n"), 0)) is None
    once = chunk("n")
    repeats.learn(written(once, 0), once, "n")
    assert repeats.text(written(chunk("o"), 0)) == "o"


def test_a_literal_that_is_not_the_text_is_not_taken_for_it() -> None:
    """The text is written with an escape, and its plain form is a key of the chunk."""
    said = chunk("index")
    data = written(said, 0).replace('"content":"index"', '"content":"\\u0069ndex"')
    repeats = Repeats()
    repeats.learn(data, said, "index")
    assert repeats.text(data) is None


def test_numbered_chunks_are_given_up() -> None:
    """A server that writes no two chunks alike costs nothing after a while."""
    repeats = Repeats()
    for number in range(20):
        one = chunk(f"text {number}", created=number)
        assert repeats.text(written(one, 0)) is None
        repeats.learn(written(one, 0), one, f"text {number}")
    one = chunk("the same", created=1)
    repeats.learn(written(one, 0), one, "the same")
    assert repeats.text(written(one, 0)) is None
