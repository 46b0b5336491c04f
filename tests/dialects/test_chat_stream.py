"""Streamed chat answers: one table of answers, cut in every way, with text held back or not."""

from __future__ import annotations

from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from proxy.dialects import chat
from proxy.dialects.chat_stream import ChatStream
from proxy.dialects.fields import DROPPED
from proxy.dialects.ids import AnswerIds
from proxy.dialects.shapes import Frame
from proxy.errors import UpstreamError
from proxy.types import Cleared, Delta
from tests.dialects.driving import SEAL, drive, join, unsealed

SENTENCE = "This answer was stopped."
STOPPED = "This answer was stopped. (incident inc-1)"
MODEL = "asked-2024-08-06"


def stream(n: int = 1, *, allow_logprobs: bool = False, include_usage: bool = True) -> ChatStream:
    body: dict[str, Any] = {
        "model": "asked",
        "stream": True,
        "n": n,
        "messages": [{"role": "user", "content": "?"}],
    }
    body["stream_options"] = {"include_usage": include_usage}
    return chat.request(body, allow_logprobs=allow_logprobs, seal=SEAL).streamed("ours", SENTENCE)


def chunk(*choices: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": MODEL}
    return given | {"choices": list(choices)} | fields


def say(delta: dict[str, Any], index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return chunk({"index": index, "delta": delta, "finish_reason": finish, **fields})


def call(index: int | None = 0, **said: Any) -> dict[str, Any]:
    """A delta of one tool call; ``id``, ``type``, ``name``, ``arguments`` where given."""
    made: dict[str, Any] = {} if index is None else {"index": index}
    made |= {name: said.pop(name) for name in ("id", "type") if name in said}
    return {"tool_calls": [made | {"function": said}]}


def own_id(index: int) -> str:
    """What a call of the first choice gets that has no id."""
    return AnswerIds(SEAL, "chatcmpl-ours").of(None, "call_", (0, index), "", [])


ROLE = {"role": "assistant", "content": ""}
ARGUMENTS = '{"city": "中文", "n": 12}'

# The deltas of one choice, in order; a text that stands in ⟦⟧ is cut as the test says.
ANSWERS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "content": ([ROLE, {"content": "⟦Hello 中文 😀⟧"}], {"content": "Hello 中文 😀"}),
    "content without a role chunk": ([{"content": "⟦Hello⟧"}], {"content": "Hello"}),
    "content as parts": (
        [ROLE, {"content": [{"type": "text", "text": "⟦Hello⟧"}, {"type": "image", "url": "x"}]}],
        {"content": "Hello"},
    ),
    "reasoning, then content": (
        [ROLE, {"reasoning_content": "⟦Let me see⟧"}, {"content": "⟦Hello⟧"}],
        {"reasoning_content": "Let me see", "content": "Hello"},
    ),
    "both names of reasoning": (
        [{"reasoning": "⟦Let me⟧", "reasoning_content": "⟦Let me⟧"}, {"content": "⟦Hello⟧"}],
        {"reasoning": "Let me", "reasoning_content": "Let me", "content": "Hello"},
    ),
    "refusal": ([ROLE, {"refusal": "⟦I cannot⟧"}], {"refusal": "I cannot", "content": ""}),
    "a call": (
        [
            ROLE,
            call(id="call_a", type="function", name="⟦find⟧", arguments=""),
            call(arguments=f"⟦{ARGUMENTS}⟧"),
        ],
        {"calls": {0: ["call_a", "find", ARGUMENTS]}},
    ),
    "a call in one piece": (
        [ROLE | call(id="call_a", type="function", name="find", arguments=ARGUMENTS)],
        {"calls": {0: ["call_a", "find", ARGUMENTS]}},
    ),
    "a call without arguments": (
        [ROLE, call(id="call_a", type="function", name="⟦find⟧", arguments="")],
        {"calls": {0: ["call_a", "find", ""]}},
    ),
    "content, then two calls": (
        [
            ROLE,
            {"content": "⟦Let me look.⟧"},
            call(0, id="call_a", type="function", name="find", arguments=""),
            call(1, id="call_b", type="function", name="⟦read⟧"),
            call(1, arguments="⟦{}⟧"),
        ],
        {"content": "Let me look.", "calls": {0: ["call_a", "find", ""], 1: ["call_b", "read", "{}"]}},
    ),
    "calls without numbers": (
        [
            {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]},
            {"tool_calls": [{"function": {"arguments": "⟦}  ⟧"}}]},
            {"tool_calls": [{"id": "b", "function": {"name": "g", "arguments": "⟦{}⟧"}}]},
        ],
        {"calls": {0: ["a", "f", "{}  "], 1: ["b", "g", "{}"]}},
    ),
    "calls without numbers and ids": (
        [{"tool_calls": [{"function": {"name": n, "arguments": "{}"}} for n in "fg"]}],
        {"calls": {0: [own_id(0), "f", "{}"], 1: [own_id(1), "g", "{}"]}},
    ),
    "a name that is said again": (
        [call(id="call_a", name="find", arguments="{"), call(id="call_a", name="find", arguments="}")],
        {"calls": {0: ["call_a", "find", "{}"]}},
    ),
    "a custom tool": (
        [
            {
                "tool_calls": [
                    {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "⟦ls -l⟧"}}
                ]
            }
        ],
        {"calls": {0: ["a", "sh", "ls -l"]}},
    ),
    "the legacy function call": (
        [ROLE, {"function_call": {"name": "⟦find⟧"}}, {"function_call": {"arguments": f"⟦{ARGUMENTS}⟧"}}],
        {"function": {"name": "find", "arguments": ARGUMENTS}},
    ),
}


def cut_up(delta: Any, size: int) -> list[Any]:
    """The delta once for each piece of its marked texts; the head of a call comes with each of them."""
    if isinstance(delta, str):
        if not delta.startswith("⟦"):
            return [delta]
        text = delta.strip("⟦⟧")
        return [text[at : at + size] for at in range(0, len(text), size)]
    if isinstance(delta, list):
        columns = [cut_up(part, size) for part in delta]
        return [
            [column[min(at, len(column) - 1)] for column in columns] for at in range(max(map(len, columns)))
        ]
    if isinstance(delta, dict):
        pieces = {name: cut_up(part, size) for name, part in delta.items()}
        count = max(map(len, pieces.values()), default=1)
        return [
            {name: part[at] if len(part) == count else part[0] for name, part in pieces.items()}
            for at in range(count)
        ]
    return [delta]


def marked(delta: dict[str, Any]) -> bool:
    return "⟦" in str(delta)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("hold", [0, 3, 1000])
@pytest.mark.parametrize("finish_alone", [True, False])
def test_every_answer_arrives_whole(name: str, size: int, hold: int, finish_alone: bool) -> None:
    """However an answer is cut and however long its text is held, the client gets it whole and in order."""
    deltas, expected = ANSWERS[name]
    pieces = [piece for delta in deltas for piece in (cut_up(delta, size) if marked(delta) else [delta])]
    chunks = [say(piece) for piece in pieces]
    if finish_alone:
        chunks.append(say({}, finish="stop"))
    else:
        chunks[-1]["choices"][0]["finish_reason"] = "stop"
    frames = drive(stream(), chunks, hold=hold)
    assert unsealed(join(frames)) == {0: {"role": "assistant", "content": "", "finish": "stop"} | expected}
    for frame in frames:
        if name != "a custom tool":  # the client's types have none in a stream, though OpenAI sends them
            ChatCompletionChunk.model_validate(frame.data, strict=True)
        assert {k: v for k, v in frame.data.items() if k != "choices"} == {
            "id": "chatcmpl-ours", "object": "chat.completion.chunk", "created": 7, "model": MODEL,
        }  # fmt: skip


def test_the_openai_client_understands_the_frames() -> None:
    """OpenAI's own accumulator makes the same message of our frames as of the upstream's."""
    chunks = [
        say(ROLE),
        *(say({"content": letter}) for letter in "Hello"),
        say(call(0, id="call_a", type="function", name="find", arguments="")),
        *(say(call(0, arguments=letter)) for letter in ARGUMENTS),
        say(call(1, id="call_b", type="function", name="read", arguments="")),
        say(call(1, arguments="{}")),
        say({}, finish="tool_calls"),
        chunk(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
    ]
    results = []
    for given in (chunks, [frame.data for frame in drive(stream(), chunks, hold=7)]):
        state = ChatCompletionStreamState()
        for part in given:
            state.handle_chunk(ChatCompletionChunk.model_validate(part))
        results.append(state.get_final_completion())
    assert results[0].choices[0].message.to_dict() == unsealed(results[1].choices[0].message.to_dict())
    assert results[0].usage == results[1].usage


def test_choices_are_kept_apart() -> None:
    """Several choices that take turns, or share a chunk, each get their own text and finish."""
    chunks = [chunk({"index": 0, "delta": ROLE}, {"index": 1, "delta": ROLE})]
    for a, b in zip("Hello", "World", strict=True):
        chunks += [say({"content": a}, 0), say({"content": b}, 1)]
    chunks += [say({}, 1, "length"), say({}, 0, "stop")]
    expected = {"role": "assistant"}
    for hold in (0, 2):
        assert join(drive(stream(2), chunks, hold=hold)) == {
            0: expected | {"content": "Hello", "finish": "stop"},
            1: expected | {"content": "World", "finish": "length"},
        }


def test_what_is_held_sends_nothing() -> None:
    """The role goes out at once; after that a chunk whose text is held makes no frame."""
    answer = stream()
    first = answer.write(answer.read(say(ROLE)), {})
    assert [frame.data["choices"][0]["delta"] for frame in first] == [ROLE]
    assert answer.write(answer.read(say({"content": "a"})), {}) == []
    assert answer.write(answer.read(say({})), {}) == []
    later = answer.write(None, {(0, "content"): Cleared("a")})
    assert [frame.data["choices"][0]["delta"] for frame in later] == [{"content": "a"}]


def test_held_text_goes_out_before_the_finish() -> None:
    """The text that a guard lets go at its finish makes a frame of its own, before that of the finish."""
    frames = drive(stream(), [say(ROLE), say({"content": "Hello"}, finish="stop")], hold=9)
    said = [(f.data["choices"][0]["delta"], f.data["choices"][0]["finish_reason"]) for f in frames]
    assert said == [(ROLE, None), ({"content": "Hello"}, None), ({}, "stop")]


def test_reasoning_goes_out_before_the_answer() -> None:
    """The held tail of the reasoning is sent when the answer begins; reasoning after that stays behind."""
    answer = stream()
    chunks = [say({"reasoning_content": "Hm"}), say({"content": "a"}), say({"reasoning_content": "late"})]
    readings = [answer.read(part) for part in chunks]
    assert [list(reading.ended) for reading in readings] == [[], [(0, "reasoning_content")], []]
    assert list(readings[2].deltas) == []
    assert list(readings[2].dropped) == ["reasoning.late"]


def test_a_call_is_not_begun_before_its_name_is_cleared() -> None:
    """Id and name of a call stay behind until the whole name has been let go."""
    answer = stream()
    answer.write(answer.read(say(ROLE)), {})
    reading = answer.read(say(call(id="call_a", name="fi")))
    assert answer.write(reading, {(0, "tool:0:name"): Cleared("f")}) == []
    reading = answer.read(say(call(arguments="{")))
    assert reading.ended == [(0, "tool:0:name")]
    (frame,) = answer.write(reading, {(0, "tool:0:name"): Cleared("i")})
    head = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "fi", "arguments": ""}}
    assert unsealed(frame.data["choices"][0]["delta"]) == {"tool_calls": [head]}


def blocked(frame: Frame) -> dict[str, Any]:
    choice: dict[str, Any] = frame.data["choices"][0]
    return choice


def test_a_block_ends_its_choice() -> None:
    """A block sends the cleared text, then the refusal, and nothing of what the upstream says later."""
    answer = stream(2)
    answer.write(answer.read(chunk({"index": 0, "delta": ROLE}, {"index": 1, "delta": ROLE})), {})
    reading = answer.read(say({"content": "Hello secret"}, finish="stop"))
    frames = answer.write(reading, {(0, "content"): Cleared("Hello")}, {0: "inc-1"})
    assert blocked(frames[0])["delta"] == {"content": "Hello"}
    assert blocked(frames[1]) == {
        "index": 0,
        "delta": {"refusal": STOPPED},
        "logprobs": None,
        "finish_reason": "content_filter",
        "content_filter_results": {
            "protected_material_text": {"detected": True, "filtered": True},
            "personally_identifiable_information": {"detected": True, "filtered": True},
        },
    }
    assert len(frames) == 2, "the upstream's own finish stays behind"
    assert not answer.over
    late = answer.read(say({"content": "secret", "tool_calls": [{"index": 0}]}, finish="stop"))
    assert (list(late.deltas), list(late.ended), list(late.dropped)) == ([], [], ["after_finish"])
    assert answer.write(late, {}) == []
    answer.write(answer.read(say({"content": "x"}, 1)), {}, {1: "inc-2"})
    assert answer.over


def test_nothing_is_read_after_the_finish() -> None:
    """Text after the upstream's own finish stays behind: its guard has been finished."""
    answer = stream()
    answer.read(say({"content": "a"}, finish="stop"))
    late = answer.read(say({"content": "b"}, finish="stop"))
    assert (list(late.deltas), list(late.ended), list(late.dropped)) == ([], [], ["after_finish"])


def test_the_usage_of_a_finished_answer_is_passed_on() -> None:
    """Counts come through, numbers of known names only; ``over`` does not close before them."""
    usage = {
        "prompt_tokens": 1, "completion_tokens": 2.0, "total_tokens": True, "note": "secret",
        "completion_tokens_details": {"reasoning_tokens": 1, "secret": 2, "text": "secret"},
    }  # fmt: skip
    answer = stream()
    assert drive(answer, [say({"content": "a"}, finish="stop")])
    assert not answer.over
    reading = answer.read(chunk(usage=usage))
    (frame,) = answer.write(reading, {})
    assert frame.data["choices"] == []
    assert frame.data["usage"] == {
        "prompt_tokens": 1, "completion_tokens": 2.0, "completion_tokens_details": {"reasoning_tokens": 1},
    }  # fmt: skip
    assert list(reading.dropped) == ["usage"]


def test_usage_with_every_chunk_makes_no_frames_of_its_own() -> None:
    """Counts that come with held text wait; those that come with the finish go out on its frame."""
    answer = stream()
    answer.write(answer.read(say(ROLE)), {})
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert answer.write(answer.read(say({"content": "a"}) | {"usage": usage}), {}) == []
    (frame,) = answer.write(answer.read(say({}, finish="stop") | {"usage": usage}), {})
    assert frame.data["usage"] == usage


SECRET = "The secret is 12345 and it is long."


def test_unknown_fields_stay_behind_and_are_named() -> None:
    """No text of an unknown field is in a frame; the report names fields of a closed set only."""
    member = {"index": 0, "id": SECRET, "type": SECRET, "function": {"name": "f", SECRET: SECRET}}
    delta = ROLE | {"content": "ok", "reasoning_details": [{"text": SECRET}], SECRET: SECRET, "audio": SECRET}
    odd = chunk(
        {
            "index": 0,
            "delta": delta | {"tool_calls": [member]},
            "logprobs": {"content": [{"token": SECRET}]},
            "stop_reason": SECRET,
            "token_ids": [1, 2],
            "finish_reason": SECRET,
        },
        id=SECRET, created=SECRET, model=SECRET, system_fingerprint=SECRET, service_tier=SECRET,
        object=SECRET, usage={SECRET: SECRET}, prompt_logprobs=[SECRET], obfuscation="xxxx",
    )  # fmt: skip
    answer = stream()
    dropped = list(answer.read(odd).dropped)
    assert set(dropped) <= DROPPED | {"other"}
    assert {"reasoning_details", "other", "audio", "tool_calls.type", "logprobs"} <= set(dropped)
    assert {"stop_reason", "token_ids", "finish_reason", "created", "model", "usage"} <= set(dropped)
    frames = drive(stream(), [odd])
    assert "12345" not in str(frames)
    assert frames[-1].data["model"] == "asked"
    assert frames[-1].data["id"] == "chatcmpl-ours"
    assert frames[-1].data["choices"][0]["finish_reason"] == "length"


def test_empty_unknown_fields_are_not_reported() -> None:
    """A field that says nothing is no loss: it is not counted."""
    odd = say(ROLE | {"annotations": [], "audio": None}, stop_reason=None, logprobs=None)
    assert list(stream().read(odd | {"prompt_logprobs": None}).dropped) == []


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("stop", "stop"),
        ("tool_calls", "tool_calls"),
        ("eos_token", "stop"),
        ("MAX_TOKENS", "length"),
        ("odd", "length"),
    ],
)
def test_finish_reasons_are_those_of_openai(given: str, written: str) -> None:
    """Reasons that servers have beside OpenAI's become one of OpenAI's."""
    (frame,) = drive(stream(), [say({}, finish=given)])[-1:]
    assert frame.data["choices"][0]["finish_reason"] == written


def test_the_envelope_follows_the_upstream() -> None:
    """The envelope's known fields are passed on; a first chunk without them gets ours."""
    answer = stream()
    given = {"service_tier": "default", "created": 8.0, "model": "asked-0613"}
    (empty,) = answer.write(answer.read({"id": "", "choices": [{"delta": ROLE}]}), {})
    assert (empty.data["id"], empty.data["created"], empty.data["model"]) == ("chatcmpl-ours", 0, "asked")
    (frame,) = answer.write(answer.read(say({}, finish="stop") | given), {})
    assert {name: frame.data[name] for name in given} == given
    assert answer.write(answer.read(chunk(prompt_filter_results=[{"prompt_index": 0}])), {}) == []


def test_logprobs_pass_only_where_they_are_allowed() -> None:
    """Log-probabilities stay behind, but for a caller who was allowed to ask for them."""
    logprobs = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]}
    part = say({"content": "a"}, logprobs=logprobs)
    (frame,) = drive(stream(allow_logprobs=True), [part])
    assert frame.data["choices"][0]["logprobs"] == logprobs | {"refusal": None}
    (frame,) = drive(stream(), [part])
    assert frame.data["choices"][0]["logprobs"] is None


def test_a_stream_that_ends_early_gives_its_held_text() -> None:
    """Without a finish the held text still comes out, and no finish is made up."""
    frames = drive(stream(2), [say({"content": "Hello"}, 0), say({"content": "World"}, 1)], hold=100)
    assert join(frames) == {i: {"role": "assistant", "content": t} for i, t in enumerate(("Hello", "World"))}


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "text",
        {"choices": {}},
        {"choices": ["text"]},
        chunk({"index": 1, "delta": {}}),
        chunk({"index": -1, "delta": {}}),
        chunk({"index": True, "delta": {}}),
        chunk({"index": "0", "delta": {}}),
        say({"content": 7}),
        say({"content": {"text": SECRET}}),
        say({"content": [{"type": "text", "text": 7}]}),
        say({"refusal": [SECRET]}),
        say({"tool_calls": SECRET}),
        say({"tool_calls": [SECRET]}),
        say({"tool_calls": [{"index": 128, "function": {"name": "f"}}]}),
        say({"tool_calls": [{"index": "0", "function": {"name": "f"}}]}),
        say({"tool_calls": [{"index": 0, "function": {"arguments": {"a": SECRET}}}]}),
        {"error": {"message": SECRET}},
        {"object": "error", "message": SECRET},
    ],
    ids=str,
)
def test_a_chunk_that_cannot_be_read_is_an_error(bad: Any) -> None:
    """What has another shape stops the stream, in words that hold nothing of it."""
    answer = stream()
    answer.read(say(ROLE))
    with pytest.raises(UpstreamError) as error:
        answer.read(bad)
    assert "12345" not in str(error.value)


def test_text_for_a_choice_that_is_over_is_refused() -> None:
    """A relay that gives text after the finish, or for a choice that never began, is wrong."""
    answer = stream(2)
    drive(answer, [say({"content": "a"}, finish="stop")])
    for index in (0, 1):
        with pytest.raises(ValueError, match="choice"):
            answer.write(None, {(index, "content"): Cleared("b")})


def test_arguments_before_their_name_are_refused() -> None:
    """A relay that does not finish the name's guard cannot send arguments without a head."""
    answer = stream()
    answer.write(answer.read(say(call(name="f"))), {})
    with pytest.raises(ValueError, match="name"):
        answer.write(None, {(0, "tool:0:arguments"): Cleared("{")})


def test_deltas_name_every_channel() -> None:
    """Each text of a chunk has its channel, reasoning first, in the order in which it was made."""
    delta: dict[str, Any] = {"content": "c", "reasoning_content": "r", "reasoning": "s", "refusal": "x"}
    delta |= {"tool_calls": [{"index": 3, "function": {"name": "f", "arguments": "{}"}}]}
    delta |= {"function_call": {"name": "g", "arguments": "[]"}}
    assert list(stream().read(say(delta)).deltas) == [
        Delta(0, "reasoning_content", "r"), Delta(0, "reasoning", "s"), Delta(0, "content", "c"),
        Delta(0, "refusal", "x"), Delta(0, "tool:3:name", "f"), Delta(0, "tool:3:arguments", "{}"),
        Delta(0, "function:name", "g"), Delta(0, "function:arguments", "[]"),
    ]  # fmt: skip
