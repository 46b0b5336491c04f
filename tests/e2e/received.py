"""What a caller got: the texts of a place and how each choice ended, from an answer whole or streamed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy import sse
from tests.e2e.surface import Place, leaves


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
