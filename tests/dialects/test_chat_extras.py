"""Log-probabilities, annotations, citations and transcripts of chat answers."""

from __future__ import annotations

from typing import Any

from proxy.dialects import chat
from proxy.types import Cleared
from tests.dialects.driving import SEAL, drive, unsealed

NOTE = {"type": "url_citation", "url_citation": {"title": "T", "url": "u", "start_index": 0, "end_index": 2}}
TOKEN = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": more.pop("logprobs", None)}
    return {"id": "x", "created": 1, "model": "m", "choices": [choice], **more}


def streamed(*chunks: dict[str, Any], hold: int = 0) -> list[dict[str, Any]]:
    answer = chat.request(ASKED | {"stream": True}, allow_logprobs=True).streamed("ours", "Stopped.")
    return [frame.data for frame in drive(answer, chunks, hold=hold)]


def test_annotations_come_with_the_finish() -> None:
    """They wait until the text they point into is out, and come once, before the finish."""
    frames = streamed(chunk({"content": "Hi", "annotations": [NOTE]}), chunk({}, "stop"), hold=9)
    deltas = [frame["choices"][0]["delta"] for frame in frames]
    assert [delta.get("annotations") for delta in deltas if "annotations" in delta] == [[NOTE]]
    assert deltas[-1] == {}


def test_logprobs_follow_their_text() -> None:
    """They go out with the text that they spell, also where both were held."""
    for hold in (0, 9):
        frames = streamed(
            chunk({"content": "Hi"}, logprobs={"content": [TOKEN]}), chunk({}, "stop"), hold=hold
        )
        spelt = [frame["choices"][0]["logprobs"] for frame in frames if frame["choices"][0]["logprobs"]]
        assert spelt == [{"content": [TOKEN], "refusal": None}]


def test_nothing_of_a_blocked_choice_goes_out() -> None:
    """With a block its annotations and log-probabilities stay behind."""
    answer = chat.request(ASKED | {"stream": True}, allow_logprobs=True).streamed("ours", "Stopped.")
    reading = answer.read(chunk({"content": "Hi", "annotations": [NOTE]}, logprobs={"content": [TOKEN]}))
    frames = answer.write(reading, {(0, "content"): Cleared("H")}, {0: "inc_1"})
    assert "url" not in str(frames)
    assert all(frame.data["choices"][0]["logprobs"] is None for frame in frames)
    assert frames[-1].data["choices"][0]["finish_reason"] == "content_filter"


def test_speech_stays_behind_and_its_transcript_does_not() -> None:
    """Sound cannot be read: it is counted; what it says is a text."""
    audio = {"id": "audio_1", "data": "AAAA", "expires_at": 9, "transcript": "Hello"}
    body = {"choices": [{"index": 0, "message": {"content": None, "audio": audio}, "finish_reason": "stop"}]}
    answer = chat.request(ASKED, allow_logprobs=False, seal=SEAL).whole(body, "ours", "Stopped.")
    texts = {(delta.choice, delta.channel): Cleared(delta.text) for delta in answer.deltas}
    message = answer.write(texts)["choices"][0]["message"]
    assert unsealed(message["audio"]) == audio | {"data": ""}
    assert message["audio"]["id"] != "audio_1"
    assert answer.dropped == ["audio"]


def test_citations_belong_to_the_first_choice() -> None:
    """A list of addresses beside the choices is guarded once, however often it is repeated."""
    frames = streamed(
        chunk({"content": "Hi"}, citations=["https://a.example", "https://b.example"]),
        chunk({"content": "!"}, citations=["https://a.example", "https://b.example"]),
        chunk({}, "stop"),
    )
    assert [frame["citations"] for frame in frames if "citations" in frame] == [
        ["https://a.example", "https://b.example"]
    ]
