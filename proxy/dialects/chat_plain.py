"""A whole answer of ``/v1/chat/completions`` (``stream: false``): one body in, one body out.

May import: the ground floor and this room. The rule that must stay true: the body that goes out is built
from known fields and ``Cleared`` text, never from the body that came in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.dialects import fields
from proxy.dialects.chat_calls import MOST
from proxy.dialects.chat_extras import Extras
from proxy.dialects.choices import whole_choices
from proxy.dialects.ids import AnswerIds
from proxy.dialects.shapes import Channel, filter_results, refusal
from proxy.types import Cleared, Delta

_BODY = frozenset(
    {
        "id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier",
        "citations",
    }
)  # fmt: skip
_CHOICE = frozenset({"index", "message", "finish_reason", "logprobs"})
_MESSAGE = frozenset(
    {
        "role", "content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call",
        "annotations", "audio",
    }
)  # fmt: skip
_CALL = frozenset({"index", "id", "type", "function", "custom"})
_PARTS = {"function": "arguments", "custom": "input"}
_FLAT = ("reasoning_content", "reasoning", "content", "refusal")


@dataclass(slots=True)
class _Choice:
    """What of a choice may go out without a guard."""

    index: int
    finish: str | None
    extras: Extras
    content: str = ""  # as it came: never written, but compared
    calls: list[tuple[str, str]] = field(default_factory=list)  # sealed id and kind of each
    legacy: bool = False


class ChatPlain:
    """``PlainAnswer`` for chat completions."""

    def __init__(
        self, body: object, *, choices: int, model: str, allow_logprobs: bool, ids: AnswerIds, sentence: str
    ) -> None:
        self._sentence = sentence
        self._ids = ids
        self._deltas: list[Delta] = []
        self._dropped: list[str] = []
        answer = fields.answer(body, _BODY, self._dropped)
        self._envelope = fields.envelope(answer, "chat.completion", ids, model, self._dropped)
        self._usage = fields.usage(answer.get("usage"), self._dropped)
        self._choices: dict[int, _Choice] = {}
        for index, member in whole_choices(answer, _CHOICE, choices, self._dropped):
            finish = fields.finish_reason(member.get("finish_reason"), self._dropped)
            choice = self._choices[index] = _Choice(index, finish, Extras(ids))
            message = fields.mapping(member.get("message"), "a message")
            self._read(choice, message)
            for channel, text in choice.extras.read(member, message, allow_logprobs, self._dropped):
                self._say(choice, channel, text)
        if (first := self._choices.get(0)) is not None:
            for channel, text in first.extras.read_citations(answer.get("citations"), self._dropped):
                self._say(first, channel, text)

    @property
    def deltas(self) -> Sequence[Delta]:
        """In the order in which a model makes them: reasoning, content, refusal, calls."""
        return self._deltas

    @property
    def dropped(self) -> Sequence[str]:
        return self._dropped

    def _read(self, choice: _Choice, message: dict[str, Any]) -> None:
        fields.left_behind(message, _MESSAGE, self._dropped)
        for name in _FLAT:
            for channel, text in fields.said(name, message.get(name), self._dropped):
                self._say(choice, channel, text)
                choice.content += text if channel == "content" else ""
        calls = fields.items(message.get("tool_calls"), "tool_calls")
        if len(calls) > MOST:  # as in a stream
            raise fields.unreadable(f"a choice makes more than {MOST} tool calls")
        for number, raw in enumerate(calls):
            self._read_call(choice, number, fields.mapping(raw, "a tool call"))
        if (legacy := message.get("function_call")) is not None:
            choice.legacy = True
            self._read_function(choice, "function:", fields.mapping(legacy, "function_call"), "arguments")

    def _read_call(self, choice: _Choice, number: int, call: dict[str, Any]) -> None:
        fields.left_behind(call, _CALL, self._dropped)
        kind = "custom" if "custom" in call else "function"
        if call.get("type") not in (None, kind):
            self._dropped.append("tool_calls.type")
        given = self._ids.of(call.get("id"), "call_", (choice.index, number), "tool_calls.id", self._dropped)
        choice.calls.append((given, kind))
        function = fields.mapping(call.get(kind), "a tool call")
        self._read_function(choice, f"tool:{number}:", function, _PARTS[kind])

    def _read_function(self, choice: _Choice, prefix: str, said: dict[str, Any], part: str) -> None:
        fields.left_behind(said, frozenset({"name", part}), self._dropped)
        for name in ("name", part):
            self._say(choice, prefix + name, fields.text(said.get(name), f"the {name} of a tool call"))

    def _say(self, choice: _Choice, channel: str, text: str) -> None:
        if text:
            self._deltas.append(Delta(choice.index, channel, text))

    def write(
        self, texts: Mapping[Channel, Cleared], blocked: Mapping[int, str] | None = None
    ) -> dict[str, Any]:
        body = dict(self._envelope)
        by_choice: dict[int, dict[str, Cleared]] = {}
        for (index, channel), text in texts.items():
            by_choice.setdefault(index, {})[channel] = text
        body["choices"] = [
            self._blocked(choice, texts, blocked[choice.index])
            if blocked and choice.index in blocked
            else self._finished(choice, texts, by_choice.get(choice.index, {}))
            for choice in self._choices.values()
        ]
        if self._usage:
            body["usage"] = self._usage
        first = self._choices.get(0)
        if first is not None and not (blocked and 0 in blocked) and (cited := first.extras.citations):
            body["citations"] = cited
        return body

    def _finished(
        self, choice: _Choice, texts: Mapping[Channel, Cleared], own: Mapping[str, Cleared]
    ) -> dict[str, Any]:
        message = _message(choice, texts)
        calls = []
        for number, (given, kind) in enumerate(choice.calls):
            said = _function(choice, texts, f"tool:{number}:", _PARTS[kind])
            calls.append({"id": given, "type": kind, kind: said})
        if calls:
            message["tool_calls"] = calls
        if choice.legacy:
            message["function_call"] = _function(choice, texts, "function:", "arguments")
        more, logprobs = choice.extras.whole(own, own.get("content", "") == choice.content)
        return {
            "index": choice.index,
            "message": message | more,
            "logprobs": logprobs,
            "finish_reason": choice.finish,
        }

    def _blocked(self, choice: _Choice, texts: Mapping[Channel, Cleared], incident: str) -> dict[str, Any]:
        # The calls stay behind whole: half a call must not be executed.
        message = _message(choice, texts)
        message["refusal"] = refusal(self._sentence, incident)
        return {
            "index": choice.index,
            "message": message,
            "logprobs": None,
            "finish_reason": "content_filter",
            "content_filter_results": filter_results(),
        }


def _message(choice: _Choice, texts: Mapping[Channel, Cleared]) -> dict[str, Any]:
    """The texts of a message; ``content`` and ``refusal`` are null where there is none, as OpenAI's are."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for name in _FLAT:
        if said := texts.get((choice.index, name)):
            message[name] = said
    return message


def _function(
    choice: _Choice, texts: Mapping[Channel, Cleared], prefix: str, part: str
) -> dict[str, Cleared | str]:
    return {name: texts.get((choice.index, prefix + name), "") for name in ("name", part)}
