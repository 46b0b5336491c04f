"""Every endpoint, and every place in its answers that can hold text: how a model says it, where it is read.

A ``Place`` puts a text into a choice of an answer, whole or in pieces, and finds it again in what came out.
The tests of the matrix are made from the table at the end; a place that is missing there is not tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy import sse
from proxy.upstreams.scripted import Raw

USAGE = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}
RESPONSE_USAGE = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 12,
}
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


# --- what a model sends ----------------------------------------------------------------------------


def envelope(kind: str, choices: list[Any], **more: Any) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": kind, "created": 7, "model": "m", "choices": choices, **more}


def chat_whole(place: Place, texts: Sequence[str]) -> dict[str, Any]:
    choices, more = [], {}
    for index, text in enumerate(texts):
        made = {"role": "assistant", "content": None, "refusal": None} | place.whole(text)
        cited = made.pop("citations", None)
        if cited and index == 0:
            more = {"citations": cited}
        choices.append({"index": index, "message": made, "logprobs": None, "finish_reason": "stop"})
    return envelope("chat.completion", choices, usage=USAGE, **more)


def chat_chunks(place: Place, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    kind = "chat.completion.chunk"
    for index in range(len(texts)):
        yield envelope(kind, [{"index": index, "delta": {"role": "assistant", "content": ""}}])
    for index, delta in turns([place.deltas(text) for text in texts]):
        cited = delta.pop("citations", None)
        more = {"citations": cited} if cited and index == 0 else {}
        yield envelope(kind, [{"index": index, "delta": delta, "finish_reason": None}], **more)
    for index in range(len(texts)):
        yield envelope(kind, [{"index": index, "delta": {}, "finish_reason": "stop"}])
    yield envelope(kind, [], usage=USAGE)


def text_whole(place: Place, texts: Sequence[str]) -> dict[str, Any]:
    choices = [
        {"index": n, "text": "", "logprobs": None, "finish_reason": "length"} | place.whole(text)
        for n, text in enumerate(texts)
    ]
    return envelope("text_completion", choices, usage=USAGE)


def text_chunks(place: Place, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    for index, delta in turns([place.deltas(text) for text in texts]):
        choice = {"index": index, "text": "", "logprobs": None, "finish_reason": None} | delta
        yield envelope("text_completion", [choice])
    for index in range(len(texts)):
        yield envelope("text_completion", [{"index": index, "text": "", "finish_reason": "length"}])
    yield envelope("text_completion", [], usage=USAGE)


def turns(each: Sequence[list[dict[str, Any]]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The deltas of several choices, taking turns."""
    for number in range(max(map(len, each), default=0)):
        for index, deltas in enumerate(each):
            if number < len(deltas):
                yield index, dict(deltas[number])


def response_whole(place: Place, texts: Sequence[str]) -> dict[str, Any]:
    output = [{"id": f"it_{n}", "status": "completed"} | place.whole(t) for n, t in enumerate(texts)]
    return {
        "id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "error": None,
        "incomplete_details": None, "model": "m", "output": output, "usage": RESPONSE_USAGE,
    }  # fmt: skip


def response_events(place: Place, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    whole = response_whole(place, texts)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    for number, made in enumerate(whole["output"]):
        yield from item_events(number, made)
    yield {"type": "response.completed", "response": whole}


def item_events(number: int, made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    where = {"item_id": made["id"], "output_index": number}
    emptied = {name: [] if isinstance(value, list) else value for name, value in made.items()}
    emptied |= {name: "" for name in ("arguments", "input") if name in made}
    yield {"type": "response.output_item.added", "output_index": number, "item": emptied}
    for name, kind in (("arguments", "function_call_arguments"), ("input", "custom_tool_call_input")):
        if name in made:
            for piece in pieces(made[name]):
                yield {"type": f"response.{kind}.delta", **where, "delta": piece}
            yield {"type": f"response.{kind}.done", **where, name: made[name]}
    for group, index in (("summary", "summary_index"), ("content", "content_index")):
        for place, part in enumerate(made.get(group, [])):
            yield from part_events(group, {**where, index: place}, part)
    yield {"type": "response.output_item.done", "output_index": number, "item": made}


def part_events(group: str, where: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = {
        "output_text": ("output_text", "text"),
        "refusal": ("refusal", "refusal"),
        "summary_text": ("reasoning_summary_text", "text"),
        "reasoning_text": ("reasoning_text", "text"),
    }
    kind, name = names[part["type"]]
    announced = "reasoning_summary_part" if group == "summary" else "content_part"
    yield {"type": f"response.{announced}.added", **where, "part": part | {name: ""}}
    for piece in pieces(part[name]):
        yield {"type": f"response.{kind}.delta", **where, "delta": piece}
    yield {"type": f"response.{kind}.done", **where, name: part[name]}
    for number, note in enumerate(part.get("annotations", [])):
        event = {"annotation_index": number, "annotation": note}
        yield {"type": "response.output_text.annotation.added", **where, **event}
    yield {"type": f"response.{announced}.done", **where, "part": part}


WHOLE = {"/chat/completions": chat_whole, "/completions": text_whole, "/responses": response_whole}
STREAMED = {"/chat/completions": chat_chunks, "/completions": text_chunks, "/responses": response_events}


def reply(endpoint: str, place: Place, texts: Sequence[str], stream: bool) -> Raw:
    """What the model sends."""
    if not stream:
        return Raw([orjson.dumps(WHOLE[endpoint](place, texts))], headers=JSON)
    events = [
        sse.encode(orjson.dumps(event), event.get("type")) for event in STREAMED[endpoint](place, texts)
    ]
    return Raw([b"".join(events) + (b"" if endpoint == "/responses" else sse.DONE)])


def asked(endpoint: str, place: Place, n: int, stream: bool) -> dict[str, Any]:
    """A request for it."""
    body: dict[str, Any] = {"model": "m", "stream": stream, **place.ask}
    if endpoint == "/responses":
        return body | {"input": "What do you know?"}
    if stream:
        body["stream_options"] = {"include_usage": True}
    if endpoint == "/completions":
        return body | {"prompt": "What do you know?", "n": n}
    return body | {"messages": [{"role": "user", "content": "What do you know?"}], "n": n}


# --- what a caller gets ----------------------------------------------------------------------------


@dataclass(slots=True)
class Got:
    """What came out: for each choice the text of the place and how it ended; the counts; every string."""

    texts: dict[int, str] = field(default_factory=dict)
    finish: dict[int, str | None] = field(default_factory=dict)
    usage: Any = None
    strings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    ended: bool = True


def got_whole(endpoint: str, place: Place, body: Mapping[str, Any]) -> Got:
    got = Got(usage=body.get("usage"), strings=list(leaves(body)))
    if endpoint == "/responses":
        why = (body["incomplete_details"] or {}).get("reason")
        for number, made in enumerate(body["output"]):
            got.texts[number] = place.get(made)
            got.finish[number] = why or body["status"]
            got.refusals += [
                p["refusal"] for p in made.get("content", []) if "incident" in p.get("refusal", "")
            ]
        return got
    for choice in body["choices"]:
        index = choice["index"]
        from_body = {"citations": body.get("citations", [])} if index == 0 else {}
        holder = choice.get("message", choice) | from_body
        got.texts[index] = place.get(holder)
        got.finish[index] = choice["finish_reason"]
        if "incident" in (holder.get("refusal") or ""):
            got.refusals.append(holder["refusal"])
    return got


def got_streamed(endpoint: str, place: Place, data: bytes) -> Got:
    parser = sse.SseParser()
    events = [event.data for event in parser.feed(data) + parser.finish()]
    chunks = [orjson.loads(each) for each in events if each != "[DONE]"]
    assert not any("error" in chunk and chunk["error"] for chunk in chunks), chunks[-1]
    if endpoint == "/responses":
        return got_events(place, chunks)
    got = Got(ended=events[-1] == "[DONE]", strings=[s for chunk in chunks for s in leaves(chunk)])
    for chunk in chunks:
        got.usage = chunk.get("usage") or got.usage
        for choice in chunk["choices"]:
            index = choice["index"]
            from_body = {"citations": chunk["citations"]} if "citations" in chunk and index == 0 else {}
            holder = choice.get("delta", choice) | from_body
            got.texts[index] = got.texts.get(index, "") + place.get(holder)
            got.finish[index] = choice["finish_reason"] or got.finish.get(index)
            if "incident" in (holder.get("refusal") or ""):
                got.refusals.append(holder["refusal"])
                got.texts[index] = got.texts[index].replace(holder["refusal"], "")
    return got


def got_events(place: Place, events: list[dict[str, Any]]) -> Got:
    """The last event has the whole answer; what the deltas said must be what it says."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    got = got_whole("/responses", place, events[-1]["response"])
    got.strings = [s for event in events for s in leaves(event)]
    told: dict[tuple[int, str, int], str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            part = event.get("content_index", event.get("summary_index", 0))
            key = (event["output_index"], event["type"].removesuffix(".delta"), part)
            told[key] = told.get(key, "") + event["delta"]
        elif event["type"].endswith("_text.done") or event["type"].endswith("arguments.done"):
            part = event.get("content_index", event.get("summary_index", 0))
            key = (event["output_index"], event["type"].removesuffix(".done"), part)
            assert told.get(key, "") == event.get("text", event.get("arguments"))
    got.strings += told.values()
    return got
