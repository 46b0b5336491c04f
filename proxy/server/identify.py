"""The outermost layer: every request has an id, headers that are too long are refused, and an error that
nothing else caught is answered in OpenAI's form.

May import: this door. The rule that must stay true: an id that a caller gave is repeated only when it is an
identifier, so nothing can be smuggled into logs or headers with it.
"""

from __future__ import annotations

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.metrics import Metrics
from proxy.server.responses import error_response
from proxy.server.unhandled import BrokenOff, place_of, unhandled

REQUEST_ID = "x-request-id"
LONGEST_HEADERS = 65_536
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class Identify:
    """ASGI middleware. The id stands in ``scope["state"]["request_id"]``."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given, size = b"", 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"x-request-id":
                given = value
        known = given.decode("ascii") if _ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = known
        named = (b"x-request-id", known.encode("ascii"))

        started = False

        async def identified(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), named]
            await send(message)

        if size > LONGEST_HEADERS:
            refused = error_response(
                f"The headers of the request have more than {LONGEST_HEADERS} bytes.",
                status=431,
                kind="invalid_request_error",
                code="headers_too_large",
            )
            await refused(scope, receive, identified)
            return
        try:
            await self._app(scope, receive, identified)
        except Exception as error:
            response = unhandled(self._metrics, error, scope)
            if started:  # the server closes the connection; its log gets nothing of what was raised
                raise BrokenOff(place_of(error)) from None
            await response(scope, receive, identified)
