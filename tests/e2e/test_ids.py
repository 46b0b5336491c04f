"""Ids and names in an answer are no door: a server that makes them of what the model says tells the caller
nothing with them, and a conversation goes on as if they were its own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle, product
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai import DefaultHttpxClient, OpenAI
from openai.types.chat import ChatCompletionMessage

from proxy import sse
from proxy.upstreams.scripted import Raw, Reply
from tests.e2e.received import got_streamed, got_whole
from tests.e2e.replies import STREAMED, WHOLE, asked, item_events, response_events, response_whole
from tests.e2e.surface import JSON, PLACES, leaves, message, output_text
from tests.serving import Served, chunk, serving
from tests.training import ADMIN, SmallIndex, shared_units

CLEAN = "Nothing of note, 一切正常."
BLOCKED = f"Here: {ADMIN} Bye."
SHORT = ADMIN[:60].strip()
MARKS = {
    "words": SHORT.replace(" ", "-"),
    "more than an id": ADMIN.replace(" ", "_"),
    "hexadecimal": SHORT.encode().hex(),
    "base64": base64.urlsafe_b64encode(SHORT.encode()).decode().rstrip("="),
    "behind a prefix": "call_" + SHORT.replace(" ", ""),
    "text": SHORT,
}
IDS = ("id", "call_id", "item_id", "file_id", "container_id", "system_fingerprint", "model")
EVERY = [
    (endpoint, name, stream)
    for stream, (endpoint, places) in product((False, True), PLACES.items())
    for name in places
]
CELLS = [(*cell, mark) for cell, mark in zip(EVERY, cycle(MARKS), strict=False)] + [
    (*cell, mark) for cell, mark in product(EVERY, MARKS) if cell[1] in ("arguments", "text")
]
"""Every place with some mark, calls and texts with each."""


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy."""
    with serving(small_index, tmp_path_factory.mktemp("ids")) as made:
        yield made


@contextmanager
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{served.url}/v1",
        api_key=served.key("public"),
        max_retries=0,
        http_client=DefaultHttpxClient(trust_env=False),
    ) as made:
        yield made


# --- nothing is told -------------------------------------------------------------------------------


def marked(value: Any, mark: str, number: Iterator[int]) -> Any:
    """An answer, every id and name of which begins with a mark; a fingerprint that differs each time."""
    if isinstance(value, list):
        return [marked(each, mark, number) for each in value]
    if not isinstance(value, dict):
        return value
    made = {
        name: mark + (member if name != "model" else "") if name in IDS else marked(member, mark, number)
        for name, member in value.items()
    }
    if "choices" in made:
        made["system_fingerprint"] = f"fp_{next(number)}{mark}"
    if "start_index" in made:
        made |= {"file_id": mark, "container_id": mark}
    return made


def told(strings: list[str], mark: str) -> list[str]:
    """Those strings of an answer that tell something of the text of the mark, or of the mark itself."""
    pieces = {mark[at : at + 8] for at in range(len(mark) - 7)}
    return [
        each
        for each in set(strings)
        if any(piece in each for piece in pieces) or (len(each) > 6 and shared_units(ADMIN, each) > 6)
    ]


def test_the_judge_sees_what_is_told() -> None:
    """A mark is seen as it is, in other words of the same letters, and among others."""
    for mark in MARKS.values():
        assert told(["x" + mark[:20]], mark)
    assert told([SHORT[:12].upper().replace(" ", ".")], "a mark")
    assert not told([CLEAN, "call_7Xq", "m"], MARKS["words"])


def sent(endpoint: str, name: str, text: str, stream: bool, mark: str) -> Reply:
    place, number = PLACES[endpoint][name], count()
    if not stream:
        return Raw([orjson.dumps(marked(WHOLE[endpoint](place, [text]), mark, number))], headers=JSON)
    events = [marked(event, mark, number) for event in STREAMED[endpoint](place, [text])]
    return Raw([*(sse.encode(orjson.dumps(event), event.get("type")) for event in events), sse.DONE])


@pytest.mark.parametrize(
    ("endpoint", "name", "stream", "mark"),
    sorted(set(CELLS)),
    ids=["-".join(map(str, cell)).replace(" ", "_") for cell in sorted(set(CELLS))],
)
def test_ids_tell_nothing(served: Served, endpoint: str, name: str, stream: bool, mark: str) -> None:
    """Whatever stands in the ids and names of an answer, the caller reads none of it, and all the rest."""
    place = PLACES[endpoint][name]
    for text, outcome in ((CLEAN, "passed"), (BLOCKED, "blocked")):
        served.up.script(sent(endpoint, name, text, stream, MARKS[mark]))
        body = asked(endpoint, place, 1, stream)
        answer = served.web.post(f"/v1{endpoint}", json=body, headers=served.headers("public"))
        assert answer.status_code == 200, answer.text
        read = got_streamed if stream else got_whole
        got = read(endpoint, place, answer.content if stream else answer.json())  # type: ignore[arg-type]
        if outcome == "passed":
            assert told(got.strings, MARKS[mark]) == []
            assert place.read(got.texts[0]) == CLEAN
        else:  # what was let go of the text itself is within the budget, and is no id
            assert not any(MARKS[mark][:20] in each for each in got.strings)
        assert told(ids_of(answer.text), MARKS[mark]) == []
        decision = served.trail()[-1]
        assert MARKS[mark][:8] not in str(answer.headers) + str(decision)
        assert decision["outcome"] == outcome


def ids_of(text: str) -> list[str]:
    """What stands at the places of ids, in a body or in the events of a stream."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith(("{", "data: {"))]
    return [each for line in lines for each in found(orjson.loads(line))]


def found(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[name] for name in IDS if isinstance(value.get(name), str))
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from found(each)


@pytest.mark.parametrize("mark", MARKS)
def test_vectors_have_no_other_name(served: Served, mark: str) -> None:
    """Of embeddings there is the model that was asked for, and numbers."""
    data = [{"object": "embedding", "index": 0, "embedding": [0.5], "id": MARKS[mark]}]
    body = {"id": MARKS[mark], "object": "list", "data": data, "model": MARKS[mark]}
    served.up.script(Raw([orjson.dumps(body)], headers=JSON))
    answer = served.web.post(
        "/v1/embeddings", json={"model": "m", "input": "a"}, headers=served.headers("public")
    )
    assert answer.json()["model"] == "m"
    assert told(list(leaves(answer.json())), MARKS[mark]) == []


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_dated_name_of_the_model_passes(served: Served, stream: bool) -> None:
    """A snapshot of the model that was asked for is named; what a server adds to it is not."""
    for given, said in (("m-2024-08-06", "m-2024-08-06"), (f"m-{MARKS['words']}", "m"), ("other", "m")):
        whole = WHOLE["/chat/completions"](PLACES["/chat/completions"]["content"], [CLEAN]) | {"model": given}
        events = [chunk({"content": CLEAN}, model=given), chunk({}, "stop", model=given), sse.DONE]
        served.up.script(Raw(events) if stream else Raw([orjson.dumps(whole)], headers=JSON))
        answer = served.stream().chunks[-1] if stream else served.ask().json()
        assert answer["model"] == said


def test_one_id_is_one_id(served: Served) -> None:
    """In a stream an item has the id of its events, a call one id, and the answer one from first to last."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    items = [
        {"id": f"it_{n}", "status": "completed"} | each
        for n, each in enumerate((message(output_text(CLEAN)), call))
    ]
    first, *_, last = response_events(PLACES["/responses"]["text"], [CLEAN])
    between = [event for n, each in enumerate(items) for event in item_events(n, each)]
    events = [first, *between, last]
    served.up.script(Raw([sse.encode(orjson.dumps(event), event["type"]) for event in events]))
    with client(served) as caller:
        got = list(caller.responses.create(model="m", input="?", stream=True))
    announced = [event.item.id for event in got if event.type == "response.output_item.added"]
    done = [event.item.id for event in got if event.type == "response.output_item.done"]
    assert announced == done == [item.id for item in got[-1].response.output]  # type: ignore[union-attr]
    assert len(set(announced)) == 2
    assert {getattr(event, "item_id", announced[0]) for event in got} == set(announced)
    assert len({event.response.id for event in got if hasattr(event, "response")}) == 1


# --- a conversation goes on ------------------------------------------------------------------------

GIVEN = ("functions.find:0", "D681PevKs")
"""As Kimi K2 and Mistral have them; both refuse, or misunderstand, other ones."""


def calling(stream: bool) -> Raw:
    """A model that calls a tool twice."""
    calls = [
        {"id": each, "type": "function", "function": {"name": "find", "arguments": f'{{"n": {n}}}'}}
        for n, each in enumerate(GIVEN)
    ]
    if stream:
        pieces = [chunk({"tool_calls": [call | {"index": n}]}) for n, call in enumerate(calls)]
        return Raw([chunk({"role": "assistant"}), *pieces, chunk({}, "tool_calls"), sse.DONE])
    choice = {"index": 0, "message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}
    return Raw([orjson.dumps({"id": "x", "created": 1, "model": "m", "choices": [choice]})], headers=JSON)


def chat(caller: OpenAI, messages: list[Any], stream: bool) -> ChatCompletionMessage:
    if not stream:
        return caller.chat.completions.create(model="m", messages=messages).choices[0].message
    with caller.chat.completions.stream(model="m", messages=messages) as answer:
        return answer.get_final_completion().choices[0].message


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_chat_with_tools(served: Served, small_index: SmallIndex, tmp_path: Path, stream: bool) -> None:
    """The client calls, answers each call, and asks again: the server finds its own ids, at any replica."""
    messages: list[Any] = [{"role": "user", "content": "Find it."}]
    served.up.script(calling(stream))
    with client(served) as caller:
        said = chat(caller, messages, stream)
    calls = said.tool_calls or []
    assert len({call.id for call in calls} | set(GIVEN)) == 4
    messages.append(said.model_dump(exclude_none=True))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"It is {call.id}."} for call in calls]
    with serving(small_index, tmp_path) as other, client(other) as caller:
        other.up.script(calling(stream))
        again = chat(caller, messages, stream)
        assert [call.id for call in again.tool_calls or ()] == [call.id for call in calls]
        received = other.up.received[-1].body["messages"]
    assert [call["id"] for call in received[1]["tool_calls"]] == list(GIVEN)
    assert [each["tool_call_id"] for each in received[2:]] == list(GIVEN)
    assert [each["content"] for each in received[2:]] == [f"It is {call.id}." for call in calls]


def response(*output: dict[str, Any]) -> Raw:
    items = [{"id": f"fc_{n}", "status": "completed"} | each for n, each in enumerate(output)]
    body = response_whole(PLACES["/responses"]["text"], [CLEAN])
    return Raw([orjson.dumps(body | {"id": "resp_of_the_server", "output": items})], headers=JSON)


def test_responses_with_tools(served: Served) -> None:
    """Whether the server keeps the conversation or the client sends it again: the ids are the server's."""
    call = {"type": "function_call", "call_id": GIVEN[0], "name": "find", "arguments": "{}"}
    served.up.script(response(call), response(message(output_text("Found."))), response())
    with client(served) as caller:
        first = caller.responses.create(model="m", input="Find it.")
        (made,) = first.output
        assert first.id.startswith("resp_") and first.id != "resp_of_the_server"
        assert made.type == "function_call" and GIVEN[0] not in made.call_id
        result: Any = {"type": "function_call_output", "call_id": made.call_id, "output": "here"}
        second = caller.responses.create(model="m", previous_response_id=first.id, input=[result])
        kept = served.up.received[-1].body
        assert (second.output_text, second.previous_response_id) == ("Found.", first.id)
        caller.responses.create(model="m", input=[made.model_dump(exclude_none=True), result])  # type: ignore[list-item]
        again = served.up.received[-1].body["input"]
    assert kept["previous_response_id"] == "resp_of_the_server"
    assert kept["input"] == [result | {"call_id": GIVEN[0]}]
    assert [each["call_id"] for each in again] == [GIVEN[0]] * 2
    assert again[0]["id"] == "fc_0"
