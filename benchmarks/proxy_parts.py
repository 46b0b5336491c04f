"""The processes beside the proxy in ``benchmarks.proxy``: a model's server, and a proxy that guards nothing.

``python -m benchmarks.proxy_parts upstream PORT TEXTS`` answers chat requests: with the text, the characters
of a piece and the pieces a second that the last message names (``say NUMBER PIECE RATE``).
``python -m benchmarks.proxy_parts passthrough PORT URL`` is the product's own server and upstream client
with nothing between them: bytes in, bytes out. It exists to be compared with and is no part of the product.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from proxy import sse


def chunks(text: str, size: int) -> list[bytes]:
    """A streamed answer, event by event."""

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        body = {
            "id": "chatcmpl-benchmark", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
            "choices": [choice],
        }  # fmt: skip
        return sse.encode(orjson.dumps(body))

    pieces = [event({"content": text[at : at + size]}) for at in range(0, len(text), size)]
    return [event({"role": "assistant", "content": ""}), *pieces, event({}, "stop"), sse.DONE]


def whole(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": len(text) // 4, "total_tokens": 9 + len(text) // 4}
    body = {"id": "chatcmpl-benchmark", "object": "chat.completion", "created": 1, "model": "scripted"}
    return orjson.dumps(body | {"choices": [choice], "usage": usage})


def upstream(port: int, texts: list[str]) -> None:
    """A model's server that has its answers ready."""
    ready: dict[tuple[int, int], list[bytes]] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        _, number, size, rate = body["messages"][-1]["content"].split()
        if not body.get("stream"):
            return web.Response(body=whole(texts[int(number)]), content_type="application/json")
        key = (int(number), int(size))
        if key not in ready:
            ready[key] = chunks(texts[key[0]], key[1])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        loop = asyncio.get_running_loop()
        began, wait = loop.time(), 1 / float(rate) if float(rate) else 0.0
        for place, data in enumerate(ready[key]):
            pause = began + place * wait - loop.time()
            if wait and pause > 0:
                await asyncio.sleep(pause)
            await response.write(data)
        return response

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/v1/models", models)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def passthrough(port: int, url: str) -> None:
    """The product's server without its guards."""
    import uvicorn
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from proxy.server.identify import Identify
    from proxy.server.stream import EventStream
    from proxy.upstreams.openai import OpenAIUpstream

    client = OpenAIUpstream(url)
    path = "/chat/completions"

    async def streamed(body: dict[str, Any]) -> AsyncGenerator[bytes]:
        async with client.open(path, body, stream=True) as answer:
            async for data in answer.stream():
                yield data

    async def ended() -> None:
        """Nothing is counted."""

    async def chat(request: Request) -> Response:
        body = orjson.loads(await request.body())
        if not body.get("stream"):
            async with client.open(path, body) as answer:
                return Response(await answer.read(), media_type="application/json")
        events = streamed(body)
        first = await anext(events, b"")
        return EventStream(first, events, {}, keep_alive=15.0, patience=60.0, ended=ended)

    app = FastAPI(openapi_url=None)
    app.add_middleware(Identify)
    app.add_route(f"/v1{path}", chat, methods=["POST"])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def main() -> int:
    kind, port, given = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if kind == "upstream":
        upstream(port, json.loads(Path(given).read_text("utf-8")))
    else:
        passthrough(port, given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
