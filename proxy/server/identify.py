"""The outermost layer: give every request an id, count and log its response, refuse headers that are too long
and requests that this server sent itself, and answer in OpenAI's form what nothing else caught.

Invariant: an id that a caller gave is repeated only when it is an identifier, so nothing can be smuggled into
logs or headers with it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.metrics import OTHER, Metrics
from proxy.server import logs
from proxy.server.loops import HOP_HEADER, comes_back
from proxy.server.responses import error_response
from proxy.server.unhandled import BrokenOff, place_of, unhandled

REQUEST_ID = "x-request-id"
LONGEST_HEADERS = 65_536
_HOP = HOP_HEADER.lower().encode("ascii")
_TOO_LARGE = error_response(
    f"The headers of the request have more than {LONGEST_HEADERS} bytes.",
    status=431,
    kind="invalid_request_error",
    code="headers_too_large",
)
_LOOP = error_response(
    "The proxy's model server leads back to the proxy itself; its operator has to change --upstream.",
    status=508,
    kind="server_error",
    code="loop_detected",
)
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class Identify:
    """ASGI middleware. The id stands in ``scope["state"]["request_id"]``."""

    def __init__(self, app: ASGIApp, metrics: Metrics, hop: str = "") -> None:
        """``hop``: the name that this server and its replicas send to model servers; "" checks nothing."""
        self._app = app
        self._metrics = metrics
        self._hop = hop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        given, size, loops = b"", 0, False
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"x-request-id":
                given = value
            elif name == _HOP and self._hop:
                loops = loops or comes_back(value, self._hop)
        known = given.decode("ascii") if _ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = known
        named = (b"x-request-id", known.encode("ascii"))

        status = 0  # none yet

        async def identified(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), named]
            await send(message)

        line = logs.RequestLine(scope, known)
        try:
            with line:
                if size > LONGEST_HEADERS:
                    await _TOO_LARGE(scope, receive, identified)
                elif loops:
                    await _LOOP(scope, receive, identified)
                else:
                    await self._app(scope, receive, identified)
        except Exception as error:
            response = unhandled(self._metrics, error, scope)
            if status:  # the server closes the connection; its log gets nothing of what was raised
                raise BrokenOff(place_of(error)) from None
            await response(scope, receive, identified)
        finally:
            path = _template(scope, self._metrics.paths)
            self._metrics.traffic.response(path, status)
            line.write(path, status, time.perf_counter() - began)


def _template(scope: Scope, known: Collection[str]) -> str:
    """Return the path where it is one of ours; a stranger's path may hold anything."""
    path: str = scope["path"]
    return path if path in known else OTHER
