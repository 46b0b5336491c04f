"""How a model answers with a text at a place, whole and in pieces, and the request for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from proxy import sse
from proxy.upstreams.scripted import Raw
from tests.e2e.surface import JSON, Place, pieces

USAGE = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}
RESPONSE_USAGE = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 12,
}


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
