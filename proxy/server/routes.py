"""The HTTP surface: what each path does, and how each error looks.

May import: every room and this door. The rules that must stay true: an answer leaves through
``relay.py`` alone; an unknown path is a 404, never passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import orjson
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from proxy.audit import new_incident
from proxy.dialects import DIALECTS
from proxy.errors import ConfigError, NotAuthorised, ProxyError, RequestError, UpstreamError
from proxy.server.auth import authenticate
from proxy.server.relay import Blocked, Exchange, GuardFault, relay_plain, relay_stream
from proxy.server.responses import (
    INCIDENT_HEADER,
    error_response,
    event_stream,
    for_error,
    json_response,
)
from proxy.server.state import House
from proxy.types import Caller

_T = TypeVar("_T")
_GONE = Response(status_code=499)


def add_routes(app: FastAPI, house: House, *, metrics: bool) -> None:
    """The paths of the API. ``metrics``: whether ``/metrics`` is served here too."""

    async def models(request: Request) -> Response:
        return await _answering(house, request, "/v1/models", lambda caller: _models(house, caller))

    async def unknown(request: Request) -> Response:
        return error_response(
            f"Unknown request URL: {request.method} {request.url.path[:200]}. "
            "This proxy serves the endpoints that it can guard.",
            status=404,
            kind="invalid_request_error",
            code="unknown_url",
        )

    async def ready(request: Request) -> Response:
        faults = house.faults()
        return json_response({"ready": not faults, "faults": faults}, 503 if faults else 200)

    async def healthy(request: Request) -> Response:
        return json_response({"status": "ok"})

    async def scrape(request: Request) -> Response:
        body, kind = house.metrics.render()
        return Response(body, headers={"content-type": kind})

    for path in DIALECTS:
        app.add_route(f"/v1{path}", _answer_route(house, path), methods=["POST"])
    app.add_route("/v1/models", models, methods=["GET"])
    app.add_route("/healthz", healthy, methods=["GET"])
    app.add_route("/readyz", ready, methods=["GET"])
    if metrics:
        app.add_route("/metrics", scrape, methods=["GET"])
    app.add_route("/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])


def _answer_route(house: House, path: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await _answering(
            house, request, f"/v1{path}", lambda caller: _answer(house, request, path, caller)
        )

    return answer


async def _answering(
    house: House, request: Request, endpoint: str, work: Callable[[Caller], Awaitable[Response]]
) -> Response:
    """Who asks, then the work; every error in OpenAI's form, and counted."""
    caller: Caller | None = None
    try:
        caller = authenticate(request.headers, house.keys)
        return await work(caller)
    except NotAuthorised as error:
        return _refused(house, endpoint, caller, "unauthorised", error)
    except RequestError as error:
        return _refused(house, endpoint, caller, "refused", error)
    except UpstreamError as error:
        return _refused(house, endpoint, caller, "upstream_error", error)
    except ConfigError as error:
        house.fault("policy" if caller else "keys", error)
        return for_error(error)
    except ClientDisconnect:
        return _GONE


def _refused(house: House, endpoint: str, caller: Caller | None, outcome: str, error: ProxyError) -> Response:
    house.count(endpoint, caller.role if caller else "", outcome)
    return for_error(error)


async def _models(house: House, caller: Caller) -> Response:
    role = house.firewall.policy.role(caller.role)
    names = await house.upstream.models()
    house.count("/v1/models", caller.role, "passed")
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "sluicegate"} for name in names]
    return json_response({"object": "list", "data": [m for m in listed if role.may_use(str(m["id"]))]})


async def _answer(house: House, http: Request, path: str, caller: Caller) -> Response:
    firewall = house.firewall
    role = firewall.policy.role(caller.role)
    body = await _body(http, house.settings.max_body)
    allowed = firewall.policy.logprobs(caller.role, firewall.index.audiences)
    if allowed == "strip" and isinstance(body, dict):
        for name in ("logprobs", "top_logprobs"):
            body.pop(name, None)
    request = DIALECTS[path](body, allow_logprobs=allowed == "allow")
    if not role.may_use(request.model):
        raise RequestError(
            f"The model '{request.model}' does not exist or you do not have access to it.",
            status=404,
            code="model_not_found",
            param="model",
        )
    incident = new_incident()
    exchange = Exchange(
        incident=incident,
        caller=caller,
        path=path,
        request=request,
        guards=await firewall.guards(caller, request),
        record=house.record,
        error_on_block=role.on_block == "error",
    )
    headers = {INCIDENT_HEADER: incident}
    try:
        if not request.stream:
            return json_response(
                await _unless_gone(http, relay_plain(house.upstream, exchange)), headers=headers
            )
        events = relay_stream(house.upstream, exchange)
        first = await _unless_gone(http, _first(events))
        return event_stream(_streaming(house, first, events), headers)
    except Blocked as blocked:
        return error_response(
            f"The answer was withheld by the content policy (incident {blocked.incident}).",
            status=400,
            kind="invalid_request_error",
            code="content_filter",
            headers=headers,
        )
    except UpstreamError as error:
        return for_error(error, headers)
    except GuardFault:
        return error_response(
            f"The answer was stopped: it could not be checked (incident {incident}).",
            status=500,
            kind="server_error",
            code="guard_fault",
            headers=headers,
        )


async def _first(events: AsyncIterator[bytes]) -> bytes:
    return await anext(events, b"")


async def _streaming(house: House, first: bytes, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The event stream, counted as in flight; when the caller leaves, the upstream is closed."""
    with house.metrics.stream():
        async with contextlib.aclosing(events):  # type: ignore[type-var]
            yield first
            async for data in events:
                yield data


async def _unless_gone(http: Request, work: Awaitable[_T]) -> _T:
    """The work's result; when the caller leaves first the work is cancelled. Raises ClientDisconnect."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(http))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def _body(http: Request, limit: int) -> object:
    """The request's body as JSON. Raises RequestError: 413 above the limit, 400 where it is no JSON."""
    too_large = RequestError(
        f"The request body is larger than {limit} bytes.", status=413, code="request_too_large"
    )
    length = http.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in http.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    try:
        return orjson.loads(b"".join(parts))
    except orjson.JSONDecodeError:
        raise RequestError("We could not parse the JSON body of your request.") from None
