"""The description of the endpoints that is served at ``/openapi.json``: what this proxy answers.

The bodies are OpenAI's and are described as far as they are checked here; other fields are passed on.

May import: the standard library and the package's version. The rule that must stay true: every path of the
API stands here, with every status that it can answer with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy import __version__

_TEXT = {"type": "string"}
_MODEL = {"type": "string", "minLength": 1, "maxLength": 256}
_FLAG = {"type": "boolean"}
_CHOICES = {"type": "integer", "minimum": 1, "maximum": 128}
_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"type": "string", "enum": ["system", "developer", "user", "assistant", "tool", "function"]},
        "content": {"type": "string"},
    },
}
_MESSAGES = {"type": "array", "minItems": 1, "items": _MESSAGE}
_TEXTS = {"type": "array", "items": _TEXT, "maxItems": 2048}
_BODIES: Mapping[str, tuple[str, dict[str, Any], list[str]]] = {
    "/v1/chat/completions": (
        "A chat answer, whole or streamed.",
        {"model": _MODEL, "messages": _MESSAGES, "stream": _FLAG, "n": _CHOICES},
        ["model", "messages"],
    ),
    "/v1/completions": (
        "A text that goes on where a prompt ends.",
        {"model": _MODEL, "prompt": _TEXT, "stream": _FLAG, "n": _CHOICES, "echo": _FLAG, "suffix": _TEXT},
        ["model", "prompt"],
    ),
    "/v1/responses": (
        "An answer of the Responses API, whole or streamed.",
        {"model": _MODEL, "input": _TEXT, "instructions": _TEXT, "stream": _FLAG},
        ["model", "input"],
    ),
    "/v1/embeddings": (
        "Vectors for texts.",
        {"model": _MODEL, "input": {"type": "string", "minLength": 1}},
        ["model", "input"],
    ),
    "/v1/guard": (
        "Guard a text that others relay.",
        {"text": _TEXT, "stream": _MODEL, "final": _FLAG, "role": _TEXT, "user": _TEXT, "input": _TEXT},
        ["text"],
    ),
    "/beta/litellm_basic_guardrail_api": (
        "Guard the answers of a LiteLLM proxy.",
        {
            "input_type": {"type": "string", "enum": ["request", "response"]},
            "texts": _TEXTS,
            "litellm_call_id": _MODEL,
            "structured_messages": {"type": "array", "items": _MESSAGE},
        },
        ["input_type", "texts"],
    ),
}
_STATUS: Mapping[str, str] = {
    "400": "The request cannot be served, or its answer was withheld.",
    "401": "No key, or one that is not known.",
    "403": "The key may not guard for others, not speak for that role, or not use models.",
    "404": "The model does not exist for this key.",
    "408": "The request did not come in time.",
    "409": "The stream was given up to make room for others.",
    "413": "The request is too large.",
    "422": "The model server found the request invalid.",
    "429": "The key has asked more than it may, or the model server is busy.",
    "431": "The headers of the request are too long.",
    "500": "The answer was stopped: it could not be checked.",
    "502": "The model server failed.",
    "504": "The model server did not answer in time.",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": _TEXT,
                "type": _TEXT,
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def document() -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    paths: dict[str, Any] = {
        path: {"post": _operation(path, summary, properties, required)}
        for path, (summary, properties, required) in _BODIES.items()
    }
    paths["/v1/models"] = {"get": _answers(200, "The models that this key may use.", "listModels")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sluicegate", "version": __version__},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
    }


def _operation(path: str, summary: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    name = path.removeprefix("/v1").strip("/").replace("/", "_")
    return {
        **_answers(200, summary, name),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


def _answers(status: int, summary: str, name: str) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    good = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": _TEXT}}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            str(status): {"description": summary, "content": good},
            **{code: {"description": text, "content": error} for code, text in _STATUS.items()},
        },
    }
