"""The numbered choices of an answer, as chat and text completions have them.

May import: the ground floor and this room. The rule that must stay true: no text goes to a choice that is
over, or that the upstream has not begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

from proxy.dialects import fields
from proxy.dialects.shapes import Channel
from proxy.types import Cleared


class _Choice(Protocol):
    over: bool
    """The caller has got its finish."""


_AChoice = TypeVar("_AChoice", bound=_Choice)


def read_choice(
    raw: object, known: frozenset[str], asked: int, dropped: list[str]
) -> tuple[int, dict[str, Any]]:
    """The number of a choice, and its members. ``known``: those that are read; ``asked``: for how many."""
    member = fields.mapping(raw, "a choice")
    fields.left_behind(member, known, dropped)
    return fields.choice_index(member, asked), member


def whole_choices(
    answer: Mapping[str, Any], known: frozenset[str], asked: int, dropped: list[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The choices of an answer that came whole: there must be a list, and none in it twice."""
    if not isinstance(answer.get("choices"), list):
        raise fields.unreadable("it has no choices")
    seen: set[int] = set()
    for raw in answer["choices"]:
        index, member = read_choice(raw, known, asked, dropped)
        if index in seen:
            raise fields.unreadable("it has a choice twice")
        seen.add(index)
        yield index, member


def still_open(
    choices: Mapping[int, _AChoice], texts: Mapping[Channel, Cleared]
) -> Iterator[tuple[int, _AChoice, dict[str, Cleared]]]:
    """The choices of a stream that are not over, each with its texts that go out now, by channel.

    Raises ``ValueError`` for a text of any other choice.
    """
    by_choice: dict[int, dict[str, Cleared]] = {}
    for (index, channel), text in texts.items():
        if text:
            by_choice.setdefault(index, {})[channel] = text
    for index, choice in choices.items():
        said = by_choice.pop(index, {})
        if not choice.over:
            yield index, choice, said
        elif said:
            raise ValueError("text for a choice that is over")
    if by_choice:
        raise ValueError("text for a choice that the upstream has not begun")


def all_over(choices: Mapping[int, _AChoice], asked: int) -> bool:
    """Whether every choice that was asked for has begun and is over."""
    return len(choices) == asked and all(choice.over for choice in choices.values())
