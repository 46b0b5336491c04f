"""A relay for the tests of dialects: guards that let everything go, some characters late; and a seal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from proxy.dialects.ids import AnswerIds, Seal
from proxy.dialects.shapes import Channel, Frame, StreamedAnswer
from proxy.types import Cleared

SEAL = Seal(b"a key for the tests of dialects.")
IDS = AnswerIds(SEAL, "ours")


def unsealed(value: Any) -> Any:
    """A JSON value with the ids in it as the upstream gave them."""
    if isinstance(value, str):
        return SEAL.opened(value)
    if isinstance(value, dict):
        return {name: unsealed(member) for name, member in value.items()}
    return [unsealed(each) for each in value] if isinstance(value, list) else value


class Late:
    """A guard that holds back the last ``hold`` characters until it is finished."""

    def __init__(self, hold: int) -> None:
        self.hold = hold
        self.held = ""
        self.finished = False

    def feed(self, text: str) -> Cleared:
        assert not self.finished, "text for a channel that has ended"
        self.held += text
        cut = max(0, len(self.held) - self.hold)
        gone, self.held = self.held[:cut], self.held[cut:]
        return Cleared(gone)

    def finish(self) -> Cleared:
        assert not self.finished, "a channel ends once"
        self.finished = True
        return Cleared(self.held)


def drive(answer: StreamedAnswer, chunks: Iterable[Any], *, hold: int = 0, cut: bool = True) -> list[Frame]:
    """Every frame of a stream that no guard stops."""
    guards: dict[Channel, Late] = {}
    frames: list[Frame] = []

    def pass_on(reading: Any) -> None:
        texts: dict[Channel, Cleared] = {}
        for delta in reading.deltas:
            channel = (delta.choice, delta.channel)
            guard = guards.setdefault(channel, Late(hold))
            texts[channel] = Cleared(texts.get(channel, "") + guard.feed(delta.text))
        for channel in reading.ended:
            texts[channel] = Cleared(texts.get(channel, "") + guards[channel].finish())
        frames.extend(answer.write(reading, texts))

    for chunk in chunks:
        pass_on(answer.read(chunk))
    if cut:
        pass_on(answer.cut())
    return frames


def join(frames: Iterable[Frame]) -> dict[int, dict[str, Any]]:
    """What a client makes of the frames: for each choice its texts, its calls and its finish.

    The id, the type and the name of a call are taken from its first piece only, as many clients do.
    """
    made: dict[int, dict[str, Any]] = {}
    for frame in frames:
        for choice in frame.data["choices"]:
            result = made.setdefault(choice["index"], {})
            assert "finish" not in result, "nothing comes after the finish"
            delta = choice["delta"]
            assert delta or choice["finish_reason"] or choice["logprobs"], "no frame is empty"
            for name in ("role", "content", "reasoning_content", "reasoning", "refusal"):
                if name in delta:
                    result[name] = result.get(name, "") + delta[name]
            for call in delta.get("tool_calls", []):
                _join_call(result.setdefault("calls", {}), call)
            for name, text in delta.get("function_call", {}).items():
                function = result.setdefault("function", {})
                function[name] = function.get(name, "") + text
            if choice["finish_reason"]:
                result["finish"] = choice["finish_reason"]
    return made


def _join_call(calls: dict[int, Any], call: dict[str, Any]) -> None:
    if call["index"] not in calls:
        assert call["index"] == len(calls), "calls begin in order"
        said = call[call["type"]]
        assert "name" in said, "the first piece of a call names it"
        calls[call["index"]] = [call["id"], said["name"], said.get("arguments", said.get("input"))]
        return
    assert not {"id", "type"} & set(call), "the head of a call is sent once"
    kind = "custom" if "custom" in call else "function"
    assert "name" not in call[kind]
    calls[call["index"]][2] += call[kind].get("arguments", call[kind].get("input", ""))
