"""Tool calls of a streamed chat answer, and the legacy function call, which is one without a number.

A call goes out as its head (number, id, type, name) and then its arguments: clients take the name from
the first piece only, and execute what they have. So the head waits until the name is complete and
cleared: when the arguments begin, when another call begins, or when the choice finishes.

May import: the ground floor and this room. The rule that must stay true: a head is written once, whole,
before any of its arguments, its name is ``Cleared`` text, and its id is sealed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.dialects import fields
from proxy.dialects.ids import AnswerIds
from proxy.types import Cleared

_CALL = frozenset({"index", "id", "type", "function", "custom"})
_PARTS = {"function": "arguments", "custom": "input"}
MOST = 128
"""Calls that one choice may make: OpenAI's limit on the tools of a request."""


class Call:
    """One call. ``index`` is None for the legacy ``function_call``."""

    __slots__ = ("given", "id", "index", "kind", "name", "prefix", "ready", "sent")

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.prefix = "function:" if index is None else f"tool:{index}:"
        self.given: object = None  # the upstream's id
        self.id = ""  # what the caller gets for it
        self.kind = "function"
        self.name = ""  # cleared
        self.ready = False  # the name is complete
        self.sent = False  # the head is on its way to the caller

    def piece(self, texts: Mapping[str, Cleared]) -> dict[str, Any] | None:
        """What of the call goes out now; ``texts`` are those of its choice by channel."""
        part = _PARTS[self.kind]
        self.name += texts.get(self.prefix + "name", "")
        said = texts.get(self.prefix + part, "")
        if self.sent:
            return self._numbered({part: said}) if said else None
        if not self.ready:
            if said:
                raise ValueError("arguments before the name of their call has ended")
            return None
        self.sent = True
        return self._numbered({"name": self.name, part: said}, head=True)

    def _numbered(self, said: dict[str, Any], *, head: bool = False) -> dict[str, Any]:
        if self.index is None:
            return said
        made: dict[str, Any] = {"index": self.index}
        if head:
            made |= {"id": self.id, "type": self.kind}
        made[self.kind] = said
        return made


class Calls:
    """The calls of one choice, in the order in which they began."""

    __slots__ = ("_calls", "_choice", "_ids")

    def __init__(self, ids: AnswerIds, choice: int) -> None:
        self._ids = ids
        self._choice = choice
        self._calls: dict[int | None, Call] = {}

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.values())

    def read(self, raw: object, position: int, dropped: list[str]) -> Iterator[tuple[str, str]]:
        """The channels and texts of one member of ``delta.tool_calls``."""
        member = fields.mapping(raw, "a tool call")
        fields.left_behind(member, _CALL, dropped)
        call = self._find(member, position)
        if not call.given:
            self._name(call, member.get("id"), dropped)
        kind = member.get("type")
        if kind and kind not in _PARTS:
            dropped.append("tool_calls.type")
        if "custom" in member and not call.sent:
            call.kind = "custom"
        yield from _texts(call, fields.mapping(member.get(call.kind), "a tool call"), dropped)

    def read_legacy(self, raw: object, dropped: list[str]) -> Iterator[tuple[str, str]]:
        """The channels and texts of ``delta.function_call``."""
        yield from _texts(self._open(None), fields.mapping(raw, "function_call"), dropped)

    def end(self) -> None:
        """The choice finishes: all names are complete."""
        for call in self:
            call.ready = True

    def _find(self, member: Mapping[str, Any], position: int) -> Call:
        index = member.get("index")
        if index is None:  # some servers leave it away: go by the id, then by the place in the list
            index = self._number(member.get("id"), position)
        if type(index) is not int or not 0 <= index < MOST:
            raise fields.unreadable("a tool call has no usable number")
        return self._open(index)

    def _name(self, call: Call, given: object, dropped: list[str]) -> None:
        """A client needs some id to answer under; where the upstream gives none, it gets one of ours."""
        call.given = given
        if not call.sent:
            call.id = self._ids.of(given, "call_", (self._choice, call.index), "tool_calls.id", dropped)

    def _number(self, given: object, position: int) -> int:
        if not given:
            return position or max((call.index or 0 for call in self), default=0)
        for call in self:
            if call.given == given and call.index is not None:
                return call.index
        return len(self._calls)

    def _open(self, index: int | None) -> Call:
        call = self._calls.get(index)
        if call is None:
            self.end()
            call = self._calls[index] = Call(index)
        return call


def _texts(call: Call, said: Mapping[str, Any], dropped: list[str]) -> Iterator[tuple[str, str]]:
    part = _PARTS[call.kind]
    name = fields.text(said.get("name"), "the name of a tool call")
    text = fields.text(said.get(part), "the arguments of a tool call")
    fields.left_behind(said, frozenset({"name", part}), dropped)
    if name and call.ready:
        dropped.append("tool_calls.name")
    elif name:
        yield call.prefix + "name", name
    if text:
        call.ready = True
        yield call.prefix + part, text
