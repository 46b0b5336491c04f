"""What the checks of requests have in common: fields of a body, and the words in it.

May import: the ground floor. The rule that must stay true: a refusal names the field and what is wrong
with it, and repeats nothing of what stood there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from proxy.errors import RequestError
from proxy.jsontext import JsonCells

MOST_CHOICES = 128
LONGEST_MODEL = 256
APPLICATION = ("system", "developer")
"""The roles under which an application speaks; tools and schemas are its words too."""


def wrong(field: str, what: str) -> RequestError:
    return RequestError(f"'{field}' {what}.", param=field)


def object_body(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    return body


def model(body: Mapping[str, Any]) -> str:
    name = body.get("model")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_MODEL:
        raise wrong("model", f"must be the name of a model, a string of 1 to {LONGEST_MODEL} characters")
    return name


def flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong(name, "must be true or false")


def mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that is an object; an empty one where there is none."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(name, "must be an object")
    return value


def number(body: Mapping[str, Any], name: str, most: int = MOST_CHOICES) -> int:
    """A whole number from 1 on; 1 where there is none."""
    value = body.get(name)
    if value is None:
        return 1
    if type(value) is not int or not 1 <= value <= most:
        raise wrong(name, f"must be a whole number from 1 to {most}")
    return value


def refuse_logprobs(field: str = "logprobs") -> RequestError:
    """They spell the answer, and what else the model would have said in its place."""
    return wrong(field, "cannot be given to this key: they spell out the answer unchecked")


def members(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def parts(content: object) -> Iterator[str]:
    """The texts of a message's content: itself, or those of its text parts."""
    if isinstance(content, str):
        yield content
    for part in members(content):
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]


def strings(value: object) -> Iterator[str]:
    """Every string in a JSON value, names of members included, in order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, dict):
            waiting += [part for pair in reversed(item.items()) for part in reversed(pair)]


def with_decoded(found: Iterable[str]) -> tuple[str, ...]:
    """The texts, and after each what it says where it is JSON with escapes; none of them empty."""
    return tuple(text for said in found for text in (said, _decoded(said)) if text)


def _decoded(text: str) -> str:
    r"""What a JSON text says, where its escapes hide it: a tool's answer is often ``{"a": "\u4e2d"}``."""
    if "\\" not in text or not text.lstrip().startswith(("{", "[", '"')):
        return ""
    cells = JsonCells()
    said = cells.feed(text) + cells.finish()
    return said if said != text else ""


def wants_json(body: Mapping[str, Any]) -> bool:
    """OpenAI's ``response_format`` and what vLLM and llama.cpp have beside it."""
    if mapping(body, "response_format").get("type") in ("json_object", "json_schema"):
        return True
    outputs = body.get("structured_outputs")
    return bool(
        body.get("guided_json")
        or body.get("json_schema")
        or (isinstance(outputs, dict) and (outputs.get("json") or outputs.get("json_object")))
    )
