"""What the tests of faults have in common: a server that is given little time, what it is asked, and what of
its answer and of its work must never be there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from proxy import sse
from proxy.text import units
from proxy.upstreams.scripted import Raw, Said, Says
from tests.e2e.replies import STREAMED, asked, reply
from tests.e2e.surface import PLACES
from tests.serving import Served, serving
from tests.training import ADMIN, NOBODY, SmallIndex

BUDGET = 12
ENDPOINTS = {"/chat/completions": "content", "/completions": "text", "/responses": "text"}
SAYS = f"Before: {ADMIN} -- after."
CLEAN = "Nothing of note, 一切正常。"
endpoints = pytest.mark.parametrize("endpoint", ENDPOINTS)


@contextmanager
def hurried(index: SmallIndex, folder: Path) -> Iterator[Served]:
    """The proxy; the model's server is given little time."""
    with serving(index, folder) as made:
        client: Any = made.house.upstream.default.client  # type: ignore[union-attr]
        client._first_byte, client._idle = 5.0, 0.5
        yield made


def nothing_is_left_over(served: Served) -> None:
    """No answer is in flight, no task is left, and the next answer is as good as any."""
    for _ in range(200):
        if not (served.metric("sluicegate_in_flight_streams") or tasks(served)):
            break
        time.sleep(0.02)
    assert served.metric("sluicegate_in_flight_streams") == 0
    assert tasks(served) == []
    served.up._script.clear()
    served.up.script(Says(Said("Alive.")))
    assert served.ask().json()["choices"][0]["message"]["content"] == "Alive."


def tasks(served: Served) -> list[str]:
    """The names of what the server's loop works at for an answer."""
    client: Any = served.house.upstream.default.client  # type: ignore[union-attr]
    if client._opened is None:
        return []
    found = [task.get_coro() for task in asyncio.all_tasks(client._opened._loop)]
    names = [getattr(each, "__qualname__", "") for each in found]
    return [name for name in names if name.startswith(("EventStream.", "_gone", "_disconnect", "relay_"))]


def events(endpoint: str, *texts: str) -> list[bytes]:
    """What the model's server sends for a whole streamed answer, event by event."""
    place = PLACES[endpoint][ENDPOINTS[endpoint]]
    made = STREAMED[endpoint](place, texts)
    return [sse.encode(orjson.dumps(event), event.get("type")) for event in made]


def reply_of(endpoint: str, text: str, stream: bool) -> Raw:
    """The same as a reply of the model's server, whole or streamed."""
    return reply(endpoint, PLACES[endpoint][ENDPOINTS[endpoint]], [text], stream)


def ask(served: Served, endpoint: str, stream: bool = True, n: int = 1) -> httpx.Response:
    place = PLACES[endpoint][ENDPOINTS[endpoint]]
    body = asked(endpoint, place, n, stream)
    return served.web.post(f"/v1{endpoint}", json=body, headers=served.headers("public"))


def runs(text: str) -> set[tuple[int, ...]]:
    made = units(text)
    return {tuple(made[at : at + BUDGET + 1]) for at in range(len(made) - BUDGET)}


FORBIDDEN = runs(ADMIN) | runs(NOBODY)


def check(answer: httpx.Response) -> list[Any]:
    """Nothing uncleared is on the wire, in one event or across them; the events."""
    assert FORBIDDEN.isdisjoint(runs(answer.text))
    if "event-stream" not in answer.headers["content-type"]:
        return []
    parser = sse.SseParser()
    data = [event.data for event in parser.feed(answer.content) + parser.finish()]
    made = [orjson.loads(each) for each in data if each != "[DONE]"]
    said = "".join(text for each in made for text in spoken(each))
    assert FORBIDDEN.isdisjoint(runs(said))
    return made


def spoken(event: Mapping[str, Any]) -> Iterator[str]:
    yield event["delta"] if isinstance(event.get("delta"), str) else ""
    for choice in event.get("choices", []):
        yield choice.get("delta", choice).get("content") or choice.get("text") or ""


def told(content: bytes) -> str:
    """What a stream says, put together."""
    parser = sse.SseParser()
    data = [event.data for event in parser.feed(content) + parser.finish()]
    return "".join(text for each in data if each != "[DONE]" for text in spoken(orjson.loads(each)))


def failed(made: Sequence[Any]) -> str:
    """The message of the error that ends a stream."""
    last = made[-1]
    if last.get("type") == "response.failed":
        return str(last["response"]["error"]["message"])
    return str(last["message"] if last.get("type") == "error" else last["error"]["message"])


def outcomes(served: Served, endpoint: str, outcome: str) -> float:
    labels = {"endpoint": f"/v1{endpoint}", "role": "public", "outcome": outcome}
    return served.metric("sluicegate_requests_total", **labels)
