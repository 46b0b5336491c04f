"""One choice of a streamed chat answer: what has been read of it, and what of it has been said.

Reasoning ends when the answer begins, so that its held tail does not come after the answer's first words;
reasoning that comes later still stays behind.

May import: the ground floor and this room. The rule that must stay true: a channel ends once, and gets no
text after that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.dialects import fields
from proxy.dialects.chat_calls import Calls
from proxy.dialects.chat_extras import Extras
from proxy.dialects.ids import AnswerIds
from proxy.dialects.shapes import Channel
from proxy.types import Cleared

REASONING = ("reasoning_content", "reasoning")
"""The names that servers have given to a model's reasoning."""

_FLAT = frozenset({"content", "refusal", *REASONING})


class Choice:
    """The state of one choice."""

    __slots__ = (
        "_ids",
        "answering",
        "calls",
        "extras",
        "greeted",
        "index",
        "live",
        "over",
        "read_out",
        "said",
        "told",
    )

    def __init__(self, index: int, ids: AnswerIds) -> None:
        self.index = index
        self._ids = ids
        self.live: dict[str, None] = {}  # channels that have had text and have not ended
        self.calls: Calls | None = None
        self.extras: Extras | None = None
        self.told = self.said = 0  # characters of content that came, and that went out
        self.answering = False  # text other than reasoning has come
        self.greeted = False  # the role has been said
        self.read_out = False  # the upstream has finished it
        self.over = False  # the caller has got its finish

    def with_extras(self) -> Extras:
        """Its extras; most choices have none."""
        if self.extras is None:
            self.extras = Extras(self._ids)
        return self.extras

    def texts(self, delta: Mapping[str, Any], dropped: list[str]) -> Iterator[tuple[str, str]]:
        """The channels and texts of a delta, reasoning first: that is the order in which they were made."""
        for name in REASONING:
            if said := delta.get(name):
                if self.answering:
                    dropped.append("reasoning.late")
                else:
                    yield from fields.said(name, said, dropped)
        if said := delta.get("content"):
            if isinstance(said, str):
                yield "content", said
            else:
                for channel, text in fields.said("content", said, dropped):
                    if channel in REASONING and self.answering:
                        dropped.append("reasoning.late")
                    elif text:
                        yield channel, text
        if said := delta.get("refusal"):
            yield "refusal", fields.text(said, "refusal")
        calls, legacy = delta.get("tool_calls"), delta.get("function_call")
        if calls or legacy:
            if self.calls is None:
                self.calls = Calls(self._ids, self.index)
            for position, call in enumerate(fields.items(calls, "tool_calls")):
                yield from self.calls.read(call, position, dropped)
            if legacy:
                yield from self.calls.read_legacy(legacy, dropped)

    def end(self, channels: Sequence[str]) -> list[Channel]:
        """End those of some channels that are live."""
        ended = [channel for channel in channels if channel in self.live]
        for channel in ended:
            del self.live[channel]
        return [(self.index, channel) for channel in ended]

    def finish(self) -> list[Channel]:
        """The upstream has finished it: every channel ends."""
        self.read_out = True
        if self.calls is not None:
            self.calls.end()
        return self.end(list(self.live))

    def delta(self, said: Mapping[str, Cleared]) -> dict[str, Any]:
        """What of its texts goes out now; the first time with its role."""
        delta: dict[str, Any] = {}
        if not self.greeted:
            self.greeted = True
            delta = {"role": "assistant", "content": ""}
        for channel, text in said.items():
            if channel in _FLAT:
                delta[channel] = text
                if channel == "content":
                    self.said += len(text)
        if self.calls is not None:
            for call in self.calls:
                if piece := call.piece(said):
                    if call.index is None:
                        delta["function_call"] = piece
                    else:
                        delta.setdefault("tool_calls", []).append(piece)
        return delta
