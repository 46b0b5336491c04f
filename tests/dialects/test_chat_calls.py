"""Tool calls by themselves: numbers, heads, and what may not be said twice."""

from __future__ import annotations

import re
from typing import Any

import pytest

from proxy.dialects.chat_calls import Calls
from proxy.types import Cleared
from tests.dialects.driving import IDS, unsealed


def read(calls: Calls, *members: dict[str, Any]) -> tuple[list[tuple[str, str]], list[str]]:
    dropped: list[str] = []
    texts = [text for at, member in enumerate(members) for text in calls.read(member, at, dropped)]
    return texts, dropped


def test_the_head_goes_out_once_and_whole() -> None:
    """The first piece of a call has its id, its type, its name and the arguments so far."""
    calls = Calls(IDS, 0)
    read(calls, {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}})
    (call,) = calls
    cleared = {"tool:0:name": Cleared("f"), "tool:0:arguments": Cleared("{")}
    function = {"name": "f", "arguments": "{"}
    assert unsealed(call.piece(cleared)) == {"index": 0, "id": "a", "type": "function", "function": function}
    assert call.piece({}) is None
    assert call.piece({"tool:0:arguments": Cleared("}")}) == {"index": 0, "function": {"arguments": "}"}}


def test_a_call_that_begins_ends_the_names_before_it() -> None:
    """Heads go out in the order in which the calls began."""
    calls = Calls(IDS, 0)
    read(calls, {"index": 0, "function": {"name": "f"}})
    assert [call.ready for call in calls] == [False]
    read(calls, {"index": 1, "function": {"name": "g"}})
    assert [call.ready for call in calls] == [True, False]
    calls.end()
    assert [call.ready for call in calls] == [True, True]


@pytest.mark.parametrize("given", [None, "", 7, ["a"], "a" * 1025], ids=str)
def test_a_call_without_an_id_gets_one(given: Any) -> None:
    """A client must be able to answer a call, so one without a usable id gets one of ours, its own."""
    calls, other = Calls(IDS, 0), Calls(IDS, 1)
    pieces = []
    for each in (calls, other):
        member = {"index": 2, "id": given, "function": {"name": "f", "arguments": "{}"}}
        _, dropped = read(each, member)
        pieces += [call.piece({}) for call in each]
        assert dropped == (["tool_calls.id"] if given else [])
    ids = [piece["id"] for piece in pieces if piece is not None]
    assert all(re.fullmatch("call_[A-Za-z0-9_-]{24}", each) for each in ids)
    assert len(set(ids)) == 2


def test_an_id_may_come_late() -> None:
    """The id of a call is the one that came before its head went out; a later one is known, not said."""
    calls = Calls(IDS, 0)
    read(calls, {"index": 0, "function": {"name": "f"}}, {"index": 0, "id": "a", "function": {"name": "g"}})
    calls.end()
    (call,) = calls
    assert unsealed(call.piece({}))["id"] == "a"
    read(calls, {"index": 1, "function": {"name": "h", "arguments": "{"}})
    assert [piece and piece["index"] for piece in (call.piece({}) for call in calls)] == [None, 1]
    texts, _ = read(
        calls, {"index": 1, "id": "b", "function": {}}, {"id": "b", "function": {"arguments": "}"}}
    )
    assert texts == [("tool:1:arguments", "}")]


def test_a_name_that_comes_too_late_stays_behind() -> None:
    """A name after the arguments have begun is not said: clients would put it behind the first."""
    calls = Calls(IDS, 0)
    read(calls, {"index": 0, "function": {"name": "f", "arguments": "{"}})
    texts, dropped = read(calls, {"index": 0, "function": {"name": "f", "arguments": "}"}})
    assert texts == [("tool:0:arguments", "}")]
    assert dropped == ["tool_calls.name"]


def test_calls_without_numbers_go_by_their_ids() -> None:
    """An id that is known continues its call, a new one begins the next."""
    calls = Calls(IDS, 0)
    read(calls, {"id": "a", "function": {"name": "f"}}, {"id": "b", "function": {"name": "g"}})
    texts, _ = read(
        calls, {"id": "a", "function": {"arguments": "1"}}, {"id": "c", "function": {"name": "h"}}
    )
    assert texts == [("tool:0:arguments", "1"), ("tool:2:name", "h")]
