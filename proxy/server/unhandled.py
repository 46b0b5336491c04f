"""Errors that nobody raised on purpose: JSON for the caller, a count and a place for the operator.

Invariant: nothing of an error's message is said or logged. It may quote the text that caused it.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from starlette.responses import Response

from proxy.metrics import Metrics
from proxy.server.responses import error_response

_log = logging.getLogger("sluicegate")
_PACKAGE = Path(__file__).resolve().parents[1]


class BrokenOff(Exception):
    """An answer that had begun was broken off. The message is the place, from :func:`place_of`."""


def place_of(error: BaseException) -> str:
    """Name the kind of an error and the innermost line of this package that it came through."""
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            found = f" at {path.relative_to(_PACKAGE.parent)}:{frame.lineno}"
    return f"{type(error).__name__}{found}"


def unhandled(metrics: Metrics, error: Exception, scope: MutableMapping[str, Any]) -> Response:
    """Count and log an error, and make the response for it: 500, with the id of the request."""
    request_id = scope.get("state", {}).get("request_id", "")
    metrics.fault("unhandled")
    _log.error("unhandled error in request %s: %s", request_id, place_of(error))
    return error_response(
        f"The proxy failed while it handled this request (request {request_id}). Nothing was answered.",
        status=500,
        kind="server_error",
        code="internal_error",
    )
