"""Hostile JSON in requests and in answers of the model: a clear error, and the server goes on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from proxy.nesting import DEEPEST
from proxy.upstreams.scripted import Raw, Said, Says
from tests.serving import CHAT, Served, chunk, serving
from tests.training import SmallIndex

WHOLE = {"Content-Type": "application/json"}
STREAM = {"Content-Type": "text/event-stream"}
DOORS = {
    CHAT: '"model": "m", "messages": [{"role": "user", "content": "x"}]',
    "/v1/completions": '"model": "m", "prompt": "x"',
    "/v1/responses": '"model": "m", "input": "x"',
    "/v1/embeddings": '"model": "m", "input": "x"',
    "/v1/guard": '"text": "x"',
    "/beta/litellm_basic_guardrail_api": '"input_type": "request", "texts": ["x"]',
}
doors = pytest.mark.parametrize("door", DOORS)


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("hostile")) as made:
        yield made


def post(served: Served, door: str, body: bytes, **headers: str) -> httpx.Response:
    role = "gateway" if "guard" in door else "admin"
    return served.web.post(door, content=body, headers=served.headers(role) | headers)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object of an answer, which must be in OpenAI's form."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def nested(levels: int, kind: str) -> str:
    opening, closing = ("[", "]") if kind == "lists" else ('{"a":', "}")
    return opening * levels + "1" + closing * levels


@doors
@pytest.mark.parametrize("kind", ["lists", "objects"])
@pytest.mark.parametrize("levels", [DEEPEST, 300, 1000, 100_000])
def test_deep_nesting_is_the_callers_error(served: Served, door: str, kind: str, levels: int) -> None:
    """300 levels in a member that nobody knows were a plain-text 500: they could be parsed, not written."""
    asked = len(served.up.received)
    answer = post(served, door, f'{{{DOORS[door]}, "unknown": {nested(levels, kind)}}}'.encode())
    assert answer.status_code == 400
    assert error_of(answer)["type"] == "invalid_request_error"
    assert len(served.up.received) == asked


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
def test_nesting_up_to_the_limit_reaches_the_model(served: Served, stream: bool) -> None:
    served.up.script(Says(Said("Fine.")))
    levels = DEEPEST - 1  # the body itself is one
    fields = f'{DOORS[CHAT]}, "stream": {json.dumps(stream)}, "unknown": {nested(levels, "objects")}'
    answer = post(served, CHAT, f"{{{fields}}}".encode())
    assert answer.status_code == 200
    assert json.loads(nested(levels, "objects")) == served.up.received[-1].body["unknown"]


def test_many_members_side_by_side_are_not_nested(served: Served) -> None:
    served.up.script(Says(Said("Fine.")))
    wide = json.dumps([{"a": [1]}] * 2000)
    assert post(served, CHAT, f'{{{DOORS[CHAT]}, "unknown": {wide}}}'.encode()).status_code == 200


@doors
@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "1e400", "-1e400", "1" * 5001, '"\\ud800"', '"\x00"', "tru", "[1,]", "0x1", "01"],
    ids=lambda value: value[:12].replace("\x00", "NUL"),
)
def test_values_that_are_no_json_are_the_callers_error(served: Served, door: str, value: str) -> None:
    answer = post(served, door, f'{{{DOORS[door]}, "unknown": {value}}}'.encode())
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")


@doors
@pytest.mark.parametrize("where", ["invalid UTF-8", "BOM", "UTF-16", "gzip unannounced"])
def test_bytes_that_are_no_text_are_the_callers_error(served: Served, door: str, where: str) -> None:
    body = f"{{{DOORS[door]}}}".encode()
    made = {
        "invalid UTF-8": body.replace(b'"x"', b'"\xff\xc0\xaf"'),
        "BOM": b"\xef\xbb\xbf" + body,
        "UTF-16": body.decode().encode("utf-16"),
        "gzip unannounced": gzip.compress(body),
    }
    answer = post(served, door, made[where])
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")


@doors
def test_a_compressed_body_is_refused_unread(served: Served, door: str) -> None:
    """A gzip bomb is not unpacked; the caller reads why."""
    bomb = gzip.compress(b"0" * 10_000_000)
    answer = post(served, door, bomb, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, error_of(answer)["code"]) == (415, "unsupported_encoding")


def test_the_last_of_two_equal_keys_counts_here_and_at_the_model(served: Served) -> None:
    """What was checked is what the model gets: the body is written anew."""
    served.up.script(Says(Said("Fine.")))
    fields = DOORS[CHAT].replace('"x"', '"x", "content": "y"')
    assert post(served, CHAT, f"{{{fields}}}".encode()).status_code == 200
    assert served.up.received[-1].body["messages"] == [{"role": "user", "content": "y"}]


# --- answers of the model -------------------------------------------------------------------------------


def plain(message: str, **more: str) -> bytes:
    extra = "".join(f', "{name}": {value}' for name, value in more.items())
    return f'{{"choices": [{{"index": 0, "message": {message}, "finish_reason": "stop"}}]{extra}}}'.encode()


@pytest.mark.parametrize("levels", [300, 900, 1000, 1020, 10_000])
@pytest.mark.parametrize("place", ["created", "unknown", "usage", "tool_calls", "content"])
def test_a_deeply_nested_plain_answer_is_the_servers_error(served: Served, place: str, levels: int) -> None:
    deep = nested(levels, "lists")
    said = '{"role": "assistant", "content": "Fine."}'
    if place in ("tool_calls", "content"):
        body = plain(f'{{"role": "assistant", "{place}": {deep}}}')
    else:
        body = plain(said, **{place: deep})
    served.up.script(Raw([body], headers=WHOLE))
    answer = served.ask("admin")
    assert (answer.status_code, error_of(answer)["type"]) == (502, "upstream_error")


@pytest.mark.parametrize("levels", [300, 900, 1000, 1020, 10_000])
@pytest.mark.parametrize("place", ["created", "unknown", "usage", "choices"])
def test_a_deeply_nested_chunk_ends_the_stream_with_an_error(served: Served, place: str, levels: int) -> None:
    deep = f'data: {{"choices": [], "{place}": {nested(levels, "lists")}}}\n\n'.encode()
    first = chunk({"role": "assistant", "content": "Before. "})
    served.up.script(Raw([first, first, deep, deep, chunk({"content": "After."})], headers=STREAM))
    made = served.stream("admin")
    assert made.error is not None
    assert made.error["type"] == "upstream_error"
    assert "After" not in made.text()


@pytest.mark.parametrize("levels", [255, 300, 5000, 100_000])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("kind", ["lists", "objects"])
@pytest.mark.parametrize("where", ["arguments", "structured content", "content"])
def test_deep_json_in_the_text_of_an_answer_is_text(
    served: Served, where: str, kind: str, stream: bool, levels: int
) -> None:
    """Readers of JSON in texts follow it without recursion, in calls and in what a model says."""
    deep = nested(levels, kind)
    if where == "arguments":
        call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": deep}}
        delta: dict[str, Any] = {"tool_calls": [call]}
    else:
        delta = {"content": deep}
    message = json.dumps({"role": "assistant"} | delta)
    body = [chunk(delta), chunk({}, "stop"), b"data: [DONE]\n\n"] if stream else [plain(message)]
    served.up.script(Raw(body, headers=STREAM if stream else WHOLE))
    more = {"response_format": {"type": "json_object"}} if where == "structured content" else {}
    if stream:
        made = served.stream("admin", **more)
        assert (made.error, made.finish()) == (None, "stop")
    else:
        assert served.ask("admin", **more).status_code == 200


def test_deep_json_in_a_prompt_is_read_as_own_words(served: Served) -> None:
    served.up.script(Says(Said("Fine.")))
    deep = '{"a\\u4e2d":' * 50_000
    assert served.ask("public", messages=[{"role": "user", "content": deep}]).status_code == 200
