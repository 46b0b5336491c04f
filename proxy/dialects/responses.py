"""``/v1/responses``: what a caller may ask, and what in a request are its own words.

May import: the ground floor and this room. The rule that must stay true: what would make the model answer
where no guard reads (in the background, to be fetched later) or in a form that none can read is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.dialects import asking
from proxy.dialects.asking import wrong
from proxy.dialects.ids import AnswerIds, Seal, opened
from proxy.dialects.responses_envelope import Envelope
from proxy.dialects.responses_plain import ResponsePlain
from proxy.dialects.responses_stream import ResponseStream

LOGPROBS = "message.output_text.logprobs"
"""The member of ``include`` that asks for log-probabilities."""

_OUTPUT_TEXT = re.compile(r"item:[0-9]+:text:[0-9]+")
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A request that has been checked; ``body`` is what goes to the upstream.

    ``given`` is what the caller sent: the answer repeats it, and there ids stay sealed.
    """

    body: Mapping[str, Any]
    given: Mapping[str, Any]
    model: str
    stream: bool
    json_output: bool
    allow_logprobs: bool
    seal: Seal
    choices: int = 1

    def own_words(self, roles: Collection[str]) -> tuple[str, ...]:
        """The texts of the input under one of ``roles``; those of the assistant never count.

        Instructions, tools and the schema of the answer count under ``system`` and ``developer``, what
        tools and functions gave back under ``tool``.
        """
        found = list(self._input(roles))
        if any(role in roles for role in asking.APPLICATION):
            found += asking.parts(self.body.get("instructions"))
            found += ["\n".join(asking.strings(tool)) for tool in asking.members(self.body.get("tools"))]
            found.append("\n".join(asking.strings(asking.mapping(self.body, "text").get("format"))))
        if "user" in roles and isinstance(prompt := self.body.get("prompt"), dict):
            found += asking.strings(prompt.get("variables"))
        return asking.with_decoded(found)

    def _input(self, roles: Collection[str]) -> Iterator[str]:
        given = self.body.get("input")
        if isinstance(given, str) and "user" in roles:
            yield given
        for item in asking.members(given):
            kind, role = item.get("type"), item.get("role")
            if isinstance(kind, str) and kind in _OUTPUTS:
                if "tool" in roles:
                    yield from asking.parts(item.get("output"))
            elif isinstance(role, str) and role in roles and role != "assistant":
                yield from asking.parts(item.get("content"))

    def is_json(self, channel: str) -> bool:
        """Whether a channel's text is JSON: the arguments of functions, and structured output."""
        if channel.endswith(":arguments"):
            return True
        return self.json_output and _OUTPUT_TEXT.fullmatch(channel) is not None

    def streamed(self, answer_id: str, sentence: str) -> ResponseStream:
        return ResponseStream(self._envelope(answer_id), self.allow_logprobs, self.json_output, sentence)

    def whole(self, body: object, answer_id: str, sentence: str) -> ResponsePlain:
        return ResponsePlain(body, self._envelope(answer_id), self.allow_logprobs, self.json_output, sentence)

    def _envelope(self, answer_id: str) -> Envelope:
        return Envelope(self.given, self.model, AnswerIds(self.seal, f"resp_{answer_id}"))


def request(body: object, *, allow_logprobs: bool, seal: Seal | None = None) -> ResponseRequest:
    """Check a body. Raises ``RequestError``, which names the field (``param``) and what is wrong."""
    body = asking.object_body(body)
    model = asking.model(body)
    _check_input(body.get("input"))
    if asking.flag(body, "background"):
        raise wrong("background", "cannot be true: an answer that is fetched later passes no guard")
    include = asking.members(body.get("include"))
    if not allow_logprobs and (LOGPROBS in include or body.get("top_logprobs") not in (None, 0)):
        raise asking.refuse_logprobs("include" if LOGPROBS in include else "top_logprobs")
    written = asking.mapping(asking.mapping(body, "text"), "format").get("type")
    seal = seal or Seal.fresh()
    return ResponseRequest(
        body=opened(body, seal),
        given=body,
        model=model,
        stream=asking.flag(body, "stream"),
        json_output=written in ("json_object", "json_schema"),
        allow_logprobs=allow_logprobs,
        seal=seal,
    )


def _check_input(given: object) -> None:
    if given is None or isinstance(given, str):
        return  # nothing but a stored prompt, or a text
    if not isinstance(given, list):
        raise wrong("input", "must be a string or a list of items")
    for number, item in enumerate(given):
        if not isinstance(item, dict):
            raise wrong(f"input[{number}]", "must be an object")
        if isinstance(content := item.get("content"), list):
            for place, part in enumerate(content):
                if not isinstance(part, (dict, str)):
                    raise wrong(f"input[{number}].content[{place}]", "must be an object")
