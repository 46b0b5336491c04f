"""Every provider that does not speak OpenAI's API, through the litellm library: Anthropic, Bedrock, Vertex …

The library is imported when the first such server is set up: it takes seconds and much memory.

May import: the ground floor and this room. The rules that must stay true: of a caller's request only the
fields that OpenAI's API has reach the library, whose functions would take addresses, keys and mock answers
from others; what fails raises ``UpstreamError`` in our own words.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from proxy import sse
from proxy.errors import ConfigError, UpstreamError

_CHAT = frozenset(
    {
        "messages", "temperature", "top_p", "n", "stream", "stream_options", "stop", "max_tokens",
        "max_completion_tokens", "presence_penalty", "frequency_penalty", "logit_bias", "user",
        "response_format", "seed", "tools", "tool_choice", "parallel_tool_calls", "functions",
        "function_call", "logprobs", "top_logprobs", "reasoning_effort", "prediction", "modalities",
        "thinking", "verbosity", "service_tier",
    }
)  # fmt: skip
_TEXT = frozenset(
    {
        "prompt", "suffix", "echo", "best_of", "temperature", "top_p", "n", "stream", "stream_options",
        "stop", "max_tokens", "presence_penalty", "frequency_penalty", "logit_bias", "user", "seed",
        "logprobs",
    }
)  # fmt: skip
_RESPONSE = frozenset(
    {
        "input", "instructions", "include", "max_output_tokens", "max_tool_calls", "metadata",
        "parallel_tool_calls", "previous_response_id", "reasoning", "store", "stream", "temperature", "text",
        "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user", "service_tier",
    }
)  # fmt: skip
_EMBEDDING = frozenset({"input", "dimensions", "encoding_format", "user"})
_CALLS: Mapping[str, tuple[str, frozenset[str]]] = {
    "/chat/completions": ("acompletion", _CHAT),
    "/completions": ("atext_completion", _TEXT),
    "/responses": ("aresponses", _RESPONSE),
    "/embeddings": ("aembedding", _EMBEDDING),
}
_KEPT = {
    400: "The model server found the request invalid.",
    404: "The model server does not know this model or path.",
    413: "The request is too large for the model server.",
    422: "The model server found the request invalid.",
    429: "The model server is busy or its quota is used up.",
}


class LiteLLMUpstream:
    """A client of one provider's model; ``model`` as litellm spells it, such as ``anthropic/claude-x``.

    ``key`` and ``base_url`` where the provider needs them: others are read from the environment by the
    library. ``first_byte`` and ``idle`` are seconds. Raises ``ConfigError`` where the library is missing.
    """

    def __init__(
        self,
        model: str,
        *,
        key: str | None = None,
        base_url: str | None = None,
        first_byte: float = 600.0,
        idle: float = 120.0,
    ) -> None:
        self._library = _library()
        self._model = model
        self._access = {
            name: value for name, value in (("api_key", key), ("api_base", base_url)) if value is not None
        }
        self._first_byte, self._idle = first_byte, idle

    @asynccontextmanager
    async def open(self, path: str, body: Mapping[str, Any], *, stream: bool) -> AsyncIterator[LibraryAnswer]:
        """Ask for what is POSTed to ``path``, such as ``/chat/completions``."""
        if path not in _CALLS:
            raise UpstreamError("The model server does not know this path.", status=404, where="status")
        name, known = _CALLS[path]
        asked = {field: value for field, value in body.items() if field in known}
        try:
            async with asyncio.timeout(self._first_byte):
                made = await getattr(self._library, name)(
                    model=self._model, drop_params=True, num_retries=0, **self._access, **asked
                )
        except Exception as failure:  # whatever the library raises, its words stay here
            raise _failed(failure) from None
        answer = LibraryAnswer(made, stream, first_byte=self._first_byte, idle=self._idle)
        try:
            yield answer
        finally:
            await answer.close()

    async def models(self) -> tuple[str, ...]:
        return (self._model,)

    async def close(self) -> None:
        """The library keeps its own connections."""


class LibraryAnswer:
    """What the library gave: chunks that come, or a whole answer."""

    def __init__(self, made: Any, stream: bool, *, first_byte: float, idle: float) -> None:
        self._made = made
        self._chunks = made.__aiter__() if stream else None
        self._first_byte, self._idle = first_byte, idle
        self._first: bytes | None = None

    async def begin(self) -> None:
        if self._chunks is not None:
            self._first = await self._next(self._first_byte)

    async def stream(self) -> AsyncIterator[bytes]:
        """Its chunks as events, each as it comes."""
        data = await self._next(self._first_byte) if self._first is None else self._first
        while data:
            yield data
            data = await self._next(self._idle)
        yield sse.DONE

    async def gather(self, seconds: float) -> None:
        """Nothing comes from the library before it is asked for: there is nothing to wait for."""

    async def _next(self, wait: float) -> bytes:
        """The next chunk as an event; empty at the end."""
        assert self._chunks is not None
        try:
            async with asyncio.timeout(wait):
                chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return b""
        except Exception as failure:  # as in open
            raise _failed(failure) from None
        return sse.encode(orjson.dumps(_plain(chunk)))

    async def json(self) -> Any:
        return _plain(self._made)

    async def close(self) -> None:
        """Hang up, so that the provider learns that it can stop."""
        close = getattr(self._chunks, "aclose", None) or getattr(self._made, "aclose", None)
        if close is not None:
            try:
                await close()
            except Exception as failure:
                raise _failed(failure) from None


def _plain(made: Any) -> Any:
    """A model of the library as JSON values; what is no JSON value is an error of reading."""
    dumped = made.model_dump(mode="json", exclude_none=True) if hasattr(made, "model_dump") else made
    if not isinstance(dumped, dict):
        raise UpstreamError("The model server's answer cannot be read.", where="answer")
    return dumped


def _failed(failure: Exception) -> UpstreamError:
    """Our words for what the library raised."""
    if isinstance(failure, UpstreamError):
        return failure
    if isinstance(failure, TimeoutError):
        return UpstreamError("The model server did not answer in time.", status=504, where="timeout")
    status = getattr(failure, "status_code", None)
    if status in (401, 403):
        return UpstreamError("The model server did not accept the proxy's key.", where="status")
    if isinstance(status, int) and status in _KEPT:
        return UpstreamError(_KEPT[status], status=status, where="status")
    if type(failure).__name__ in ("APIConnectionError", "Timeout"):
        return UpstreamError("The model server cannot be reached.", where="connect")
    if isinstance(status, int):
        return UpstreamError("The model server answered with an error.", where="status")
    return UpstreamError("The model server's answer cannot be read.", where="answer")


def _library() -> Any:
    # Before the import: the library would fetch a list of prices from the network, and report home.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm
    except ImportError:
        raise ConfigError("kind litellm: the litellm package is not installed") from None
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    return litellm
