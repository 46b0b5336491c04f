"""The Responses API: requests, items, the envelope, and answers whole and streamed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from openai.types.responses import Response

from proxy.dialects import responses
from proxy.dialects.responses import ResponseRequest
from proxy.dialects.responses_stream import ResponseStream
from proxy.dialects.shapes import Frame
from proxy.errors import RequestError, UpstreamError
from proxy.types import Cleared
from tests.dialects.driving import SEAL, Late, unsealed
from tests.e2e.replies import RESPONSE_USAGE, item_events
from tests.e2e.surface import RESPONSES, message, output_text

SECRET = "the secret is 12345"
WHOLE = {
    "id": "resp_1", "object": "response", "created_at": 7.0, "status": "completed", "error": None,
    "incomplete_details": None, "model": "m-001", "usage": RESPONSE_USAGE,
}  # fmt: skip


def ask(*, allow_logprobs: bool = False, **fields: Any) -> ResponseRequest:
    body = {"model": "m", "input": "Hi"} | fields
    return responses.request(body, allow_logprobs=allow_logprobs, seal=SEAL)


def whole(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    items = [{"id": f"it_{n}", "status": "completed"} | each for n, each in enumerate(output)]
    return WHOLE | {"output": items} | more


def events(*output: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    made = whole(*output, **more)
    begun = made | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    parts = [event for n, each in enumerate(made["output"]) for event in item_events(n, each)]
    return [
        {"type": "response.created", "response": begun},
        *parts,
        {"type": "response.completed", "response": made},
    ]


def drive(answer: ResponseStream, given: Iterable[Any], hold: int = 0) -> list[Frame]:
    """Every event of a stream that no guard stops, but holds back."""
    guards: dict[Any, Late] = {}
    frames: list[Frame] = []
    for event in [*given, None]:
        reading = answer.cut() if event is None else answer.read(event)
        texts: dict[Any, Cleared] = {}
        for delta in reading.deltas:
            channel = (delta.choice, delta.channel)
            texts[channel] = Cleared(
                texts.get(channel, "") + guards.setdefault(channel, Late(hold)).feed(delta.text)
            )
        for channel in reading.ended:
            texts[channel] = Cleared(texts.get(channel, "") + guards[channel].finish())
        frames += answer.write(reading, texts)
    return frames


def streamed(*, allow_logprobs: bool = False, **fields: Any) -> ResponseStream:
    return ask(stream=True, allow_logprobs=allow_logprobs, **fields).streamed("ours", "Stopped.")


# --- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": 7}, "input"), ({"input": [7]}, "input[0]"), ({"background": True}, "background"),
        ({"input": [{"role": "user", "content": [7]}]}, "input[0].content[0]"), ({"text": 7}, "text"),
        ({"include": ["message.output_text.logprobs"]}, "include"), ({"top_logprobs": 3}, "top_logprobs"),
        ({"stream": 1}, "stream"), ({"model": None}, "model"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused(fields: dict[str, Any], param: str) -> None:
    """The refusal names the field."""
    with pytest.raises(RequestError) as error:
        ask(**fields)
    assert error.value.param == param


ITEMS = [
    {"role": "user", "content": "a"},
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "b"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "mine"}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "d"},
]


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (("user",), ("a", "V")),
        (("developer",), ("b", "I", "name\nf", "type\njson_object")),
        (("tool",), ("d",)),
        (("assistant",), ()),
        ((), ()),
    ],
)
def test_own_words(roles: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """What was sent under the roles that count is the caller's own; the assistant's never is."""
    request = ask(
        input=ITEMS, instructions="I", tools=[{"name": "f"}], text={"format": {"type": "json_object"}},
        prompt={"id": "p", "variables": {"v": "V"}},
    )  # fmt: skip
    assert tuple(word for word in request.own_words(roles) if word != "v") in (expected, ("a", "v\nV"))
    if roles == ("tool",):
        assert ask(input="x").own_words(roles) == ()


def test_which_channels_are_json() -> None:
    """Arguments always; texts where the request asks for JSON; never what stands beside them."""
    request = ask(text={"format": {"type": "json_schema"}})
    assert request.is_json("item:0:text:1")
    assert request.is_json("item:0:arguments")
    for channel in ("item:0:text:1:note:0:title", "item:0:summary:0", "item:0:input", "item:0:name"):
        assert not request.is_json(channel)
    assert not ask().is_json("item:0:text:1")


# --- whole answers ---------------------------------------------------------------------------------


def let_go(answer: Any) -> dict[Any, Cleared]:
    return {(delta.choice, delta.channel): Cleared(delta.text) for delta in answer.deltas}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_whole_answer_comes_back(name: str) -> None:
    """Every kind of item is written as it came, and what repeats the request is taken from the request."""
    given = whole(RESPONSES[name].whole("Hello"), tools=[SECRET], instructions=SECRET, metadata={"a": SECRET})
    answer = ask(instructions="Be brief.").whole(given, "ours", "Stopped.")
    made = answer.write(let_go(answer))
    assert unsealed(made["output"]) == given["output"]
    assert all(f"it_{n}" not in str(made) for n in range(2))
    assert (made["model"], unsealed(made["id"])) == ("m-001", "resp_1")
    assert (made["created_at"], made["status"]) == (7, "completed")
    assert (made["instructions"], made["tools"], made["usage"]) == ("Be brief.", [], WHOLE["usage"])
    assert "12345" not in str(made)
    assert answer.dropped == []
    Response.model_validate(made)


def test_items_that_cannot_be_read_stay_behind() -> None:
    """Searches, pictures and programs are left out, and counted; so are sealed thoughts."""
    search = {"type": "web_search_call", "action": {"query": SECRET}}
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": SECRET}
    answer = ask().whole(whole(search, message(output_text("Hi")), sealed), "ours", "Stopped.")
    made = answer.write(let_go(answer))
    assert [each["type"] for each in made["output"]] == ["message", "reasoning"]
    assert "12345" not in str(made)
    assert answer.dropped == ["other", "other"]


def test_only_cleared_text_is_written() -> None:
    """Text that no guard has let go is not in the answer."""
    call = {"type": "function_call", "call_id": "c", "name": SECRET, "arguments": SECRET}
    answer = ask().whole(whole(message(output_text(SECRET, title=SECRET)), call), "ours", "Stopped.")
    assert "12345" not in str(answer.write({}))


def test_why_an_answer_is_incomplete() -> None:
    """The reason is one of a closed set."""
    for given, written in (("max_output_tokens", "max_output_tokens"), (SECRET, "max_output_tokens")):
        body = whole(status="incomplete", incomplete_details={"reason": given})
        made = ask().whole(body, "ours", "Stopped.").write({})
        assert (made["status"], made["incomplete_details"]) == ("incomplete", {"reason": written})


def test_a_block_of_a_whole_answer() -> None:
    """The text that was let go, a refusal after it, and no call."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    answer = ask().whole(whole(call, message(output_text(SECRET))), "ours", "Stopped.")
    made = answer.write(
        {(0, "item:0:name"): Cleared("f"), (0, "item:1:text:0"): Cleared("the")}, {0: "inc_1"}
    )
    (item,) = made["output"]
    assert [part["type"] for part in item["content"]] == ["output_text", "refusal"]
    assert item["content"][1]["refusal"] == "Stopped. (incident inc_1)"
    assert (made["status"], made["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    assert made["usage"] == WHOLE["usage"]


def test_a_block_of_structured_output_leaves_no_half_of_it() -> None:
    """Half a JSON text would make a client that parses it fail: the refusal alone is there."""
    answer = ask(text={"format": {"type": "json_schema"}}).whole(
        whole(message(output_text('{"a": "b'))), "ours", "Stopped."
    )
    made = answer.write({(0, "item:0:text:0"): Cleared('{"a')}, {0: "inc_1"})
    assert [part["type"] for part in made["output"][0]["content"]] == ["refusal"]


# --- streamed answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [0, 3, 1000])
@pytest.mark.parametrize("name", RESPONSES)
def test_a_streamed_answer_comes_back(name: str, hold: int) -> None:
    """However long text is held: the deltas say what the whole at the end says, and that is what came."""
    place = RESPONSES[name]
    given = events(place.whole("Hello there, friend"), place.whole("and more"))
    frames = drive(streamed(), given, hold)
    assert unsealed(frames[-1].data["response"]["output"]) == given[-1]["response"]["output"]
    assert frames[-1].last
    assert [frame.data["sequence_number"] for frame in frames] == list(range(len(frames)))
    assert [frame.event for frame in frames] == [frame.data["type"] for frame in frames]
    added = [f.data for f in frames if f.event == "response.output_item.added"]
    assert [each["output_index"] for each in added] == [0, 1]
    done = [f.data["item"] for f in frames if f.event == "response.output_item.done"]
    assert unsealed(done) == given[-1]["response"]["output"]
    assert len({f.data["response"]["id"] for f in frames if "response" in f.data}) == 1


def test_a_server_that_sends_texts_whole() -> None:
    """Without deltas the texts are taken from the done events, or from the whole at the end."""
    given = events(message(output_text("Hello")))
    for kept in (lambda kind: not kind.endswith(".delta"), lambda kind: kind == "response.completed"):
        frames = drive(streamed(), [event for event in given if kept(event["type"])])
        deltas = [f.data["delta"] for f in frames if f.event == "response.output_text.delta"]
        assert deltas == ["Hello"]
        assert unsealed(frames[-1].data["response"]["output"]) == given[-1]["response"]["output"]


def test_whole_texts_of_the_upstream_are_not_believed() -> None:
    """A done event, or the end, that says something else than the deltas changes nothing."""
    given = events(message(output_text("Hello")))
    for event in given:
        for name in ("text", "part", "item", "response"):
            if event["type"].endswith((".done", "completed")) and name in event:
                event[name] = SECRET if name == "text" else {**event[name], "output": [], "content": []}
    frames = drive(streamed(), given)
    assert "12345" not in str(frames)
    assert frames[-1].data["response"]["output"][0]["content"][0]["text"] == "Hello"


def test_log_probabilities_follow_their_text() -> None:
    """Where they may be had they are aligned to what was let go; elsewhere they stay behind."""
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    item = {"id": "it_0", "type": "message", "content": []}
    where = {"item_id": "it_0", "output_index": 0, "content_index": 0}
    given = [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", **where, "delta": "Hi", "logprobs": [token]},
        {"type": "response.completed", "response": whole()},
    ]
    frames = drive(streamed(allow_logprobs=True), given)
    assert [f.data["logprobs"] for f in frames if f.event == "response.output_text.delta"] == [[token]]
    assert frames[-1].data["response"]["output"][0]["content"][0]["logprobs"] == [token]
    assert "-0.5" not in str(drive(streamed(), given))


def test_a_block_of_a_streamed_answer() -> None:
    """What was let go is closed, the refusal follows, and the answer ends as incomplete."""
    answer = streamed()
    given = events(message(output_text("Hello " + SECRET)))
    frames = answer.write(answer.read(given[0]), {})
    for event in given[1:4]:
        reading = answer.read(event)
        texts = {(d.choice, d.channel): Cleared(d.text) for d in reading.deltas}
        frames += answer.write(reading, texts, {0: "inc_1"} if texts else None)
    assert answer.over
    ended = frames[-1]
    assert (ended.event, ended.last) == ("response.incomplete", True)
    assert ended.data["response"]["incomplete_details"] == {"reason": "content_filter"}
    (item,) = ended.data["response"]["output"]
    assert [part["type"] for part in item["content"]] == ["output_text", "refusal"]
    assert "12345" not in str(frames)
    assert answer.write(answer.read(given[4]), {}) == []
    with pytest.raises(ValueError, match="over"):
        answer.write(None, {(0, "item:0:text:0"): Cleared("more")})


def test_a_block_that_comes_with_the_end_of_an_item() -> None:
    """What was let go of it before stays a part of it, and the refusal is the next part of the same item."""
    answer = streamed()
    where = {"item_id": "msg_9", "output_index": 0, "content_index": 0}
    answer.write(answer.read({"type": "response.output_text.delta", **where, "delta": "Well: the"}), {})
    done = {"id": "msg_9", "type": "message", "role": "assistant", "content": [{"type": "output_text"}]}
    reading = answer.read({"type": "response.output_item.done", "output_index": 0, "item": done})
    frames = answer.write(reading, {(0, "item:0:text:0"): Cleared("Well: ")}, {0: "inc_1"})
    (item,) = frames[-1].data["response"]["output"]
    assert [part["type"] for part in item["content"]] == ["output_text", "refusal"]
    assert item["content"][0]["text"] == "Well: "
    assert [f.data["type"] for f in frames].count("response.output_item.added") == 1


def test_a_block_before_anything_was_said() -> None:
    """A message of its own holds the refusal; the call that was begun is never said to be done."""
    answer = streamed()
    frames = answer.write(answer.read(events()[0]), {})
    call = {"id": "fc_0", "type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    reading = answer.read({"type": "response.output_item.added", "output_index": 0, "item": call})
    frames += answer.write(reading, {(0, "item:0:name"): Cleared("f")})
    delta = {
        "type": "response.function_call_arguments.delta",
        "output_index": 0,
        "item_id": "fc_0",
        "delta": '{"',
    }
    frames += answer.write(answer.read(delta), {(0, "item:0:arguments"): Cleared("{")}, {0: "inc_1"})
    kinds = [frame.event for frame in frames]
    assert "response.function_call_arguments.done" not in kinds
    assert [item["type"] for item in frames[-1].data["response"]["output"]] == ["message"]


def test_a_stream_that_breaks_off() -> None:
    """What was said is let go; the end says that there was none."""
    frames = drive(streamed(), events(message(output_text("Hello")))[:-2], hold=100)
    assert frames[-1].event == "response.failed"
    assert "Hello" in str(frames)
    assert drive(streamed(), [])[-1].event == "response.failed"


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "error", "message": SECRET},
        {"type": "response.failed", "response": {"status": "failed", "error": {"message": SECRET}}},
        {"type": 7},
        7,
        {"type": "response.output_text.delta", "output_index": "x", "delta": SECRET},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 9999, "delta": SECRET},
        {"type": "response.output_text.delta", "output_index": 0, "delta": 7},
        {"type": "response.output_item.added", "output_index": 0, "item": SECRET},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_read_is_an_error(bad: object) -> None:
    """An error of the upstream, or another shape, is an error in our words."""
    with pytest.raises(UpstreamError) as error:
        streamed().read(bad)
    assert "12345" not in str(error.value)


def test_an_error_in_the_middle_has_its_own_event() -> None:
    """It is OpenAI's, and numbered like the others."""
    answer = streamed()
    answer.write(answer.read(events()[0]), {})
    frame = answer.failed("Broken.", "upstream_error", "server_error")
    assert (frame.event, frame.data["message"], frame.data["sequence_number"]) == ("error", "Broken.", 2)


@pytest.mark.parametrize(
    "bad", [None, {}, {"output": 7}, whole(error={"message": SECRET}), whole(status="failed")]
)
def test_a_body_that_cannot_be_read(bad: object) -> None:
    """Another shape, or an error, is an error in our words."""
    with pytest.raises(UpstreamError) as error:
        ask().whole(bad, "x", "y")
    assert "12345" not in str(error.value)
