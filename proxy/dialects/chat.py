"""``/v1/chat/completions``: what a caller may ask, and what in a request are its own words.

Unknown request fields are passed on: servers have many, and a request holds nothing of the training
set. Refused is only what would make the model answer in a form that no guard can read.

May import: the ground floor and this room. The rule that must stay true: no policy stands here; whether
log-probabilities are allowed, and whose words count, is told from outside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.dialects.chat_plain import ChatPlain
from proxy.dialects.chat_stream import ChatStream
from proxy.errors import RequestError
from proxy.jsontext import JsonCells

_MOST_CHOICES = 128
_LONGEST_MODEL = 256
_APPLICATION = ("system", "developer")
"""The roles under which an application speaks; tools and schemas are its words too."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request that has been checked; ``body`` is what goes to the upstream."""

    body: Mapping[str, Any]
    model: str
    stream: bool
    choices: int
    include_usage: bool
    json_output: bool
    allow_logprobs: bool

    def own_words(self, roles: Collection[str]) -> tuple[str, ...]:
        """The texts of the messages under one of ``roles``, and what was sent beside the messages.

        The assistant's messages never count, even when they are asked for: a caller could put the
        beginning of a protected text into the model's mouth. Tools, functions and the schema of the
        answer count under ``system`` and ``developer``, a predicted output under ``user``. A text
        that is JSON with escapes counts as it stands and decoded.
        """
        found: list[str] = []
        for message in self.body["messages"]:
            if message["role"] in roles and message["role"] != "assistant":
                found += _parts(message.get("content"))
                if isinstance(message.get("name"), str):
                    found.append(message["name"])
        if "user" in roles and isinstance(self.body.get("prediction"), dict):
            found += _parts(self.body["prediction"].get("content"))
        if any(role in roles for role in _APPLICATION):
            for tool in (*_list(self.body.get("tools")), *_list(self.body.get("functions"))):
                found.append("\n".join(_strings(tool)))
            found.append("\n".join(_strings(self.body.get("response_format"))))
        decoded = (_decoded(text) for text in found)
        return tuple(text for pair in zip(found, decoded, strict=True) for text in pair if text)

    def is_json(self, channel: str) -> bool:
        """Whether a channel's text is JSON: the arguments of calls, and structured output."""
        return channel.endswith(":arguments") or (self.json_output and channel == "content")

    def streamed(self, answer_id: str, sentence: str) -> ChatStream:
        """Reads and writes the streamed answer; see ``StreamedAnswer``."""
        return ChatStream(
            choices=self.choices,
            model=self.model,
            allow_logprobs=self.allow_logprobs,
            answer_id=answer_id,
            sentence=sentence,
        )

    def whole(self, body: object, answer_id: str, sentence: str) -> ChatPlain:
        """Reads and writes the whole answer; see ``PlainAnswer``."""
        return ChatPlain(
            body,
            choices=self.choices,
            model=self.model,
            allow_logprobs=self.allow_logprobs,
            answer_id=answer_id,
            sentence=sentence,
        )


def request(body: object, *, allow_logprobs: bool) -> ChatRequest:
    """Check a body. Raises ``RequestError``, which names the field (``param``) and what is wrong."""
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= _LONGEST_MODEL:
        raise _wrong("model", f"must be the name of a model, a string of 1 to {_LONGEST_MODEL} characters")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _wrong("messages", "must be a list of at least one message")
    for number, message in enumerate(messages):
        _check_message(f"messages[{number}]", message)
    if not allow_logprobs and (
        body.get("logprobs") not in (None, False) or body.get("top_logprobs") not in (None, 0)
    ):
        # They spell the answer, and what else the model would have said in its place.
        raise _wrong("logprobs", "cannot be given to this key: they spell out the answer unchecked")
    if any(kind != "text" for kind in _list(body.get("modalities"))):
        raise _wrong("modalities", 'can only be ["text"]: other output cannot be checked')
    options = _object(body, "stream_options")
    return ChatRequest(
        body=body,
        model=model,
        stream=_flag(body, "stream"),
        choices=_number_of_choices(body.get("n")),
        include_usage=options.get("include_usage") is True,
        json_output=_wants_json(body),
        allow_logprobs=allow_logprobs,
    )


def _wrong(field: str, what: str) -> RequestError:
    return RequestError(f"'{field}' {what}.", param=field)


def _check_message(where: str, message: object) -> None:
    if not isinstance(message, dict):
        raise _wrong(where, "must be an object")
    if not isinstance(message.get("role"), str):
        raise _wrong(f"{where}.role", "must be a string, such as 'user'")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _wrong(f"{where}.content", "must be a string or a list of parts")
    for number, part in enumerate(content):
        if not isinstance(part, (dict, str)):
            raise _wrong(f"{where}.content[{number}]", "must be an object")


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _wrong(name, "must be true or false")


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(name, "must be an object")
    return value


def _number_of_choices(value: object) -> int:
    if value is None:
        return 1
    if type(value) is not int or not 1 <= value <= _MOST_CHOICES:
        raise _wrong("n", f"must be a whole number from 1 to {_MOST_CHOICES}")
    return value


def _wants_json(body: Mapping[str, Any]) -> bool:
    """OpenAI's ``response_format`` and what vLLM and llama.cpp have beside it."""
    if _object(body, "response_format").get("type") in ("json_object", "json_schema"):
        return True
    outputs = body.get("structured_outputs")
    return bool(
        body.get("guided_json")
        or body.get("json_schema")
        or (isinstance(outputs, dict) and (outputs.get("json") or outputs.get("json_object")))
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _parts(content: object) -> Iterator[str]:
    """The texts of a message's content: itself, or those of its text parts."""
    if isinstance(content, str):
        yield content
    for part in _list(content):
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]


def _strings(value: object) -> Iterator[str]:
    """Every string in a JSON value, names of members included, in order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, dict):
            waiting += [part for pair in reversed(item.items()) for part in reversed(pair)]


def _decoded(text: str) -> str:
    r"""What a JSON text says, where its escapes hide it: a tool's answer is often ``{"a": "\u4e2d"}``."""
    if "\\" not in text or not text.lstrip().startswith(("{", "[", '"')):
        return ""
    cells = JsonCells()
    said = cells.feed(text) + cells.finish()
    return said if said != text else ""
