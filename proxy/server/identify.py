"""The outermost layer: every request has an id, and headers that are too long are refused.

May import: this door. The rule that must stay true: an id that a caller gave is repeated only when it is an
identifier, so nothing can be smuggled into logs or headers with it.
"""

from __future__ import annotations

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.server.responses import error_response

REQUEST_ID = "x-request-id"
LONGEST_HEADERS = 65_536
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class Identify:
    """ASGI middleware. The id stands in ``scope["state"]["request_id"]``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
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
        await self._app(scope, receive, identified)
