"""The items of an answer of ``/v1/responses``: messages, reasoning, and calls of functions and tools.

An item holds texts, each with a channel of its own: the parts of a message, the parts of a reasoning and of
its summary, the name and the arguments of a call. Other kinds of items (searches, pictures, programs that
ran) hold much that nothing can read; they stay behind whole.

May import: the ground floor and this room. The rule that must stay true: an item is written from
``Cleared`` text, sealed ids and words of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.dialects import fields
from proxy.dialects.ids import AnswerIds
from proxy.dialects.logprobs import Entry, Logprobs, written
from proxy.dialects.notes import Notes
from proxy.types import Cleared

CALLS: Mapping[str, str] = {"function_call": "arguments", "custom_tool_call": "input"}
"""Kinds of calls, and the member that holds what is called with."""

KINDS = frozenset({"message", "reasoning", *CALLS})
MOST = 256
"""Items that one answer may have, and texts that one item may have."""

_PREFIXES = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_"}
_STATUS = frozenset({"completed", "incomplete", "in_progress"})
_ITEM = frozenset(
    {"id", "type", "status", "role", "content", "summary", "name", "call_id", "arguments", "input", "phase"}
)
_PART = frozenset({"type", "text", "refusal", "annotations", "logprobs"})
_PARTS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "thought", "summary_text": "summary"}


class Text:
    """One text of an item: ``kind`` is text, refusal, thought, summary, name, or the arguments of a call."""

    __slots__ = (
        "channel", "closed", "kind", "logprobs", "notes", "number", "opened", "pending", "place", "read_out",
        "said", "spelt", "told",
    )  # fmt: skip

    def __init__(self, item: int, kind: str, number: int, ids: AnswerIds) -> None:
        self.kind = kind
        self.number = number  # of the part in its item, as the upstream counts
        self.place = 0  # and as we do
        single = kind in ("name", *CALLS.values())
        self.channel = f"item:{item}:{kind}" if single else f"item:{item}:{kind}:{number}"
        self.notes = Notes(f"{self.channel}:note", ids)
        self.logprobs: Logprobs | None = None
        self.pending: list[Entry] = []  # log-probabilities let go before their text
        self.spelt: list[dict[str, Any]] = []  # those that have been written
        self.told = 0  # characters that came
        self.said = ""  # what was let go
        self.read_out = False  # the upstream has ended it
        self.opened = self.closed = False  # the caller has been told

    def tell(self, text: str) -> Iterator[tuple[str, str]]:
        """Text of the upstream, on its way to a guard."""
        if text:
            self.told += len(text)
            yield self.channel, text

    def spell(self, raw: object, dropped: list[str]) -> Iterator[tuple[str, str]]:
        if self.logprobs is None:
            self.logprobs = Logprobs(self.channel.replace(":", "."))
        yield from self.logprobs.read(raw, dropped)

    @property
    def channels(self) -> list[str]:
        spelt = self.logprobs.channels if self.logprobs is not None else []
        return [self.channel, *self.notes.channels, *spelt]

    @property
    def unchanged(self) -> bool:
        return len(self.said) == self.told

    def part(self, spelt: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """It as a part of its item."""
        if self.kind == "text":
            notes = self.notes.written(self.unchanged)
            return {"type": "output_text", "text": self.said, "annotations": notes, "logprobs": spelt or []}
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": self.said}
        return {"type": "summary_text" if self.kind == "summary" else "reasoning_text", "text": self.said}


class Item:
    """One item. ``number`` is ours, in the order of reading; ``place`` that in what the caller gets."""

    def __init__(
        self, number: int, kind: str, raw: Mapping[str, Any], ids: AnswerIds, dropped: list[str]
    ) -> None:
        fields.left_behind(raw, _ITEM, dropped)
        self.number = number
        self.kind = kind
        self.id = ids.of(raw.get("id"), _PREFIXES[kind], number, "id", dropped)
        self.call_id = ids.of(raw.get("call_id"), "call_", number, "tool_calls.id", dropped)
        self._ids = ids
        self.status = _status(raw)
        self.place: int | None = None
        self.closed = False
        self._texts: dict[tuple[str, int], Text] = {}

    @property
    def texts(self) -> list[Text]:
        return list(self._texts.values())

    def text(self, kind: str, number: object = 0) -> Text:
        """Its text of a kind and number; made when it is first spoken of."""
        if type(number) is not int or not 0 <= number < MOST:
            raise fields.unreadable("a part of an item has no usable number")
        found = self._texts.get((kind, number))
        if found is None:
            found = self._texts[kind, number] = Text(self.number, kind, number, self._ids)
        return found

    def read(self, raw: Mapping[str, Any], allow: bool, dropped: list[str]) -> Iterator[tuple[str, str]]:
        """The channels and texts of the whole item, as far as they have not come before."""
        self.status = _status(raw)
        if self.kind in CALLS:
            for kind in ("name", CALLS[self.kind]):
                yield from self._once(self.text(kind), raw.get(kind))
            return
        for number, part in enumerate(fields.items(raw.get("summary"), "summary")):
            yield from self._read_part("summary", number, part, allow, dropped)
        for number, part in enumerate(fields.items(raw.get("content"), "content")):
            yield from self._read_part("content", number, part, allow, dropped)

    def _read_part(
        self, group: str, number: int, raw: object, allow: bool, dropped: list[str]
    ) -> Iterator[tuple[str, str]]:
        part = fields.mapping(raw, "a part of an item")
        given = part.get("type")
        kind = "summary" if group == "summary" else _PARTS.get(given) if isinstance(given, str) else None
        if kind is None or (kind == "thought") != (self.kind == "reasoning" and group == "content"):
            dropped.append("content.part")
            return
        fields.left_behind(part, _PART, dropped)
        text = self.text(kind, number)
        if text.read_out or text.told:
            return
        if spelt := part.get("logprobs"):
            if allow:
                yield from text.spell(spelt, dropped)
            else:
                dropped.append("logprobs")
        yield from text.tell(fields.text(part.get("refusal" if kind == "refusal" else "text"), "a part"))
        for note in fields.items(part.get("annotations"), "annotations"):
            yield from text.notes.read(note, dropped)

    @staticmethod
    def _once(text: Text, raw: object) -> Iterator[tuple[str, str]]:
        if not text.read_out and not text.told:
            yield from text.tell(fields.text(raw, "the text of a call"))

    def take(self, texts: Mapping[str, Cleared]) -> None:
        """What was let go of a whole item; ``texts`` are those of the answer, by channel."""
        for text in self._texts.values():
            text.said += texts.get(text.channel, "")
            text.notes.take(texts)

    def written(
        self, status: str | None = None, texts: Mapping[str, Cleared] | None = None
    ) -> dict[str, Any]:
        """The item. ``texts``: where it is written whole, those of its log-probabilities."""
        made: dict[str, Any] = {"id": self.id, "type": self.kind, "status": status or self.status}
        if self.kind in CALLS:
            return made | {
                "call_id": self.call_id,
                "name": self.text("name").said,
                CALLS[self.kind]: self.text(CALLS[self.kind]).said,
            }
        parts: dict[str, list[dict[str, Any]]] = {"summary": [], "content": []}
        for text in sorted(self._texts.values(), key=lambda each: each.number):
            if text.logprobs is not None and texts is not None:
                text.spelt = written(text.logprobs.rest(texts))
            parts["summary" if text.kind == "summary" else "content"].append(text.part(text.spelt))
        if self.kind == "reasoning":
            made["summary"] = parts["summary"]
            if parts["content"]:
                made["content"] = parts["content"]
            return made
        return made | {"role": "assistant", "content": parts["content"]}


def _status(raw: Mapping[str, Any]) -> str:
    given = raw.get("status")
    return given if isinstance(given, str) and given in _STATUS else "completed"
