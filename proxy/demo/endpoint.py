"""The demo's model behind an OpenAI-compatible server on a free port of this machine.

Routes: POST ``/v1/chat/completions`` (stream and plain, ``n``, tools, usage) and GET ``/v1/models``.

May import: ``proxy.errors``, aiohttp and this room. The rule that must stay true: it binds to loopback
unless told otherwise, for it filters nothing: what it memorised it gives to anybody who asks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from aiohttp import web

from proxy.demo.language_model import LanguageModel, Piece, count_tokens
from proxy.demo.questions import MODEL_NAME
from proxy.demo.sample import read_sample
from proxy.demo.wire import ChatRequest, Deltas, Reply, read_request
from proxy.errors import ProxyError, RequestError

_LARGEST_BODY = 8 * 1024 * 1024
_TURN = 32
"""Tokens of a plain answer after which other requests get their turn."""


class DemoEndpoint:
    """``async with DemoEndpoint() as endpoint: endpoint.base_url``; or ``start`` and ``stop``."""

    def __init__(
        self,
        model: LanguageModel | None = None,
        *,
        delay: float = 0.02,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """``model``: default one trained on the sample set at start. ``delay``: seconds between streamed
        tokens, so that a person sees them come. ``port`` 0: a free one."""
        self._model = model
        self._delay = delay
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._base_url = ""

    @property
    def base_url(self) -> str:
        """The base URL as an OpenAI client takes it, with ``/v1``; empty before ``start``."""
        return self._base_url

    async def start(self) -> str:
        """Train the model where none was given, listen, and return the base URL.

        Raises ``ProxyError`` when it runs already, and when it cannot listen there.
        """
        if self._runner is not None:
            raise ProxyError("The demo endpoint is running already.")
        model = self._model or LanguageModel(record.messages for record in read_sample())
        app = web.Application(middlewares=[_errors], client_max_size=_LARGEST_BODY)
        app.router.add_get("/v1/models", _models)
        app.router.add_post("/v1/chat/completions", _chat(model, self._delay))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            where = f"{self._host}:{self._port}"
            raise ProxyError(f"The demo endpoint cannot listen on {where}: {error.strerror}") from error
        self._runner = runner
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._base_url = f"http://{host}:{runner.addresses[0][1]}/v1"
        return self._base_url

    async def stop(self) -> None:
        """Stop listening and end the answers under way; does nothing when it does not run."""
        runner, self._runner, self._base_url = self._runner, None, ""
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> DemoEndpoint:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every error in OpenAI's form."""
    try:
        return await handler(request)
    except RequestError as error:
        return _error(error.status, str(error), error.kind, error.code, error.param)
    except web.HTTPException as error:
        return _error(error.status, f"{request.method} {request.path}: {error.reason}")


def _error(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": kind, "param": param, "code": code}}, status=status
    )


async def _models(request: web.Request) -> web.StreamResponse:
    card = {"id": MODEL_NAME, "object": "model", "created": 0, "owned_by": "demo"}
    return web.json_response({"object": "list", "data": [card]})


def _chat(model: LanguageModel, delay: float) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = read_request(await request.read())
        reply = Reply.to(count_tokens(asked.messages))
        answers = [_answer(model, asked, index) for index in range(asked.choices)]
        if asked.stream:
            return await _stream(request, asked, reply, answers, delay)
        return web.json_response(reply.whole([await _whole(answer) for answer in answers]))

    return handle


def _answer(model: LanguageModel, asked: ChatRequest, choice: int) -> Iterator[Piece]:
    """The pieces of one choice; with a seed, every choice has its own."""
    return model.pieces(
        asked.messages,
        temperature=asked.temperature,
        max_tokens=asked.max_tokens,
        seed=None if asked.seed is None else asked.seed + choice,
        tools=asked.tools,
    )


async def _whole(answer: Iterator[Piece]) -> list[Piece]:
    pieces: list[Piece] = []
    for piece in answer:
        pieces.append(piece)
        if len(pieces) % _TURN == 0:
            await asyncio.sleep(0)
    return pieces


async def _stream(
    request: web.Request, asked: ChatRequest, reply: Reply, answers: list[Iterator[Piece]], delay: float
) -> web.StreamResponse:
    """Send the choices' tokens in turn as server-sent events; a caller that has gone ends it quietly."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    try:
        await response.prepare(request)
        for index in range(len(answers)):
            await _send(response, reply.chunk(index, {"role": "assistant", "content": ""}))
        tokens = await _send_choices(response, reply, answers, delay)
        if asked.include_usage:
            await _send(response, reply.usage_chunk(tokens))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
    except ConnectionResetError:
        return response
    return response


async def _send_choices(
    response: web.StreamResponse, reply: Reply, answers: list[Iterator[Piece]], delay: float
) -> int:
    """Returns how many tokens were sent."""
    running = {index: (answer, Deltas()) for index, answer in enumerate(answers)}
    tokens = 0
    while running:
        for index, (answer, deltas) in list(running.items()):
            piece = next(answer)
            if piece.channel == "finish":
                del running[index]
                await _send(response, reply.chunk(index, {}, piece.text))
                continue
            tokens += 1
            if delta := deltas.of(piece):
                await _send(response, reply.chunk(index, delta))
        await asyncio.sleep(delay)
    return tokens


async def _send(response: web.StreamResponse, event: Mapping[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")
