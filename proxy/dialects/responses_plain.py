"""A whole answer of ``/v1/responses``: one body in, one body out.

May import: the ground floor and this room. The rule that must stay true: the body that goes out is built
from known fields and ``Cleared`` text, never from the body that came in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.dialects import fields
from proxy.dialects.responses_envelope import Envelope
from proxy.dialects.responses_items import CALLS, KINDS, MOST, Item
from proxy.dialects.shapes import Channel, filter_results, refusal
from proxy.types import Cleared, Delta


class ResponsePlain:
    """``PlainAnswer`` for responses: one choice, its items in their order."""

    def __init__(
        self, body: object, envelope: Envelope, allow_logprobs: bool, json_output: bool, sentence: str
    ) -> None:
        self._envelope = envelope
        self._json_output = json_output
        self._sentence = sentence
        dropped: list[str] = []
        answer = fields.mapping(body, "it")
        if not isinstance(answer.get("output"), list) and not answer.get("error"):
            raise fields.unreadable("it has no output")
        envelope.follow(answer, dropped)
        self._incomplete = envelope.incomplete(answer)
        self._items: list[Item] = []
        deltas: list[Delta] = []
        if len(answer["output"]) > MOST:  # as in a stream
            raise fields.unreadable(f"it has more than {MOST} items")
        for raw in answer["output"]:
            member = fields.mapping(raw, "an item")
            kind = member.get("type")
            if not isinstance(kind, str) or kind not in KINDS:
                dropped.append("other")
                continue
            item = Item(len(self._items), kind, member, envelope.ids, dropped)
            self._items.append(item)
            deltas += [
                Delta(0, channel, text) for channel, text in item.read(member, allow_logprobs, dropped)
            ]
        self.deltas: Sequence[Delta] = deltas
        self.dropped: Sequence[str] = dropped

    def write(
        self, texts: Mapping[Channel, Cleared], blocked: Mapping[int, str] | None = None
    ) -> dict[str, Any]:
        said = {channel: text for (_, channel), text in texts.items()}
        for item in self._items:
            item.take(said)
        if blocked:
            return self._blocked(blocked[0])
        status = "incomplete" if self._incomplete else "completed"
        output = [item.written(texts=said) for item in self._items]
        return self._envelope.written(status, output, incomplete=self._incomplete)

    def _blocked(self, incident: str) -> dict[str, Any]:
        """What was let go, without calls: half a call must not be executed; then the refusal.

        Structured output that was cut off is no JSON, and a client that parses it would fail on it.
        """
        output: list[dict[str, Any]] = []
        for item in self._items:
            if item.kind in CALLS or not any(text.said for text in item.texts):
                continue
            output.append(item.written("incomplete"))
            if item.kind == "message" and self._json_output:
                output[-1]["content"] = []
        said = {"type": "refusal", "refusal": refusal(self._sentence, incident)}
        if output and output[-1]["type"] == "message":
            output[-1]["content"].append(said)
        else:
            output.append(
                {
                    "id": self._envelope.ids.of(None, "msg_", "refusal", "id", []),
                    "type": "message",
                    "status": "incomplete",
                    "role": "assistant",
                    "content": [said],
                }
            )
        made = self._envelope.written("incomplete", output, incomplete="content_filter")
        made["content_filter_results"] = filter_results()
        return made
