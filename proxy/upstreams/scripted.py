"""A model made of a script: a real HTTP server on loopback that says what a test told it to.

It is the only double of the test suite and the upstream of the benchmarks. ::

    async with ScriptedUpstream() as up:
        up.script(Says(Said("Hello")), Raw([b"data: {", CUT]))
        ... ask up.url ...
        assert up.received[0].body["stream"] is True

Each request takes the next reply of the script; when the script has run out, the last ``otherwise``.
May import: the ground floor. The rule that must stay true: a reply is made of the script alone; no time
passes and nothing breaks but where the script says so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Protocol

import orjson
from aiohttp import web

from proxy import sse


class Fault(Enum):
    """What can go wrong in the middle of an answer."""

    CUT = "the connection breaks"
    STALL = "nothing comes any more, until the client leaves"


CUT, STALL = Fault.CUT, Fault.STALL

Step = bytes | float | Fault
"""Bytes to send, seconds to wait, or a fault."""


class Reply(Protocol):
    """How one request is answered."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def steps(self, body: Mapping[str, Any]) -> Iterator[Step]: ...


@dataclass(frozen=True, slots=True)
class Raw:
    """The bytes themselves, in the pieces in which they are to be sent."""

    pieces: Sequence[Step]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})

    def steps(self, body: Mapping[str, Any]) -> Iterator[Step]:
        return iter(self.pieces)


@dataclass(frozen=True, slots=True)
class Said:
    """One choice: its texts, its calls (name and arguments), and how it finishes (None: not at all)."""

    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: Sequence[tuple[str, str]] = ()
    finish: str | None = "stop"


class Says:
    """A chat answer, streamed or whole as the request asks.

    ``cut``: characters of a streamed piece. ``delay``: seconds before each piece. ``usage``: whether the
    counts are sent. ``done``: whether the stream ends with ``[DONE]``. Several choices take turns.
    """

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(
        self, *choices: Said, cut: int = 5, delay: float = 0.0, usage: bool = False, done: bool = True
    ) -> None:
        self.choices = choices
        self.cut = cut
        self.delay = delay
        self.usage = usage
        self.done = done

    def steps(self, body: Mapping[str, Any]) -> Iterator[Step]:
        model = body.get("model")
        if not body.get("stream"):
            yield orjson.dumps(self.whole(model))
            return
        for chunk in self.chunks(model):
            if self.delay:
                yield self.delay
            yield sse.encode(orjson.dumps(chunk))
        if self.done:
            yield sse.DONE

    def whole(self, model: object = "scripted") -> dict[str, Any]:
        """The body of a whole answer."""
        choices = [
            {"index": index, "message": _message(said), "logprobs": None, "finish_reason": said.finish}
            for index, said in enumerate(self.choices)
        ]
        body = _envelope("chat.completion", model, choices)
        return body | {"usage": self._counts()} if self.usage else body

    def chunks(self, model: object = "scripted") -> Iterator[dict[str, Any]]:
        """The chunks of a streamed answer."""
        waiting = [(index, _deltas(said, self.cut)) for index, said in enumerate(self.choices)]
        while waiting:
            for turn in list(waiting):
                index, deltas = turn
                delta = next(deltas, None)
                finish = None
                if delta is None:
                    waiting.remove(turn)
                    finish = self.choices[index].finish
                    if finish is None:
                        continue
                choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
                yield _envelope("chat.completion.chunk", model, [choice])
        if self.usage:
            yield _envelope("chat.completion.chunk", model, []) | {"usage": self._counts()}

    def _counts(self) -> dict[str, int]:
        made = sum(len(said.content) + len(said.reasoning) for said in self.choices)
        return {"prompt_tokens": 1, "completion_tokens": made, "total_tokens": made + 1}


@dataclass(slots=True)
class Received:
    """One request as the server got it. ``left`` is set when the client closed before the end."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    left: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedUpstream:
    """The server. ``url`` is its base URL, with ``/v1``; ``received`` what it was asked."""

    def __init__(self, otherwise: Reply | Callable[[Mapping[str, Any]], Reply] | None = None) -> None:
        self.received: list[Received] = []
        self.models: Sequence[str] = ("scripted",)
        self._otherwise = otherwise
        self._script: deque[Reply] = deque()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def script(self, *replies: Reply) -> None:
        """Append replies for the requests to come."""
        self._script.extend(replies)

    async def __aenter__(self) -> ScriptedUpstream:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_route("*", "/{path:.*}", self._answer)
        # The cancellation is how a handler learns that its client has gone.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list_models(self, request: web.Request) -> web.Response:
        self._note(request, b"")
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in self.models]
        return web.json_response({"object": "list", "data": models})

    def _note(self, request: web.Request, data: bytes) -> Received:
        body = orjson.loads(data) if data else {}
        received = Received(request.method, request.path_qs, dict(request.headers), body)
        self.received.append(received)
        return received

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        received = self._note(request, await request.read())
        reply = self._next(received.body)
        response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
        if "Content-Type" not in response.headers:
            streamed = bool(received.body.get("stream"))
            response.content_type = "text/event-stream" if streamed else "application/json"
        try:
            await response.prepare(request)
            for step in reply.steps(received.body):
                await _perform(step, request, response)
            await response.write_eof()
        except (asyncio.CancelledError, ConnectionError):
            received.left.set()
            raise
        return response

    def _next(self, body: Mapping[str, Any]) -> Reply:
        if self._script:
            return self._script.popleft()
        if callable(self._otherwise):
            return self._otherwise(body)
        return self._otherwise or Raw(
            [b'{"error": {"message": "the script has ended"}}'], status=500, headers={}
        )


async def _perform(step: Step, request: web.Request, response: web.StreamResponse) -> None:
    if isinstance(step, bytes):
        await response.write(step)
    elif isinstance(step, float):
        await asyncio.sleep(step)
    elif step is STALL:
        await asyncio.Event().wait()
    elif request.transport is not None:
        request.transport.abort()
        raise ConnectionResetError("the script cut the connection")


def _envelope(kind: str, model: object, choices: list[Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 1, "model": model, "choices": choices}


def _message(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.content or None}
    if said.reasoning:
        message["reasoning_content"] = said.reasoning
    if said.refusal:
        message["refusal"] = said.refusal
    if said.calls:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for n, (name, arguments) in enumerate(said.calls)
        ]
    return message


def _deltas(said: Said, cut: int) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    texts = (("reasoning_content", said.reasoning), ("content", said.content), ("refusal", said.refusal))
    for name, text in texts:
        for piece in _pieces(text, cut):
            yield {name: piece}
    for index, (name, arguments) in enumerate(said.calls):
        head = {"name": name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": head}]}
        for piece in _pieces(arguments, cut):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _pieces(text: str, cut: int) -> Iterator[str]:
    return (text[at : at + cut] for at in range(0, len(text), cut))
