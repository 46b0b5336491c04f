"""Chunks of a streamed chat answer, as a model's server writes them."""

from __future__ import annotations

from typing import Any

from proxy.dialects import chat
from proxy.dialects.chat_stream import ChatStream
from tests.dialects.driving import SEAL

SENTENCE = "This answer was stopped."
STOPPED = "This answer was stopped. (incident inc-1)"
MODEL = "asked-2024-08-06"


def stream(n: int = 1, *, allow_logprobs: bool = False, include_usage: bool = True) -> ChatStream:
    body: dict[str, Any] = {
        "model": "asked",
        "stream": True,
        "n": n,
        "messages": [{"role": "user", "content": "?"}],
    }
    body["stream_options"] = {"include_usage": include_usage}
    return chat.request(body, allow_logprobs=allow_logprobs, seal=SEAL).streamed("ours", SENTENCE)


def chunk(*choices: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": MODEL}
    return given | {"choices": list(choices)} | fields


def say(delta: dict[str, Any], index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return chunk({"index": index, "delta": delta, "finish_reason": finish, **fields})


def call(index: int | None = 0, **said: Any) -> dict[str, Any]:
    """A delta of one tool call; ``id``, ``type``, ``name``, ``arguments`` where given."""
    made: dict[str, Any] = {} if index is None else {"index": index}
    made |= {name: said.pop(name) for name in ("id", "type") if name in said}
    return {"tool_calls": [made | {"function": said}]}


ROLE = {"role": "assistant", "content": ""}
ARGUMENTS = '{"city": "中文", "n": 12}'
SECRET = "The secret is 12345 and it is long."
