"""Every endpoint, and every place in its answers that can hold text: how a model says it, where it is read.

A ``Place`` puts a text into a choice of an answer, whole or in pieces, and finds it again in what came out.
The tests of the matrix are made from the table at the end; a place that is missing there is not tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CUT = 7
JSON = {"Content-Type": "application/json"}
URL = "https://a.example/page"


def pieces(text: str) -> list[str]:
    return [text[at : at + CUT] for at in range(0, len(text), CUT)]


def said(text: str) -> str:
    """A text as JSON that a function is called with."""
    return json.dumps({"q": text, "n": 1}, ensure_ascii=False)


def heard(text: str) -> str:
    """The text in such JSON, which must still be JSON with the same members."""
    found = json.loads(text)
    assert set(found) == {"q", "n"}
    assert found["n"] == 1
    return str(found["q"])


def leaves(value: object) -> Iterator[str]:
    """Every string in a JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield name
            yield from leaves(member)
    elif isinstance(value, Sequence):
        for member in value:
            yield from leaves(member)


@dataclass(frozen=True, slots=True)
class Place:
    """``whole`` and ``deltas``: how a model says a text there. ``get``: the text in a message or a delta, ""
    where there is none. ``read``: what the collected text says. ``ask``: what a request needs for it.
    ``only_first``: whether only the first choice has it. ``calls``: whether it belongs to a call."""

    whole: Callable[[str], dict[str, Any]]
    deltas: Callable[[str], list[dict[str, Any]]]
    get: Callable[[Mapping[str, Any]], str]
    read: Callable[[str], str] = str
    ask: Mapping[str, Any] = field(default_factory=dict)
    only_first: bool = False
    calls: bool = False


def at(value: Any, *path: str | int) -> str:
    """The string at a path; "" where the path ends before."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def flat(name: str) -> Place:
    return Place(lambda t: {name: t}, lambda t: [{name: p} for p in pieces(t)], lambda m: at(m, name))


def parts(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def call(kind: str, part: str, name: str, text: str) -> dict[str, Any]:
    return {"tool_calls": [{"id": "call_a", "type": kind, kind: {"name": name, part: text}}]}


def call_deltas(kind: str, part: str, text: str) -> list[dict[str, Any]]:
    head = {"index": 0, "id": "call_a", "type": kind, kind: {"name": "find", part: ""}}
    rest = [{"index": 0, kind: {part: piece}} for piece in pieces(text)]
    return [{"tool_calls": [each]} for each in (head, *rest)]


def name_deltas(text: str) -> list[dict[str, Any]]:
    head, *rest = pieces(text)
    first = {"index": 0, "id": "call_a", "type": "function", "function": {"name": head}}
    more = [{"index": 0, "function": {"name": piece}} for piece in rest]
    last = {"index": 0, "function": {"arguments": "{}"}}
    return [{"tool_calls": [each]} for each in (first, *more, last)]


def annotated(**texts: str) -> dict[str, Any]:
    note = {"title": "Page", "url": URL, "start_index": 0, "end_index": 4} | texts
    return {"annotations": [{"type": "url_citation", "url_citation": note}]}


def noted(name: str) -> Place:
    return Place(
        lambda t: {"content": "See."} | annotated(**{name: t}),
        lambda t: [{"content": "See."}, annotated(**{name: t})],
        lambda m: at(m, "annotations", 0, "url_citation", name),
    )


CHAT: Mapping[str, Place] = {
    "content": flat("content"),
    "content parts": Place(parts, lambda t: [parts(p) for p in pieces(t)], lambda m: at(m, "content")),
    "structured content": Place(
        lambda t: {"content": said(t)},
        lambda t: [{"content": p} for p in pieces(said(t))],
        lambda m: at(m, "content"),
        heard,
        {"response_format": {"type": "json_object"}},
    ),
    "reasoning_content": flat("reasoning_content"),
    "reasoning": flat("reasoning"),
    "refusal": flat("refusal"),
    "arguments": Place(
        lambda t: call("function", "arguments", "find", said(t)),
        lambda t: call_deltas("function", "arguments", said(t)),
        lambda m: at(m, "tool_calls", 0, "function", "arguments"),
        heard,
        calls=True,
    ),
    "name of a call": Place(
        lambda t: call("function", "arguments", t, "{}"),
        name_deltas,
        lambda m: at(m, "tool_calls", 0, "function", "name"),
        calls=True,
    ),
    "custom input": Place(
        lambda t: call("custom", "input", "find", t),
        lambda t: call_deltas("custom", "input", t),
        lambda m: at(m, "tool_calls", 0, "custom", "input"),
        calls=True,
    ),
    "function_call": Place(
        lambda t: {"function_call": {"name": "find", "arguments": said(t)}},
        lambda t: (
            [{"function_call": {"name": "find", "arguments": ""}}]
            + [{"function_call": {"arguments": p}} for p in pieces(said(t))]
        ),
        lambda m: at(m, "function_call", "arguments"),
        heard,
        calls=True,
    ),
    "transcript": Place(
        lambda t: {"audio": {"id": "audio_1", "data": "", "expires_at": 5, "transcript": t}},
        lambda t: [{"audio": {"id": "audio_1", "transcript": p}} for p in pieces(t)],
        lambda m: at(m, "audio", "transcript"),
    ),
    "title of an annotation": noted("title"),
    "address of an annotation": noted("url"),
    "citation": Place(
        lambda t: {"content": "See.", "citations": [t]},
        lambda t: [{"content": "See.", "citations": [t]}],
        lambda m: at(m, "citations", 0),
        only_first=True,
    ),
}

TEXT: Mapping[str, Place] = {name: flat(name) for name in ("text", "reasoning_content", "reasoning")}


def message(*content: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(content)}


def output_text(text: str, **note: str) -> dict[str, Any]:
    notes = [{"type": "url_citation", "title": "Page", "url": URL, "start_index": 0, "end_index": 4} | note]
    return {"type": "output_text", "text": text, "annotations": notes if note else [], "logprobs": []}


def thought(kind: str) -> dict[str, Any]:
    return {"summary": "summary_text", "content": "reasoning_text"}[kind]  # type: ignore[return-value]


def item(make: Callable[[str], dict[str, Any]], *path: str | int, **rest: Any) -> Place:
    """A place in an item of the Responses API: its deltas are made from the whole item."""
    return Place(make, lambda t: [make(t)], lambda m: at(m, *path), **rest)


RESPONSES: Mapping[str, Place] = {
    "text": item(lambda t: message(output_text(t)), "content", 0, "text"),
    "structured text": item(
        lambda t: message(output_text(said(t))),
        "content",
        0,
        "text",
        read=heard,
        ask={"text": {"format": {"type": "json_object"}}},
    ),
    "refusal": item(lambda t: message({"type": "refusal", "refusal": t}), "content", 0, "refusal"),
    "summary": item(
        lambda t: {"type": "reasoning", "summary": [{"type": "summary_text", "text": t}]},
        "summary",
        0,
        "text",
    ),
    "thought": item(
        lambda t: {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": t}]},
        "content",
        0,
        "text",
    ),
    "arguments": item(
        lambda t: {"type": "function_call", "call_id": "call_a", "name": "find", "arguments": said(t)},
        "arguments",
        read=heard,
        calls=True,
    ),
    "name of a call": item(
        lambda t: {"type": "function_call", "call_id": "call_a", "name": t, "arguments": "{}"},
        "name",
        calls=True,
    ),
    "custom input": item(
        lambda t: {"type": "custom_tool_call", "call_id": "call_a", "name": "find", "input": t},
        "input",
        calls=True,
    ),
    "title of an annotation": item(
        lambda t: message(output_text("See.", title=t)), "content", 0, "annotations", 0, "title"
    ),
    "address of an annotation": item(
        lambda t: message(output_text("See.", url=t)), "content", 0, "annotations", 0, "url"
    ),
}

PLACES: Mapping[str, Mapping[str, Place]] = {
    "/chat/completions": CHAT,
    "/completions": TEXT,
    "/responses": RESPONSES,
}
"""Every place of every endpoint that answers with text."""
