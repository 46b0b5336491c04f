"""A streamed answer of ``/v1/responses``: events in, events out.

What the upstream says is read into items and their texts; what the caller gets is made anew. Items and
parts are announced when the first of their text is let go, in an order and with numbers of ours; the
``done`` events, which repeat whole texts, are built from what was let go. A server that sends only those is
understood too.

May import: the ground floor and this room. The rules that must stay true: an event is built from known
fields and ``Cleared`` text, never from the event that came; what is over gets no more text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.dialects import fields
from proxy.dialects.responses_envelope import Envelope
from proxy.dialects.responses_items import CALLS, KINDS, MOST, Item, Text
from proxy.dialects.responses_writer import EventWriter
from proxy.dialects.shapes import Channel, Frame, Reading
from proxy.errors import UpstreamError
from proxy.types import Cleared, Delta

_DELTAS: Mapping[str, tuple[str, str]] = {
    "response.output_text.delta": ("text", "content_index"),
    "response.refusal.delta": ("refusal", "content_index"),
    "response.reasoning_text.delta": ("thought", "content_index"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index"),
    "response.function_call_arguments.delta": ("arguments", ""),
    "response.custom_tool_call_input.delta": ("input", ""),
}
_DONE: Mapping[str, tuple[str, str, str]] = {
    "response.output_text.done": ("text", "content_index", "text"),
    "response.refusal.done": ("refusal", "content_index", "refusal"),
    "response.reasoning_text.done": ("thought", "content_index", "text"),
    "response.reasoning_summary_text.done": ("summary", "summary_index", "text"),
    "response.function_call_arguments.done": ("arguments", "", "arguments"),
    "response.custom_tool_call_input.done": ("input", "", "input"),
}
_KIND = {"text": "message", "refusal": "message", "thought": "reasoning", "summary": "reasoning"} | {
    part: kind for kind, part in CALLS.items()
}
_BEGIN = frozenset({"response.created", "response.in_progress", "response.queued"})
_END = frozenset({"response.completed", "response.incomplete", "response.failed"})
_NOTHING_NEW = frozenset(
    {
        "response.content_part.added", "response.content_part.done",
        "response.reasoning_summary_part.added", "response.reasoning_summary_part.done", "keepalive",
    }
)  # fmt: skip


@dataclass(slots=True)
class _Read:
    """One event, as far as it has been read."""

    deltas: list[Delta] = field(default_factory=list)
    ended: list[Channel] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    then: list[Callable[[EventWriter], list[Frame]]] = field(default_factory=list)
    """What is to be written after the texts."""


class ResponseStream:
    """``StreamedAnswer`` for responses."""

    def __init__(self, envelope: Envelope, allow_logprobs: bool, json_output: bool, sentence: str) -> None:
        self._envelope = envelope
        self._allow_logprobs = allow_logprobs
        self._items: dict[int, Item | None] = {}  # by the upstream's number; None: one that stays behind
        self._made = 0
        self._texts: dict[str, tuple[Item, Text]] = {}  # by channel
        self._live: dict[str, None] = {}
        self._ended = False
        self._writer = EventWriter(envelope, json_output, sentence)

    @property
    def over(self) -> bool:
        return self._writer.blocked

    def read_again(self, data: str) -> Reading | None:
        return None

    def read(self, chunk: object) -> Reading:
        event = fields.mapping(chunk, "an event")
        kind = event.get("type")
        if kind == "error" or event.get("error"):
            raise UpstreamError("The model server reported an error.", where="answer")
        if not isinstance(kind, str):
            raise fields.unreadable("an event has no type")
        read = _Read()
        if self._ended or self._writer.blocked:
            return Reading()
        if kind in _DELTAS:
            self._delta(*_DELTAS[kind], event, read)
        elif kind in _DONE:
            self._done(*_DONE[kind], event, read)
        elif kind == "response.output_item.added":
            self._item(event, fields.mapping(event.get("item"), "an item"), read)
        elif kind == "response.output_item.done":
            self._item_done(event, fields.mapping(event.get("item"), "an item"), read)
        elif kind == "response.output_text.annotation.added":
            self._annotation(event, read)
        elif kind in _BEGIN:
            self._envelope.follow(fields.mapping(event.get("response"), "a response"), read.dropped)
        elif kind in _END:
            self._end(fields.mapping(event.get("response"), "a response"), read)
        elif kind not in _NOTHING_NEW:
            read.dropped.append("other")
        return Reading(read.deltas, read.ended, read.dropped, read.then)

    def cut(self) -> Reading:
        if self._ended or self._writer.blocked:
            return Reading()
        read = _Read()
        self._end_all(read)
        self._ended = True
        read.then.append(lambda writer: writer.broken())
        return Reading((), read.ended, (), read.then)

    # --- reading ---------------------------------------------------------------------------------------

    def _item(self, event: Mapping[str, Any], raw: Mapping[str, Any], read: _Read) -> Item | None:
        """The item of an event; a new one is opened."""
        number = event.get("output_index", 0)
        if type(number) is not int or not 0 <= number < MOST:
            raise fields.unreadable("an item has no usable number")
        if number in self._items:
            return self._items[number]
        kind = raw.get("type")
        if not isinstance(kind, str) or kind not in KINDS:
            read.dropped.append("other")
            self._items[number] = None
            return None
        item = self._items[number] = Item(self._made, kind, raw, self._envelope.ids, read.dropped)
        self._made += 1
        if item.kind in CALLS and raw.get("name"):
            name = item.text("name")
            self._say(item, name, list(name.tell(fields.text(raw["name"], "a name"))), read)
            self._end_text(name, read)
        return item

    def _spoken(
        self, kind: str, index: str, event: Mapping[str, Any], read: _Read
    ) -> tuple[Item, Text] | None:
        """The item and the text that an event is about."""
        item = self._item(event, {"type": _KIND[kind], "id": event.get("item_id")}, read)
        if item is None or _KIND[kind] != item.kind:
            read.dropped.append("other")
            return None
        return item, item.text(kind, event.get(index, 0) if index else 0)

    def _say(self, item: Item, text: Text, said: Sequence[tuple[str, str]], read: _Read) -> None:
        for channel, piece in said:
            read.deltas.append(Delta(0, channel, piece))
            self._texts[channel] = (item, text)
            self._live[channel] = None

    def _delta(self, kind: str, index: str, event: Mapping[str, Any], read: _Read) -> None:
        if (found := self._spoken(kind, index, event, read)) is None:
            return
        item, text = found
        said = fields.text(event.get("delta"), "a delta")
        if text.read_out or item.closed:
            if said:
                read.dropped.append("after_finish")
            return
        self._say(item, text, list(text.tell(said)), read)
        if spelt := event.get("logprobs"):
            if self._allow_logprobs:
                self._say(item, text, list(text.spell(spelt, read.dropped)), read)
            else:
                read.dropped.append("logprobs")

    def _done(self, kind: str, index: str, name: str, event: Mapping[str, Any], read: _Read) -> None:
        if (found := self._spoken(kind, index, event, read)) is None:
            return
        item, text = found
        if text.read_out:
            return
        if not text.told:  # a server that sends its texts whole
            self._say(item, text, list(text.tell(fields.text(event.get(name), "a text"))), read)
        if kind != "text":  # annotations of a text may still come
            self._close(item, text, read)

    def _annotation(self, event: Mapping[str, Any], read: _Read) -> None:
        if (found := self._spoken("text", "content_index", event, read)) is None:
            return
        item, text = found
        if not text.read_out:
            self._say(item, text, list(text.notes.read(event.get("annotation"), read.dropped)), read)

    def _item_done(self, event: Mapping[str, Any], raw: Mapping[str, Any], read: _Read) -> None:
        item = self._item(event, raw, read)
        if item is not None and not item.closed:
            self._read_whole(item, raw, read)
            self._close_item(item, read)

    def _read_whole(self, item: Item, raw: Mapping[str, Any], read: _Read) -> None:
        for channel, piece in list(item.read(raw, self._allow_logprobs, read.dropped)):
            owner = next(text for text in item.texts if channel in text.channels)
            self._say(item, owner, [(channel, piece)], read)

    def _end(self, answer: Mapping[str, Any], read: _Read) -> None:
        self._envelope.follow(answer, read.dropped)
        if not self._items:  # a server that sends nothing but the whole
            for number, raw in enumerate(fields.items(answer.get("output"), "output")[:MOST]):
                member = fields.mapping(raw, "an item")
                item = self._item({"output_index": number}, member, read)
                if item is not None:
                    self._read_whole(item, member, read)
        self._end_all(read)
        self._ended = True
        why = self._envelope.incomplete(answer)
        read.then.append(lambda writer: writer.end(why))

    def _end_all(self, read: _Read) -> None:
        for item in self._items.values():
            if item is not None and not item.closed:
                self._close_item(item, read)

    def _close_item(self, item: Item, read: _Read) -> None:
        for text in item.texts:
            self._close(item, text, read)
        item.closed = True
        read.then.append(lambda writer: writer.close_item(item))

    def _close(self, item: Item, text: Text, read: _Read) -> None:
        if not text.read_out:
            self._end_text(text, read)
            if text.kind != "name":
                read.then.append(lambda writer: writer.close(item, text))

    def _end_text(self, text: Text, read: _Read) -> None:
        text.read_out = True
        for channel in text.channels:
            if channel in self._live:
                del self._live[channel]
                read.ended.append((0, channel))

    # --- writing ---------------------------------------------------------------------------------------

    def write(
        self,
        reading: Reading | None,
        texts: Mapping[Channel, Cleared],
        blocked: Mapping[int, str] | None = None,
    ) -> list[Frame]:
        writer = self._writer
        said = {channel: text for (_, channel), text in texts.items() if text}
        if writer.over:
            if said:
                raise ValueError("text for an answer that is over")
            return []
        frames = writer.begin()
        for channel in said:
            if channel not in self._texts:
                raise ValueError("text that the upstream has not begun")
            item, text = self._texts[channel]
            frames += writer.say(item, text, said, channel)
        if blocked:
            return frames + writer.block(blocked[0])
        if reading is not None and isinstance(reading.rest, list):
            for then in reading.rest:
                frames += then(writer)
        return frames

    def failed(self, message: str, code: str, kind: str) -> Frame:
        return self._writer.failed(message, code)
