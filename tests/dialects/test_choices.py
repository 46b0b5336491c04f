"""The choices of an answer: read by number, whole or in a stream, and text only for those that are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from proxy.dialects.choices import all_over, read_choice, still_open, whole_choices
from proxy.errors import UpstreamError
from proxy.types import Cleared

KNOWN = frozenset({"index", "text"})


@dataclass(slots=True)
class Open:
    over: bool = False


def whole(body: dict[str, Any], dropped: list[str] | None = None) -> dict[int, Any]:
    return dict(whole_choices(body, KNOWN, 2, [] if dropped is None else dropped))


def test_choices_of_a_whole_answer() -> None:
    """Each by its number, whatever their order; the first where it names none; the rest is told by name."""
    dropped: list[str] = []
    given = [{"index": 1, "text": "b", "stop_reason": 7}, {"text": "a"}]
    assert whole({"choices": given}, dropped) == {1: given[0], 0: given[1]}
    assert dropped == ["stop_reason"]


@pytest.mark.parametrize(
    "body",
    [{}, {"choices": None}, {"choices": {}}, {"choices": ["a"]}, {"choices": [{"index": 2}]},
     {"choices": [{"index": 0}, {"index": 1}, {"index": 0}]}],
)  # fmt: skip
def test_a_whole_answer_that_cannot_be_read(body: dict[str, Any]) -> None:
    """No list, a choice that was not asked for, or one that is there twice."""
    with pytest.raises(UpstreamError):
        whole(body)


def test_a_choice_of_a_stream_may_come_again() -> None:
    """Its pieces have one number; ``null`` is a choice without members."""
    assert [read_choice(raw, KNOWN, 1, [])[0] for raw in ({"text": "a"}, {"text": "b"}, None)] == [0, 0, 0]


def test_open_choices_and_their_texts() -> None:
    """Every choice that is not over, with what it says, and without what says nothing."""
    choices = {0: Open(), 1: Open(over=True), 2: Open()}
    texts = {(2, "content"): Cleared("a"), (2, "refusal"): Cleared("b"), (1, "content"): Cleared("")}
    assert [(index, said) for index, _, said in still_open(choices, texts)] == [
        (0, {}),
        (2, {"content": "a", "refusal": "b"}),
    ]


@pytest.mark.parametrize(("index", "why"), [(1, "over"), (7, "not begun")])
def test_text_for_no_open_choice(index: int, why: str) -> None:
    """A relay that has such a text is wrong, and is told so."""
    with pytest.raises(ValueError, match=why):
        list(still_open({0: Open(), 1: Open(over=True)}, {(index, "content"): Cleared("a")}))


def test_all_over() -> None:
    """Only when as many as were asked for have begun, and none is open."""
    assert not all_over({0: Open(over=True)}, 2)
    assert not all_over({0: Open(over=True), 1: Open()}, 2)
    assert all_over({0: Open(over=True), 1: Open(over=True)}, 2)
