"""Tool calls by themselves: numbers, heads, and what may not be said twice."""

from __future__ import annotations

from typing import Any

from proxy.dialects.chat_calls import Calls
from proxy.types import Cleared


def read(calls: Calls, *members: dict[str, Any]) -> tuple[list[tuple[str, str]], list[str]]:
    dropped: list[str] = []
    texts = [text for at, member in enumerate(members) for text in calls.read(member, at, dropped)]
    return texts, dropped


def test_the_head_goes_out_once_and_whole() -> None:
    """The first piece of a call has its id, its type, its name and the arguments so far."""
    calls = Calls()
    read(calls, {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}})
    (call,) = calls
    cleared = {"tool:0:name": Cleared("f"), "tool:0:arguments": Cleared("{")}
    function = {"name": "f", "arguments": "{"}
    assert call.piece(cleared) == {"index": 0, "id": "a", "type": "function", "function": function}
    assert call.piece({}) is None
    assert call.piece({"tool:0:arguments": Cleared("}")}) == {"index": 0, "function": {"arguments": "}"}}


def test_a_call_that_begins_ends_the_names_before_it() -> None:
    """Heads go out in the order in which the calls began."""
    calls = Calls()
    read(calls, {"index": 0, "function": {"name": "f"}})
    assert [call.ready for call in calls] == [False]
    read(calls, {"index": 1, "function": {"name": "g"}})
    assert [call.ready for call in calls] == [True, False]
    calls.end()
    assert [call.ready for call in calls] == [True, True]


def test_an_id_that_is_no_identifier_is_replaced() -> None:
    """A client must be able to answer a call, so one without a usable id gets one of ours."""
    calls = Calls()
    _, dropped = read(calls, {"index": 2, "id": "no id at all", "function": {"name": "f", "arguments": "{}"}})
    (call,) = calls
    piece = call.piece({})
    assert piece is not None
    assert piece["id"] == "call_2"
    assert dropped == ["tool_calls.id"]


def test_a_name_that_comes_too_late_stays_behind() -> None:
    """A name after the arguments have begun is not said: clients would put it behind the first."""
    calls = Calls()
    read(calls, {"index": 0, "function": {"name": "f", "arguments": "{"}})
    texts, dropped = read(calls, {"index": 0, "function": {"name": "f", "arguments": "}"}})
    assert texts == [("tool:0:arguments", "}")]
    assert dropped == ["tool_calls.name"]


def test_calls_without_numbers_go_by_their_ids() -> None:
    """An id that is known continues its call, a new one begins the next."""
    calls = Calls()
    read(calls, {"id": "a", "function": {"name": "f"}}, {"id": "b", "function": {"name": "g"}})
    texts, _ = read(
        calls, {"id": "a", "function": {"arguments": "1"}}, {"id": "c", "function": {"name": "h"}}
    )
    assert texts == [("tool:0:arguments", "1"), ("tool:2:name", "h")]
