"""Streamed chat answers: what is sent when, blocks, and counts."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects.shapes import Frame
from proxy.types import Cleared
from tests.dialects.chunks import ROLE, STOPPED, chunk, say, stream
from tests.dialects.driving import drive


def test_held_text_goes_out_before_the_finish() -> None:
    """The text that a guard lets go at its finish makes a frame of its own, before that of the finish."""
    frames = drive(stream(), [say(ROLE), say({"content": "Hello"}, finish="stop")], hold=9)
    said = [(f.data["choices"][0]["delta"], f.data["choices"][0]["finish_reason"]) for f in frames]
    assert said == [(ROLE, None), ({"content": "Hello"}, None), ({}, "stop")]


def blocked(frame: Frame) -> dict[str, Any]:
    choice: dict[str, Any] = frame.data["choices"][0]
    return choice


def test_a_block_ends_its_choice() -> None:
    """A block sends the cleared text, then the refusal, and nothing of what the upstream says later."""
    answer = stream(2)
    answer.write(answer.read(chunk({"index": 0, "delta": ROLE}, {"index": 1, "delta": ROLE})), {})
    reading = answer.read(say({"content": "Hello secret"}, finish="stop"))
    frames = answer.write(reading, {(0, "content"): Cleared("Hello")}, {0: "inc-1"})
    assert blocked(frames[0])["delta"] == {"content": "Hello"}
    assert blocked(frames[1]) == {
        "index": 0,
        "delta": {"refusal": STOPPED},
        "logprobs": None,
        "finish_reason": "content_filter",
        "content_filter_results": {
            "protected_material_text": {"detected": True, "filtered": True},
            "personally_identifiable_information": {"detected": True, "filtered": True},
        },
    }
    assert len(frames) == 2, "the upstream's own finish stays behind"
    assert not answer.over
    late = answer.read(say({"content": "secret", "tool_calls": [{"index": 0}]}, finish="stop"))
    assert (list(late.deltas), list(late.ended), list(late.dropped)) == ([], [], ["after_finish"])
    assert answer.write(late, {}) == []
    answer.write(answer.read(say({"content": "x"}, 1)), {}, {1: "inc-2"})
    assert answer.over


def test_the_usage_of_a_finished_answer_is_passed_on() -> None:
    """Counts come through, numbers of known names only; ``over`` does not close before them."""
    usage = {
        "prompt_tokens": 1, "completion_tokens": 2.0, "total_tokens": True, "note": "secret",
        "completion_tokens_details": {"reasoning_tokens": 1, "secret": 2, "text": "secret"},
    }  # fmt: skip
    answer = stream()
    assert drive(answer, [say({"content": "a"}, finish="stop")])
    assert not answer.over
    reading = answer.read(chunk(usage=usage))
    (frame,) = answer.write(reading, {})
    assert frame.data["choices"] == []
    assert frame.data["usage"] == {
        "prompt_tokens": 1, "completion_tokens": 2.0, "completion_tokens_details": {"reasoning_tokens": 1},
    }  # fmt: skip
    assert list(reading.dropped) == ["usage"]


def test_usage_with_every_chunk_makes_no_frames_of_its_own() -> None:
    """Counts that come with held text wait; those that come with the finish go out on its frame."""
    answer = stream()
    answer.write(answer.read(say(ROLE)), {})
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert answer.write(answer.read(say({"content": "a"}) | {"usage": usage}), {}) == []
    (frame,) = answer.write(answer.read(say({}, finish="stop") | {"usage": usage}), {})
    assert frame.data["usage"] == usage


def test_text_for_a_choice_that_is_over_is_refused() -> None:
    """A relay that gives text after the finish, or for a choice that never began, is wrong."""
    answer = stream(2)
    drive(answer, [say({"content": "a"}, finish="stop")])
    for index in (0, 1):
        with pytest.raises(ValueError, match="choice"):
            answer.write(None, {(index, "content"): Cleared("b")})
