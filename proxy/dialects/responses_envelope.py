"""What stands around the items of an answer of ``/v1/responses``.

The format repeats much of the request: instructions, tools, the schema of the answer. All that is written
from the caller's own request, never from the upstream's answer.

May import: the ground floor and this room. The rule that must stay true: of the upstream's answer only a
sealed id, a time, the model's name, counts and words of closed sets are written. (The id is the upstream's,
sealed, because a caller may go on from it: ``previous_response_id``.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.dialects import fields
from proxy.dialects.ids import AnswerIds
from proxy.errors import UpstreamError

BODY = frozenset(
    {
        "id", "object", "created_at", "completed_at", "status", "background", "error", "incomplete_details",
        "instructions", "max_output_tokens", "max_tool_calls", "model", "output", "output_text",
        "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "reasoning",
        "safety_identifier", "service_tier", "store", "temperature", "text", "tool_choice", "tools",
        "top_logprobs", "top_p", "truncation", "usage", "user", "metadata", "conversation",
        "frequency_penalty", "presence_penalty", "prompt_cache_retention", "billing",
    }
)  # fmt: skip
"""Members whose loss is no loss: they are written anew, or repeat the request."""

_REPEATED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_REASONS = frozenset({"max_output_tokens", "content_filter"})


class Envelope:
    """The answer but for its items; it follows what the upstream says of itself."""

    def __init__(self, asked: Mapping[str, Any], model: str, ids: AnswerIds) -> None:
        self._asked = asked
        self._model = model
        self._id = ""
        self.ids = ids
        self._head = fields.envelope({}, "response", ids, model, [])
        self.usage: dict[str, Any] | None = None

    def follow(self, answer: Mapping[str, Any], dropped: list[str]) -> None:
        """Take over id, time, model and counts. ``UpstreamError`` where the answer reports an error."""
        fields.left_behind(answer, BODY, dropped)
        if answer.get("error") or answer.get("status") in ("failed", "cancelled"):
            raise UpstreamError("The model server reported an error.", where="answer")
        given = dict(answer) | {"created": answer.get("created_at")}
        if type(created := given["created"]) is float:
            given["created"] = int(created) if 0 <= created < 2**53 else None
        self._head = fields.envelope(given, "response", self.ids, self._model, dropped)
        if not self._id and answer.get("id"):  # the first that comes: it is said from the first event on
            self._id = self.ids.of(answer["id"], "resp_", "answer", "id", dropped)
        self.usage = fields.usage(answer.get("usage"), dropped) or self.usage

    @staticmethod
    def incomplete(answer: Mapping[str, Any]) -> str | None:
        """Why an answer is not complete, where it says so; a word that nobody knows becomes the commonest."""
        if answer.get("status") != "incomplete":
            return None
        reason = fields.mapping(answer.get("incomplete_details"), "incomplete_details").get("reason")
        return reason if isinstance(reason, str) and reason in _REASONS else "max_output_tokens"

    def written(
        self,
        status: str,
        output: Sequence[dict[str, Any]] = (),
        *,
        incomplete: str | None = None,
        error: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        head = self._head
        made: dict[str, Any] = {
            "id": self._id or head["id"],
            "object": head["object"],
            "created_at": head["created"],
            "status": status,
            "error": error,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "output": list(output),
            **{name: value for name, value in head.items() if name not in ("id", "object", "created")},
            "usage": self.usage if status in ("completed", "incomplete") else None,
        }
        for name, usual in _REPEATED.items():
            given = self._asked.get(name)
            made[name] = usual if given is None else given
        return made
