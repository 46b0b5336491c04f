"""The HTTP surface: what each path does, and how each error looks.

May import: every room and this door. The rules that must stay true: an answer leaves through
``relay.py`` alone; an unknown path is a 404, never passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from proxy.dialects import DIALECTS
from proxy.errors import ConfigError, NotAuthorised, ProxyError, RequestError, UpstreamError
from proxy.server.admission import Overload
from proxy.server.answering import answer
from proxy.server.auth import authenticate
from proxy.server.guard_routes import GUARD_PATHS, NEUTRAL
from proxy.server.openapi import document
from proxy.server.responses import error_response, for_error, json_response, unavailable
from proxy.server.state import House
from proxy.server.unhandled import unhandled
from proxy.types import Caller

_GONE = Response(status_code=499)

Work = Callable[[House, Request, Caller], Awaitable[Response]]


def add_routes(app: FastAPI, house: House, *, metrics: bool) -> None:
    """The paths of the API. ``metrics``: whether ``/metrics`` is served here too."""

    checking: asyncio.Task[list[str]] | None = None

    async def unknown(request: Request) -> Response:
        return error_response(
            f"Unknown request URL: {request.method} {request.url.path[:200]}. "
            "This proxy serves the endpoints that it can guard.",
            status=404,
            kind="invalid_request_error",
            code="unknown_url",
        )

    async def ready(request: Request) -> Response:
        nonlocal checking
        if checking is None or checking.done():  # one thread for all who ask: it may wait
            checking = asyncio.ensure_future(asyncio.to_thread(house.faults))
        found = not await asyncio.shield(checking)
        return json_response({"ready": found}, 200 if found else 503)

    async def healthy(request: Request) -> Response:
        return json_response({"status": "ok"})

    async def scrape(request: Request) -> Response:
        body, kind = house.metrics.render()
        return Response(body, headers={"content-type": kind})

    async def described(request: Request) -> Response:
        return json_response(document())

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return error_response(
            f"{request.method} is not served here.",
            status=status,
            kind="invalid_request_error",
            code="method_not_allowed" if status == 405 else "invalid_request",
            headers=error.headers if isinstance(error, HTTPException) else None,
        )

    app.add_exception_handler(HTTPException, refused)
    for path in DIALECTS:
        app.add_route(f"/v1{path}", _route(house, f"/v1{path}", _answer_of(path)), methods=["POST"])
    for path, work in GUARD_PATHS.items():
        app.add_route(path, _route(house, NEUTRAL, work), methods=["POST"])
    app.add_route("/v1/models", _route(house, "/v1/models", _models), methods=["GET"])
    app.add_route("/healthz", healthy, methods=["GET"])
    app.add_route("/readyz", ready, methods=["GET"])
    app.add_route("/openapi.json", described, methods=["GET"])
    if metrics:
        app.add_route("/metrics", scrape, methods=["GET"])
    app.add_route("/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])


def _answer_of(path: str) -> Work:
    async def work(house: House, request: Request, caller: Caller) -> Response:
        return await answer(house, request, path, caller)

    return work


def _route(house: House, endpoint: str, work: Work) -> Callable[[Request], Awaitable[Response]]:
    async def answering(request: Request) -> Response:
        return await _answering(house, request, endpoint, work)

    return answering


async def _answering(house: House, request: Request, endpoint: str, work: Work) -> Response:
    """Who asks, then the work; every error in OpenAI's form, and counted."""
    caller: Caller | None = None
    try:
        caller = authenticate(request.headers, house.keys)
        if house.firewall.trust.fault:
            house.count(endpoint, caller.role, "fault")
            return unavailable()
        return await work(house, request, caller)
    except NotAuthorised as error:
        return _refused(house, endpoint, caller, "unauthorised", error)
    except RequestError as error:
        return _refused(house, endpoint, caller, "refused", error)
    except UpstreamError as error:
        return _refused(house, endpoint, caller, "upstream_error", error)
    except Overload as error:
        house.count(endpoint, caller.role if caller else "", "refused")
        return error.response()
    except ConfigError as error:
        house.fault("policy" if caller else "keys", error)
        return for_error(error)
    except ClientDisconnect:
        return _GONE
    except Exception as error:  # whatever it is, the caller reads JSON and the operator sees a number
        house.count(endpoint, caller.role if caller else "", "fault")
        return unhandled(house.metrics, error, request.scope)


def _refused(house: House, endpoint: str, caller: Caller | None, outcome: str, error: ProxyError) -> Response:
    house.count(endpoint, caller.role if caller else "", outcome)
    return for_error(error)


async def _models(house: House, request: Request, caller: Caller) -> Response:
    role = house.firewall.policy.role(caller.role)
    names = await house.upstream.models(caller.role)
    house.count("/v1/models", caller.role, "passed")
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "sluicegate"} for name in names]
    return json_response({"object": "list", "data": [m for m in listed if role.may_use(str(m["id"]))]})
