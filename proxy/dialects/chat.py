"""``/v1/chat/completions``: what a caller may ask, and what in a request are its own words.

Unknown request fields are passed on: servers have many, and a request holds nothing of the training
set. Refused is only what would make the model answer in a form that no guard can read.

May import: the ground floor and this room. The rule that must stay true: no policy stands here; whether
log-probabilities are allowed, and whose words count, is told from outside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.dialects import asking
from proxy.dialects.asking import wrong
from proxy.dialects.chat_plain import ChatPlain
from proxy.dialects.chat_stream import ChatStream
from proxy.dialects.ids import AnswerIds, Seal, opened


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
    seal: Seal

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
                found += asking.parts(message.get("content"))
                if isinstance(message.get("name"), str):
                    found.append(message["name"])
        if "user" in roles and isinstance(self.body.get("prediction"), dict):
            found += asking.parts(self.body["prediction"].get("content"))
        if any(role in roles for role in asking.APPLICATION):
            tools = (*asking.members(self.body.get("tools")), *asking.members(self.body.get("functions")))
            for tool in tools:
                found.append("\n".join(asking.strings(tool)))
            found.append("\n".join(asking.strings(self.body.get("response_format"))))
        return asking.with_decoded(found)

    def is_json(self, channel: str) -> bool:
        """Whether a channel's text is JSON: the arguments of calls, and structured output."""
        return channel.endswith(":arguments") or (self.json_output and channel == "content")

    def streamed(self, answer_id: str, sentence: str) -> ChatStream:
        """Reads and writes the streamed answer; see ``StreamedAnswer``."""
        return ChatStream(
            choices=self.choices,
            model=self.model,
            allow_logprobs=self.allow_logprobs,
            ids=self._ids(answer_id),
            sentence=sentence,
            include_usage=self.include_usage,
        )

    def whole(self, body: object, answer_id: str, sentence: str) -> ChatPlain:
        """Reads and writes the whole answer; see ``PlainAnswer``."""
        return ChatPlain(
            body,
            choices=self.choices,
            model=self.model,
            allow_logprobs=self.allow_logprobs,
            ids=self._ids(answer_id),
            sentence=sentence,
        )

    def _ids(self, answer_id: str) -> AnswerIds:
        return AnswerIds(self.seal, f"chatcmpl-{answer_id}")


def request(body: object, *, allow_logprobs: bool, seal: Seal | None = None) -> ChatRequest:
    """Check a body. Raises ``RequestError``, which names the field (``param``) and what is wrong."""
    seal = seal or Seal.fresh()
    body = asking.object_body(body)
    model = asking.model(body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise wrong("messages", "must be a list of at least one message")
    for number, message in enumerate(messages):
        _check_message(f"messages[{number}]", message)
    if not allow_logprobs and (
        body.get("logprobs") not in (None, False) or body.get("top_logprobs") not in (None, 0)
    ):
        raise asking.refuse_logprobs()
    if any(kind != "text" for kind in asking.members(body.get("modalities"))):
        raise wrong("modalities", 'can only be ["text"]: other output cannot be checked')
    options = asking.mapping(body, "stream_options")
    return ChatRequest(
        body=opened(body, seal),
        model=model,
        stream=asking.flag(body, "stream"),
        choices=asking.number(body, "n"),
        include_usage=options.get("include_usage") is True,
        json_output=asking.wants_json(body),
        allow_logprobs=allow_logprobs,
        seal=seal,
    )


def _check_message(where: str, message: object) -> None:
    if not isinstance(message, dict):
        raise wrong(where, "must be an object")
    if not isinstance(message.get("role"), str):
        raise wrong(f"{where}.role", "must be a string, such as 'user'")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise wrong(f"{where}.content", "must be a string or a list of parts")
    for number, part in enumerate(content):
        if not isinstance(part, (dict, str)):
            raise wrong(f"{where}.content[{number}]", "must be an object")
