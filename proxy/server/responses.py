"""The shapes of what is not an answer: errors in OpenAI's form.

May import: the ground floor. The rule that must stay true: an error says our words only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from proxy.errors import ProxyError, RequestError, UpstreamError

INCIDENT_HEADER = "x-sluicegate-incident"


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, dict(headers or {}), media_type="application/json")


def error_response(
    message: str,
    *,
    status: int,
    kind: str,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """OpenAI's error envelope."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return json_response(body, status, headers)


def unavailable() -> Response:
    """The response while nothing can be checked, so nothing is answered."""
    return error_response(
        "The proxy cannot check answers now; its operator has to act.",
        status=503,
        kind="server_error",
        code="service_unavailable",
    )


def for_error(error: ProxyError, headers: Mapping[str, str] | None = None) -> Response:
    """The response for an error that was raised on purpose."""
    if isinstance(error, RequestError):
        return error_response(
            str(error),
            status=error.status,
            kind=error.kind,
            code=error.code,
            param=error.param,
            headers=headers,
        )
    if isinstance(error, UpstreamError):
        extra = dict(headers or {})
        after = getattr(error, "retry_after", None)
        if after is not None:
            extra["retry-after"] = str(after)
        code = getattr(error, "code", None) or "upstream_error"
        kind = "invalid_request_error" if 400 <= error.status < 500 else "upstream_error"
        return error_response(str(error), status=error.status, kind=kind, code=code, headers=extra)
    return error_response(
        "The proxy cannot answer now; its operator has to act.",
        status=500,
        kind="server_error",
        code="proxy_fault",
        headers=headers,
    )
