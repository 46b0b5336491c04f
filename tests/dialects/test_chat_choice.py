"""One choice of a streamed chat answer: its channels and their order, its role, the heads of its calls."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.types import Cleared, Delta
from tests.dialects.chunks import ROLE, call, say, stream
from tests.dialects.driving import unsealed


def test_what_is_held_sends_nothing() -> None:
    """The role goes out at once; after that a chunk whose text is held makes no frame."""
    answer = stream()
    first = answer.write(answer.read(say(ROLE)), {})
    assert [frame.data["choices"][0]["delta"] for frame in first] == [ROLE]
    assert answer.write(answer.read(say({"content": "a"})), {}) == []
    assert answer.write(answer.read(say({})), {}) == []
    later = answer.write(None, {(0, "content"): Cleared("a")})
    assert [frame.data["choices"][0]["delta"] for frame in later] == [{"content": "a"}]


def test_reasoning_goes_out_before_the_answer() -> None:
    """The held tail of the reasoning is sent when the answer begins; reasoning after that stays behind."""
    answer = stream()
    chunks = [say({"reasoning_content": "Hm"}), say({"content": "a"}), say({"reasoning_content": "late"})]
    readings = [answer.read(part) for part in chunks]
    assert [list(reading.ended) for reading in readings] == [[], [(0, "reasoning_content")], []]
    assert list(readings[2].deltas) == []
    assert list(readings[2].dropped) == ["reasoning.late"]


def test_a_call_is_not_begun_before_its_name_is_cleared() -> None:
    """Id and name of a call stay behind until the whole name has been let go."""
    answer = stream()
    answer.write(answer.read(say(ROLE)), {})
    reading = answer.read(say(call(id="call_a", name="fi")))
    assert answer.write(reading, {(0, "tool:0:name"): Cleared("f")}) == []
    reading = answer.read(say(call(arguments="{")))
    assert reading.ended == [(0, "tool:0:name")]
    (frame,) = answer.write(reading, {(0, "tool:0:name"): Cleared("i")})
    head = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "fi", "arguments": ""}}
    assert unsealed(frame.data["choices"][0]["delta"]) == {"tool_calls": [head]}


def test_nothing_is_read_after_the_finish() -> None:
    """Text after the upstream's own finish stays behind: its guard has been finished."""
    answer = stream()
    answer.read(say({"content": "a"}, finish="stop"))
    late = answer.read(say({"content": "b"}, finish="stop"))
    assert (list(late.deltas), list(late.ended), list(late.dropped)) == ([], [], ["after_finish"])


def test_arguments_before_their_name_are_refused() -> None:
    """A relay that does not finish the name's guard cannot send arguments without a head."""
    answer = stream()
    answer.write(answer.read(say(call(name="f"))), {})
    with pytest.raises(ValueError, match="name"):
        answer.write(None, {(0, "tool:0:arguments"): Cleared("{")})


def test_deltas_name_every_channel() -> None:
    """Each text of a chunk has its channel, reasoning first, in the order in which it was made."""
    delta: dict[str, Any] = {"content": "c", "reasoning_content": "r", "reasoning": "s", "refusal": "x"}
    delta |= {"tool_calls": [{"index": 3, "function": {"name": "f", "arguments": "{}"}}]}
    delta |= {"function_call": {"name": "g", "arguments": "[]"}}
    assert list(stream().read(say(delta)).deltas) == [
        Delta(0, "reasoning_content", "r"), Delta(0, "reasoning", "s"), Delta(0, "content", "c"),
        Delta(0, "refusal", "x"), Delta(0, "tool:3:name", "f"), Delta(0, "tool:3:arguments", "{}"),
        Delta(0, "function:name", "g"), Delta(0, "function:arguments", "[]"),
    ]  # fmt: skip
