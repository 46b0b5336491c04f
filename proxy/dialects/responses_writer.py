"""Writes the events of a streamed answer of ``/v1/responses``.

May import: the ground floor and this room. The rules that must stay true: events are numbered without a gap;
an item is announced before its texts and its parts; the whole texts in ``done`` events are what was let go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.dialects.logprobs import written
from proxy.dialects.responses_envelope import Envelope
from proxy.dialects.responses_items import CALLS, Item, Text
from proxy.dialects.shapes import Frame, filter_results, refusal
from proxy.types import Cleared

_DELTA = {
    "text": "response.output_text",
    "refusal": "response.refusal",
    "thought": "response.reasoning_text",
    "summary": "response.reasoning_summary_text",
    "arguments": "response.function_call_arguments",
    "input": "response.custom_tool_call_input",
}
_WHOLE = {"refusal": "refusal", "arguments": "arguments", "input": "input"}
"""The member of a ``done`` event that holds the text, where it is not ``text``."""


class EventWriter:
    """Makes the events of one answer."""

    def __init__(self, envelope: Envelope, json_output: bool, sentence: str) -> None:
        self._envelope = envelope
        self._json_output = json_output
        self._sentence = sentence
        self._number = 0
        self._begun = False
        self._open: list[Item] = []  # announced, in order
        self._parts: dict[tuple[int, str], int] = {}  # announced parts of an item and a group
        self._done: dict[int, dict[str, Any]] = {}  # items that are whole, by place
        self.blocked = False
        self.over = False

    def begin(self) -> list[Frame]:
        """The two events that open an answer, once."""
        if self._begun:
            return []
        self._begun = True
        opened = self._envelope.written("in_progress")
        return [self._event(f"response.{name}", response=opened) for name in ("created", "in_progress")]

    def say(self, item: Item, text: Text, said: Mapping[str, Cleared], channel: str) -> list[Frame]:
        """What of one channel was let go; ``said`` are all channels of this event."""
        if channel != text.channel:
            if channel.startswith(text.notes.prefix):
                text.notes.take({channel: said[channel]})
            elif text.logprobs is not None and text.channel not in said:
                text.pending += text.logprobs.take({channel: said[channel]})
            return []
        if text.kind == "name":
            text.said += said[channel]
            return []
        frames = self._announce(item) + self._announce_part(item, text)
        text.said += said[channel]
        event = {**self._where(item, text), "delta": said[channel]}
        if text.kind == "text":
            event["logprobs"] = self._spelt(text, said)
        return [*frames, self._event(f"{_DELTA[text.kind]}.delta", **event)]

    @staticmethod
    def _spelt(text: Text, said: Mapping[str, Cleared]) -> list[dict[str, Any]]:
        if text.logprobs is None:
            return []
        ready = [*text.pending, *text.logprobs.take(said)]
        text.pending = []
        text.spelt += written(ready)
        return written(ready)

    def close(self, item: Item, text: Text) -> list[Frame]:
        """A text is whole."""
        frames = self._announce(item) + self._announce_part(item, text)
        whole: dict[str, Any] = {_WHOLE.get(text.kind, "text"): text.said}
        if text.kind == "text":
            whole["logprobs"] = text.spelt
        if text.kind == "arguments":
            whole["name"] = item.text("name").said
        frames.append(self._event(f"{_DELTA[text.kind]}.done", **self._where(item, text), **whole))
        text.closed = True
        if item.kind in CALLS:
            return frames
        where = self._where(item, text)
        if text.kind == "text":
            for number, note in enumerate(text.notes.written(text.unchanged)):
                event = {**where, "annotation_index": number, "annotation": note}
                frames.append(self._event("response.output_text.annotation.added", **event))
        name = "reasoning_summary_part" if text.kind == "summary" else "content_part"
        frames.append(self._event(f"response.{name}.done", **where, part=text.part(text.spelt)))
        return frames

    def close_item(self, item: Item) -> list[Frame]:
        """An item is whole."""
        frames = self._announce(item)
        assert item.place is not None
        made = item.written()
        self._done[item.place] = made
        frames.append(self._event("response.output_item.done", output_index=item.place, item=made))
        return frames

    def end(self, incomplete: str | None) -> list[Frame]:
        """The answer is whole, or as whole as it will be."""
        self.over = True
        status = "incomplete" if incomplete else "completed"
        return [self._last(status, self._envelope.written(status, self._output(), incomplete=incomplete))]

    def broken(self) -> list[Frame]:
        """The upstream's stream has ended without saying so."""
        self.over = True
        error = {"code": "server_error", "message": "The model server broke off its answer."}
        return [self._last("failed", self._envelope.written("failed", self._output(), error=error))]

    def block(self, incident: str) -> list[Frame]:
        """A guard has stopped the answer: the refusal, and the end. Half a call is never said to be done."""
        self.blocked = self.over = True
        said = refusal(self._sentence, incident)
        # Not ``closed``: that its end was read says nothing of what has been written.
        open_messages = (i for i in self._open if i.kind == "message" and i.place not in self._done)
        message = next(open_messages, None)
        frames: list[Frame] = []
        if message is None:
            message = Item(len(self._open), "message", {}, self._envelope.ids, [])
        elif not self._json_output:
            for text in message.texts:
                if text.opened and not text.closed:
                    frames += self.close(message, text)
        part = message.text("refusal", max((text.number for text in message.texts), default=-1) + 1)
        frames += self._announce(message) + self._announce_part(message, part)
        part.said = said
        frames.append(self._event("response.refusal.delta", **self._where(message, part), delta=said))
        frames += self.close(message, part)
        assert message.place is not None
        # Structured output that was cut off is no JSON, and a client that parses it would fail on it.
        made = message.written("incomplete")
        made["content"] = [
            text.part(text.spelt)
            for text in message.texts
            if text.opened and not (self._json_output and text.kind == "text")
        ]
        self._done[message.place] = made
        frames.append(self._event("response.output_item.done", output_index=message.place, item=made))
        ended = self._envelope.written("incomplete", self._output(), incomplete="content_filter")
        ended["content_filter_results"] = filter_results()
        return [*frames, self._last("incomplete", ended)]

    def failed(self, message: str, code: str) -> Frame:
        """OpenAI's error event."""
        return self._event("error", code=code, message=message, param=None)

    # --- the inside ------------------------------------------------------------------------------------

    def _output(self) -> list[dict[str, Any]]:
        return [self._done[place] for place in sorted(self._done)]

    def _announce(self, item: Item) -> list[Frame]:
        if item.place is not None:
            return []
        item.place = len(self._open)
        self._open.append(item)
        empty: dict[str, Any] = {"id": item.id, "type": item.kind, "status": "in_progress"}
        if item.kind in CALLS:
            empty |= {"call_id": item.call_id, "name": item.text("name").said, CALLS[item.kind]: ""}
        elif item.kind == "reasoning":
            empty["summary"] = []
        else:
            empty |= {"role": "assistant", "content": []}
        return [self._event("response.output_item.added", output_index=item.place, item=empty)]

    def _announce_part(self, item: Item, text: Text) -> list[Frame]:
        if text.opened:
            return []
        text.opened = True
        if item.kind in CALLS:
            return []
        group = "summary" if text.kind == "summary" else "content"
        place = self._parts.get((item.number, group), 0)
        self._parts[item.number, group] = place + 1
        text.place = place
        whole, text.said = text.said, ""
        empty = text.part() | ({"annotations": []} if text.kind == "text" else {})
        text.said = whole
        name = "reasoning_summary_part" if group == "summary" else "content_part"
        return [self._event(f"response.{name}.added", **self._where(item, text), part=empty)]

    @staticmethod
    def _where(item: Item, text: Text) -> dict[str, Any]:
        where: dict[str, Any] = {"item_id": item.id, "output_index": item.place}
        if item.kind not in CALLS:
            where["summary_index" if text.kind == "summary" else "content_index"] = text.place
        return where

    def _event(self, kind: str, **members: Any) -> Frame:
        number, self._number = self._number, self._number + 1
        return Frame({"type": kind, "sequence_number": number, **members}, kind)

    def _last(self, status: str, response: dict[str, Any]) -> Frame:
        return self._event(f"response.{status}", response=response)._replace(last=True)
