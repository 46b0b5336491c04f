"""Requests of the demo's endpoint: read, checked, and refused in words a person understands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.demo import MODEL_NAME
from proxy.demo.language_model import Piece
from proxy.demo.wire import DEFAULT_TEMPERATURE, Reply, read_request
from proxy.errors import RequestError


def body(**fields: Any) -> bytes:
    return json.dumps(
        {"model": MODEL_NAME, "messages": [{"role": "user", "content": "hi"}], **fields}
    ).encode()


def test_a_bare_request_gets_defaults() -> None:
    """Model and messages are enough."""
    asked = read_request(body())
    assert (asked.choices, asked.temperature, asked.max_tokens, asked.seed) == (
        1,
        DEFAULT_TEMPERATURE,
        None,
        None,
    )
    assert (asked.tools, asked.stream, asked.include_usage) == (frozenset(), False, False)


def test_every_field_is_read() -> None:
    """What a client may set is taken over; the newer name of the limit goes before the older."""
    tools = [{"type": "function", "function": {"name": "find"}}]
    options = {"include_usage": True}
    asked = read_request(
        body(n=3, temperature=0, max_tokens=9, seed=4, tools=tools, stream=True, stream_options=options)
    )
    assert (asked.choices, asked.temperature, asked.max_tokens, asked.seed) == (3, 0.0, 9, 4)
    assert (asked.tools, asked.stream, asked.include_usage) == (frozenset({"find"}), True, True)
    assert read_request(body(max_tokens=9, max_completion_tokens=5)).max_tokens == 5
    assert read_request(body(tools=tools, tool_choice="none")).tools == frozenset()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0]"),
        ({"n": 0}, "n"),
        ({"n": 99}, "n"),
        ({"n": True}, "n"),
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"seed": "x"}, "seed"),
        ({"tools": {"name": "find"}}, "tools"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    """A field that cannot be served is refused with status 400 and its name."""
    with pytest.raises(RequestError) as caught:
        read_request(body(**fields))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_another_model_is_not_found() -> None:
    """Only the demo's model is served."""
    with pytest.raises(RequestError) as caught:
        read_request(body(model="gpt-4o"))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode) | st.just(b"[" * 100_000))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """No body makes it fail in another way than with ``RequestError``."""
    with pytest.raises(RequestError):
        read_request(raw)


def test_a_plain_answer_joins_its_pieces() -> None:
    """Pieces become the message, its calls and the usage of all choices."""
    words = [Piece("content", "two"), Piece("content", " words"), Piece("finish", "stop")]
    call = [
        Piece("name", "find"),
        Piece("arguments", "{"),
        Piece("arguments", "}"),
        Piece("finish", "tool_calls"),
    ]
    answer = Reply.to(5).whole([words, call])
    first, second = answer["choices"]
    assert (first["message"]["content"], first["finish_reason"]) == ("two words", "stop")
    assert (second["message"]["content"], second["finish_reason"]) == (None, "tool_calls")
    assert second["message"]["tool_calls"][0]["function"] == {"name": "find", "arguments": "{}"}
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
