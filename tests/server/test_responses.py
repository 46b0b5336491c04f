"""The shapes of errors and event streams."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from proxy.errors import ConfigError, NotAuthorised, RequestError, UpstreamError
from proxy.server.responses import error_response, for_error, json_response
from proxy.upstreams.openai import UpstreamRefusal


def body(response: Response) -> Any:
    return orjson.loads(bytes(response.body))


def test_json() -> None:
    """An object as JSON, with a status and headers."""
    response = json_response({"a": "中"}, 201, {"x-a": "b"})
    assert (response.status_code, response.headers["x-a"]) == (201, "b")
    assert response.headers["content-type"] == "application/json"
    assert body(response) == {"a": "中"}


def test_the_error_envelope() -> None:
    """OpenAI's: all four fields are always there."""
    response = error_response("No.", status=418, kind="teapot", code="short")
    assert response.status_code == 418
    assert body(response) == {"error": {"message": "No.", "type": "teapot", "param": None, "code": "short"}}


def test_a_callers_fault() -> None:
    """Its status, its kind and the field that is wrong are told."""
    response = for_error(RequestError("Bad n.", status=400, code="c", param="n"), {"x-incident": "i"})
    assert response.status_code == 400
    assert response.headers["x-incident"] == "i"
    assert body(response)["error"] == {
        "message": "Bad n.",
        "type": "invalid_request_error",
        "param": "n",
        "code": "c",
    }
    assert for_error(NotAuthorised()).status_code == 401


def test_an_upstreams_fault() -> None:
    """A refusal of the model's server keeps its status, its word and when to come again."""
    response = for_error(UpstreamError("Gone.", status=504))
    assert (response.status_code, body(response)["error"]["code"]) == (504, "upstream_error")
    assert body(response)["error"]["type"] == "upstream_error"
    assert "retry-after" not in response.headers
    refusal = UpstreamRefusal("Long.", status=400, retry_after=3, code="context_length_exceeded")
    response = for_error(refusal)
    assert response.headers["retry-after"] == "3"
    assert body(response)["error"]["type"] == "invalid_request_error"
    assert body(response)["error"]["code"] == "context_length_exceeded"


def test_our_own_fault_tells_nothing() -> None:
    """What is wrong with the house is for its operator: paths and policies are not a caller's business."""
    response = for_error(ConfigError("/etc/secret/policy.yaml:3: roles: oops"))
    assert response.status_code == 500
    assert b"policy" not in bytes(response.body)
    assert body(response)["error"]["code"] == "proxy_fault"
