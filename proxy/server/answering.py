"""One request of the API from its body to its answer: who may, how much, through which guards.

May import: every room and this door. The rules that must stay true: an answer leaves through ``relay.py``
alone; a place that a key was given is given back however the answer ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from proxy.audit import new_incident
from proxy.dialects import DIALECTS
from proxy.dialects.ids import Seal
from proxy.errors import RequestError, UpstreamError
from proxy.nesting import DEEPEST, TooDeep, loads
from proxy.server.admission import admitted
from proxy.server.offload import LARGE, prepared
from proxy.server.relay import Blocked, Exchange, GuardFault, relay_plain, relay_stream, withheld
from proxy.server.responses import INCIDENT_HEADER, error_response, for_error, json_response
from proxy.server.settings import Settings
from proxy.server.state import House
from proxy.server.stream import EventStream
from proxy.server.subjects import for_request
from proxy.types import Caller

_T = TypeVar("_T")
_LOGPROBS = ("logprobs", "top_logprobs")
_SPELT = "message.output_text.logprobs"
_UNREAD = object()
"""In place of a body that has not been read yet."""


async def answer(house: House, http: Request, path: str, caller: Caller) -> Response:
    """The answer to one request of an endpoint. Raises RequestError, Overload, ClientDisconnect."""
    role = house.firewall.policy.role(caller.role)
    if role.guard and not role.models:
        raise RequestError(
            "This key guards answers of others; it cannot use models.", status=403, code="role_not_allowed"
        )
    # A subject named in the body is known only once the body has been read.
    by_user = role.subject == "user"
    body, large = await read_json(http, house.settings) if by_user else (_UNREAD, False)
    caller = for_request(caller, role, house.firewall.index.key, http.headers, body)
    places = await admitted(house.limits, caller, role)
    flight = ExitStack()  # counts a stream while it lasts
    released = asyncio.Event()

    async def release() -> None:
        if not released.is_set():
            released.set()
            flight.close()
            await places.release()

    try:
        if body is _UNREAD:
            body, large = await read_json(http, house.settings)
        exchange = await _exchange(house, http, path, caller, body, large)
        response = await _answer(house, http, exchange, places.headers, flight, release)
    except BaseException:
        await release()
        raise
    if not isinstance(response, EventStream):
        await release()
    return response


async def _answer(
    house: House,
    http: Request,
    exchange: Exchange,
    said: Mapping[str, str],
    flight: ExitStack,
    release: Callable[[], Awaitable[None]],
) -> Response:
    headers = {INCIDENT_HEADER: exchange.incident, **said}
    try:
        house.opened(exchange)
        if not exchange.request.stream:
            body = await unless_gone(http, relay_plain(house.upstream, exchange))
            return json_response(body, headers=headers)
        events = relay_stream(house.upstream, exchange)
        first = await _begin(http, events, exchange, house.settings.keep_alive)
        flight.enter_context(house.metrics.stream())
        return EventStream(
            first,
            events,
            headers,
            keep_alive=house.settings.keep_alive,
            patience=house.settings.patience,
            ended=release,
        )
    except Blocked as blocked:
        return error_response(
            withheld(blocked.incident),
            status=400,
            kind="invalid_request_error",
            code="content_filter",
            headers=headers,
        )
    except UpstreamError as error:
        return for_error(error, headers)
    except GuardFault:
        return error_response(
            f"The answer was stopped: it could not be checked (incident {exchange.incident}).",
            status=500,
            kind="server_error",
            code="guard_fault",
            headers=headers,
        )


async def _exchange(
    house: House, http: Request, path: str, caller: Caller, body: object, large: bool
) -> Exchange:
    """A request that has been checked, and its guards. Raises RequestError."""
    firewall = house.firewall
    role = firewall.policy.role(caller.role)
    allowed = firewall.policy.logprobs(caller.role, firewall.index.audiences)
    if allowed == "strip" and isinstance(body, dict):
        _strip(body)
    seal = Seal(firewall.index.key.derived(b"sluicegate-ids"))
    check = partial(DIALECTS[path], allow_logprobs=allowed == "allow", seal=seal)
    request = await prepared(large, check, body)
    if not role.may_use(request.model) or not house.upstream.serves(request.model, caller.role):
        raise RequestError(
            f"The model '{request.model}' does not exist or you do not have access to it.",
            status=404,
            code="model_not_found",
            param="model",
        )
    return Exchange(
        incident=new_incident(),
        caller=caller,
        path=path,
        request=request,
        guards=await firewall.guards(caller, request, large=large),
        record=house.record,
        error_on_block=role.on_block == "error",
        request_id=http.scope.get("state", {}).get("request_id", ""),
        gather=house.settings.gather,
    )


def _strip(body: dict[str, Any]) -> None:
    """Take the wish for log-probabilities out of a request."""
    for name in _LOGPROBS:
        body.pop(name, None)
    if isinstance(include := body.get("include"), list):
        body["include"] = [each for each in include if each != _SPELT]


async def _begin(
    http: Request, events: AsyncGenerator[bytes], exchange: Exchange, wait: float
) -> bytes | asyncio.Task[bytes]:
    """The first event; where it is long in coming, what will become of it, and the answer begins without.

    Raises what the relay raises before its first event, and ClientDisconnect.
    """
    first = asyncio.ensure_future(anext(events, b""))
    gone = asyncio.ensure_future(_disconnect(http))
    try:
        await asyncio.wait({first, gone}, timeout=wait or None, return_when=asyncio.FIRST_COMPLETED)
        if first.done():
            return first.result()
        if gone.done():
            raise ClientDisconnect()
        exchange.begun = True
        return first
    finally:
        gone.cancel()
        if not first.done() and not exchange.begun:
            first.cancel()
        await asyncio.gather(gone, *([] if exchange.begun else [first]), return_exceptions=True)


async def unless_gone(http: Request, work: Awaitable[_T]) -> _T:
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


async def read_body(http: Request, settings: Settings) -> object:
    """Read the request's body as JSON. Raises as :func:`read_json`."""
    return (await read_json(http, settings))[0]


async def read_json(http: Request, settings: Settings) -> tuple[object, bool]:
    """Read the request's body as JSON; return it and whether it is large, see ``offload.LARGE``.

    Raises RequestError: 415 for a compressed body, 413 above the limit, 408 where it does not come in time,
    400 where it is no JSON or nested too deeply.
    """
    if http.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestError(
            "A compressed request body is not read; send it without Content-Encoding.",
            status=415,
            code="unsupported_encoding",
        )
    limit = settings.max_body
    too_large = RequestError(
        f"The request body is larger than {limit} bytes.", status=413, code="request_too_large"
    )
    length = http.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_timeout):
            more = True
            while more:
                message = await http.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect()
                part = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise too_large
                parts.append(part)
                more = message.get("more_body", False)
    except TimeoutError:
        raise RequestError(
            "The request body did not come in time.", status=408, code="request_timeout"
        ) from None
    large = size > LARGE
    return await prepared(large, _parsed, b"".join(parts)), large


def _parsed(raw: bytes) -> object:
    try:
        return loads(raw)
    except TooDeep:
        raise RequestError(
            f"The JSON body of your request is nested deeper than {DEEPEST} levels.", code="nested_too_deeply"
        ) from None
    except ValueError:
        raise RequestError("We could not parse the JSON body of your request.") from None
