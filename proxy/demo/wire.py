"""OpenAI's chat completions on the wire, as far as the demo's endpoint speaks it: requests in, objects out.

Shapes: the OpenAI API reference, ``chat.completion`` and ``chat.completion.chunk``.

May import: ``proxy.errors`` and this room. The rule that must stay true: a request that cannot be served as
it was meant is refused with ``RequestError``; fields a small model has no use for are ignored.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.demo.language_model import Piece
from proxy.demo.questions import MODEL_NAME
from proxy.demo.tokens import Message
from proxy.errors import RequestError

DEFAULT_TEMPERATURE = 0.7
"""When a request names none. Sampled, but an over-fitted model still recites."""
_MOST_CHOICES = 16
_ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked request: ``tools`` are the names of the tools the model may call."""

    messages: tuple[Message, ...]
    choices: int
    temperature: float
    max_tokens: int | None
    seed: int | None
    tools: frozenset[str]
    stream: bool
    include_usage: bool


def read_request(raw: bytes) -> ChatRequest:
    """Read a request's body. Raises ``RequestError`` (400, or 404 for another model's name)."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RequestError("The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    if body.get("model") != MODEL_NAME:
        message = f"The model does not exist. This endpoint serves '{MODEL_NAME}'."
        raise RequestError(message, status=404, code="model_not_found", param="model")
    longest = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    options = body.get("stream_options")
    return ChatRequest(
        messages=_messages(body.get("messages")),
        choices=_whole(body, "n", 1, _MOST_CHOICES) or 1,
        temperature=_temperature(body.get("temperature")),
        max_tokens=_whole(body, longest, 1, None),
        seed=_whole(body, "seed", None, None),
        tools=_tools(body),
        stream=body.get("stream") is True,
        include_usage=isinstance(options, Mapping) and options.get("include_usage") is True,
    )


def _messages(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise RequestError("'messages' must be a list with at least one message.", param="messages")
    for place, message in enumerate(value):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise RequestError(f"'{where}.role' must be one of: {', '.join(_ROLES)}.", param=where)
        if not isinstance(message.get("content"), str | list | None):
            raise RequestError(f"'{where}.content' must be a string or a list of parts.", param=where)
        calls = message.get("tool_calls")
        if calls is not None and not (isinstance(calls, list) and all(map(_is_call, calls))):
            raise RequestError(f"'{where}.tool_calls' must be a list of function calls.", param=where)
    return tuple(value)


def _is_call(value: Any) -> bool:
    function = value.get("function") if isinstance(value, dict) else None
    return isinstance(function, dict) and "name" in function and "arguments" in function


def _whole(body: Mapping[str, Any], key: str, least: int | None, most: int | None) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError(f"'{key}' must be a whole number.", param=key)
    if (least is not None and value < least) or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"from {least} to {most}"
        raise RequestError(f"'{key}' must be {limits}.", param=key)
    return value


def _temperature(value: Any) -> float:
    if value is None:
        return DEFAULT_TEMPERATURE
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise RequestError("'temperature' must be a number from 0 to 2.", param="temperature")
    return float(value)


def _tools(body: Mapping[str, Any]) -> frozenset[str]:
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise RequestError("'tools' must be a list.", param="tools")
    if body.get("tool_choice") == "none":
        return frozenset()
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    return frozenset(str(function.get("name")) for function in functions if isinstance(function, dict))


@dataclass(frozen=True, slots=True)
class Reply:
    """The frame of one answer: its id, its time, and how many tokens were asked."""

    id: str
    created: int
    prompt_tokens: int

    @classmethod
    def to(cls, prompt_tokens: int) -> Reply:
        return cls(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), prompt_tokens)

    def _object(self, kind: str, choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created, "model": MODEL_NAME}
        return {**head, "choices": choices}

    def usage(self, completion_tokens: int) -> dict[str, int]:
        """The counts of tokens, the asked and the answered."""
        asked = self.prompt_tokens
        total = asked + completion_tokens
        return {"prompt_tokens": asked, "completion_tokens": completion_tokens, "total_tokens": total}

    def chunk(self, choice: int, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        """One event of a stream."""
        state = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._object("chat.completion.chunk", [state])

    def usage_chunk(self, completion_tokens: int) -> dict[str, Any]:
        """The last event of a stream whose caller asked for the usage: no choices."""
        return {**self._object("chat.completion.chunk", []), "usage": self.usage(completion_tokens)}

    def whole(self, answers: Sequence[Iterable[Piece]]) -> dict[str, Any]:
        """A plain answer with a choice for each of ``answers``."""
        choices, tokens = [], 0
        for index, answer in enumerate(answers):
            pieces = list(answer)
            tokens += len(pieces) - 1
            state = {"index": index, "message": _message(pieces), "logprobs": None}
            choices.append({**state, "finish_reason": pieces[-1].text})
        return {**self._object("chat.completion", choices), "usage": self.usage(tokens)}


def _message(pieces: Sequence[Piece]) -> dict[str, Any]:
    deltas = Deltas()
    content, calls = "", []
    for piece in pieces:
        delta = deltas.of(piece)
        content += delta.get("content", "")
        for call in delta.get("tool_calls", ()):
            if "id" in call:
                calls.append({"id": call["id"], "type": call["type"], "function": dict(call["function"])})
            else:
                calls[-1]["function"]["arguments"] += call["function"]["arguments"]
    message: dict[str, Any] = {"role": "assistant", "content": content or None, "refusal": None}
    return {**message, "tool_calls": calls} if calls else message


class Deltas:
    """Turns the pieces of one choice into the ``delta`` objects of a stream."""

    def __init__(self) -> None:
        self._calls = 0

    def of(self, piece: Piece) -> dict[str, Any]:
        """The delta of a piece; empty for a piece without text and for the end."""
        if piece.channel == "name":
            self._calls += 1
            function = {"name": piece.text, "arguments": ""}
            head = {"index": self._calls - 1, "id": f"call_{uuid.uuid4().hex[:24]}", "type": "function"}
            return {"tool_calls": [{**head, "function": function}]}
        if piece.channel == "arguments":
            return {"tool_calls": [{"index": self._calls - 1, "function": {"arguments": piece.text}}]}
        return {"content": piece.text} if piece.channel == "content" and piece.text else {}
