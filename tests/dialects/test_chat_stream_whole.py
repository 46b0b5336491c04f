"""Streamed chat answers arrive whole: a table of them, cut in every way, with text held back or not."""

from __future__ import annotations

from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from proxy.dialects.ids import AnswerIds
from tests.dialects.chunks import ARGUMENTS, MODEL, ROLE, call, chunk, say, stream
from tests.dialects.driving import SEAL, drive, join, unsealed


def own_id(index: int) -> str:
    """What a call of the first choice gets that has no id."""
    return AnswerIds(SEAL, "chatcmpl-ours").of(None, "call_", (0, index), "", [])


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


def test_a_stream_that_ends_early_gives_its_held_text() -> None:
    """Without a finish the held text still comes out, and no finish is made up."""
    frames = drive(stream(2), [say({"content": "Hello"}, 0), say({"content": "World"}, 1)], hold=100)
    assert join(frames) == {i: {"role": "assistant", "content": t} for i, t in enumerate(("Hello", "World"))}
