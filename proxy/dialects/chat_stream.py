"""A streamed answer of ``/v1/chat/completions``: chunks in, frames out.

May import: the ground floor and this room. The rules that must stay true: a frame is built from known
fields and ``Cleared`` text, never from the chunk; the texts of a choice go out before its finish; a
choice that is over gets no more text.

The fields are those of OpenAI's ``chat.completion.chunk`` and the names that servers have given to a
model's reasoning (``reasoning_content``, ``reasoning``). Reasoning ends when the answer begins, so that its
held tail does not come after the answer's first words; reasoning that comes later still stays behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from proxy.dialects import fields
from proxy.dialects.chat_calls import Calls
from proxy.dialects.chat_extras import Extras
from proxy.dialects.ids import AnswerIds
from proxy.dialects.shapes import CONTENT_FILTER_RESULTS, Channel, Frame, Reading, error_frame, refusal
from proxy.types import Cleared, Delta

_OBJECT = "chat.completion.chunk"
_CHUNK = frozenset(
    {
        "id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier",
        "citations", "obfuscation",  # random padding
    }
)  # fmt: skip
_QUIET = _CHUNK - {"citations"}
_ENVELOPE = ("created", "model", "system_fingerprint", "service_tier", "object")
_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})
_DELTA = frozenset(
    {
        "role", "content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call",
        "annotations", "audio",
    }
)  # fmt: skip
_PLAIN = _DELTA - {"annotations", "audio"}
_REASONING = ("reasoning_content", "reasoning")
_FLAT = frozenset({"content", "refusal", *_REASONING})


@dataclass(slots=True)
class _Rest:
    """What of a chunk goes out without a guard; most chunks have none of it."""

    finish: dict[int, str] = field(default_factory=dict)  # the reason for each choice that it ends
    usage: dict[str, Any] | None = None
    bare: bool = False  # it has no choices


class _Choice:
    """What has been read of one choice, and what of it has been said."""

    __slots__ = ("answering", "calls", "extras", "greeted", "live", "over", "read_out", "said", "told")

    def __init__(self) -> None:
        self.live: dict[str, None] = {}  # channels that have had text and have not ended
        self.calls: Calls | None = None
        self.extras: Extras | None = None
        self.told = self.said = 0  # characters of content that came, and that went out
        self.answering = False  # text other than reasoning has come
        self.greeted = False  # the role has been said
        self.read_out = False  # the upstream has finished it
        self.over = False  # the caller has got its finish


class ChatStream:
    """``StreamedAnswer`` for chat completions."""

    def __init__(
        self,
        *,
        choices: int,
        model: str,
        allow_logprobs: bool,
        ids: AnswerIds,
        sentence: str,
        include_usage: bool = True,
    ) -> None:
        self._number = choices
        self._include_usage = include_usage
        self._model = model
        self._allow_logprobs = allow_logprobs
        self._ids = ids
        self._sentence = sentence
        self._choices: dict[int, _Choice] = {}
        self._over = False
        self._keys: Set[str] = frozenset()  # members of chunks that have nothing but an envelope and choices
        self._seen: list[Any] = []  # the envelope's fields as the upstream last wrote them
        self._envelope: dict[str, Any] = fields.envelope({}, _OBJECT, ids, model, [])

    @property
    def over(self) -> bool:
        return self._over

    def read(self, chunk: object) -> Reading:
        return self._read_text(chunk) or self._read_any(chunk)

    def _read_text(self, chunk: object) -> Reading | None:
        """A chunk of the commonest form: more content of a choice, and nothing else. None for others."""
        if not isinstance(chunk, dict) or chunk.keys() != self._keys:
            return None
        if [chunk.get(name) for name in _ENVELOPE] != self._seen or chunk.get("usage") is not None:
            return None
        choices = chunk["choices"]
        if type(choices) is not list or len(choices) != 1 or not isinstance(member := choices[0], dict):
            return None
        delta, index = member.get("delta"), member.get("index")
        if type(delta) is not dict or len(delta) != 1 or type(index) is not int:
            return None
        text, choice = delta.get("content"), self._choices.get(index)
        if type(text) is not str or not text or choice is None or not choice.answering:
            return None
        if choice.over or choice.read_out or choice.calls is not None or not _CHOICE.issuperset(member):
            return None
        if member.get("finish_reason") is not None or member.get("logprobs") is not None:
            return None
        choice.told += len(text)
        choice.live["content"] = None
        return Reading((Delta(index, "content", text),))

    def _read_any(self, chunk: object) -> Reading:
        dropped: list[str] = []
        answer = fields.answer(chunk, _CHUNK, dropped)
        seen = [answer.get(name) for name in _ENVELOPE]
        if seen != self._seen:
            self._envelope = fields.envelope(answer, _OBJECT, self._ids, self._model, dropped)
            self._seen = seen
            quiet = "choices" in answer and _QUIET.issuperset(answer)
            self._keys = frozenset(answer) if quiet else frozenset()
        deltas: list[Delta] = []
        ended: list[Channel] = []
        rest: _Rest | None = None
        choices = fields.items(answer.get("choices"), "choices")
        for raw in choices:
            member = fields.mapping(raw, "a choice")
            fields.left_behind(member, _CHOICE, dropped)
            index = fields.choice_index(member, self._number)
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
            delta = fields.mapping(member.get("delta"), "a delta")
            texts = self._texts(index, choice, delta, dropped)
            if choice.over or choice.read_out:
                if any(texts):
                    dropped.append("after_finish")
                continue
            for channel, text in texts:
                if not choice.answering and channel not in _REASONING:
                    choice.answering = True
                    ended += _end(index, choice, _REASONING)
                if channel == "content":
                    choice.told += len(text)
                deltas.append(Delta(index, channel, text))
                choice.live[channel] = None
            if member.get("logprobs") is not None or not _PLAIN.issuperset(delta):
                if choice.extras is None:
                    choice.extras = Extras(self._ids)
                for channel, text in choice.extras.read(member, delta, self._allow_logprobs, dropped):
                    deltas.append(Delta(index, channel, text))
                    choice.live[channel] = None
            if choice.calls is not None:
                ended += _end(index, choice, [c.prefix + "name" for c in choice.calls if c.ready])
            if reason := fields.finish_reason(member.get("finish_reason"), dropped):
                rest = rest or _Rest()
                rest.finish[index] = reason
                ended += self._finish(index, choice)
        if "citations" in answer:
            deltas += self._cited(answer["citations"], dropped)
        if (counts := answer.get("usage")) is not None:
            rest = rest or _Rest()
            rest.usage, rest.bare = fields.usage(counts, dropped), not choices
        return Reading(deltas, ended, dropped, rest)

    def _cited(self, raw: object, dropped: list[str]) -> list[Delta]:
        """The addresses that an answer cites belong to its first choice, while that is open."""
        choice = self._choices.get(0)
        if choice is None or choice.over or choice.read_out:
            return []
        if choice.extras is None:
            choice.extras = Extras(self._ids)
        found = [Delta(0, channel, text) for channel, text in choice.extras.read_citations(raw, dropped)]
        choice.live.update((delta.channel, None) for delta in found)
        return found

    def cut(self) -> Reading:
        ended: list[Channel] = []
        for index, choice in self._choices.items():
            if not choice.over:
                ended += self._finish(index, choice)
        return Reading((), ended)

    def _texts(
        self, index: int, choice: _Choice, delta: dict[str, Any], dropped: list[str]
    ) -> Iterator[tuple[str, str]]:
        """The channels and texts of a delta, reasoning first: that is the order in which they were made."""
        fields.left_behind(delta, _DELTA, dropped)
        for name in _REASONING:
            if said := delta.get(name):
                if choice.answering:
                    dropped.append("reasoning.late")
                else:
                    yield from fields.said(name, said, dropped)
        if said := delta.get("content"):
            if isinstance(said, str):
                yield "content", said
            else:
                for channel, text in fields.said("content", said, dropped):
                    if channel in _REASONING and choice.answering:
                        dropped.append("reasoning.late")
                    elif text:
                        yield channel, text
        if said := delta.get("refusal"):
            yield "refusal", fields.text(said, "refusal")
        calls, legacy = delta.get("tool_calls"), delta.get("function_call")
        if calls or legacy:
            if choice.calls is None:
                choice.calls = Calls(self._ids, index)
            for position, call in enumerate(fields.items(calls, "tool_calls")):
                yield from choice.calls.read(call, position, dropped)
            if legacy:
                yield from choice.calls.read_legacy(legacy, dropped)

    @staticmethod
    def _finish(index: int, choice: _Choice) -> list[Channel]:
        choice.read_out = True
        if choice.calls is not None:
            choice.calls.end()
        return _end(index, choice, list(choice.live))

    def write(
        self,
        reading: Reading | None,
        texts: Mapping[Channel, Cleared],
        blocked: Mapping[int, str] | None = None,
    ) -> list[Frame]:
        if reading is not None and reading.rest is None and not blocked and len(texts) < 2:
            frames = self._write_text(texts)
            if frames is not None:
                return frames
        rest = reading.rest if reading is not None and isinstance(reading.rest, _Rest) else _Rest()
        by_choice: dict[int, dict[str, Cleared]] = {}
        for (index, channel), text in texts.items():
            if text:
                by_choice.setdefault(index, {})[channel] = text
        frames = []
        for index, choice in self._choices.items():
            said = by_choice.pop(index, {})
            if choice.over:
                if said:
                    raise ValueError("text for a choice that is over")
                continue
            stopped = blocked is not None and index in blocked
            delta, logprobs = self._delta(choice, said), None
            if choice.extras is not None and not stopped:
                if index in rest.finish:
                    more, logprobs = choice.extras.final(said, choice.told == choice.said)
                else:
                    more, logprobs = choice.extras.piece(said)
                delta |= more
            if delta or logprobs is not None:
                frames.append(self._frame(index, delta, logprobs=logprobs))
            if blocked and stopped:
                frames.append(self._block(index, blocked[index]))
                choice.over = True
                self._over = self._all_over()
            elif index in rest.finish:
                frames.append(self._frame(index, {}, finish=rest.finish[index]))
                if index == 0 and choice.extras is not None and (cited := choice.extras.citations):
                    frames[-1].data["citations"] = cited
                choice.over = True
        if by_choice:
            raise ValueError("text for a choice that the upstream has not begun")
        if rest.usage and (self._include_usage or not rest.bare):
            # Counts that come with text which is still held wait for the next ones, or for the end.
            if not frames and (rest.bare or self._all_over()):
                frames.append(Frame({**self._envelope, "choices": []}))
            if frames:
                frames[-1].data["usage"] = rest.usage
        return frames

    def _write_text(self, texts: Mapping[Channel, Cleared]) -> list[Frame] | None:
        """Content of one choice, or nothing at all: what most chunks come to. None for anything else."""
        if not all(choice.greeted for choice in self._choices.values()):
            return None
        for (index, channel), text in texts.items():
            choice = self._choices.get(index)
            if channel != "content" or choice is None or choice.over or choice.extras is not None:
                return None
            if choice.calls is not None or not text:
                return None
            choice.said += len(text)
            return [self._frame(index, {"content": text})]
        return []

    def _all_over(self) -> bool:
        return len(self._choices) == self._number and all(c.over for c in self._choices.values())

    @staticmethod
    def _delta(choice: _Choice, said: Mapping[str, Cleared]) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if not choice.greeted:
            choice.greeted = True
            delta = {"role": "assistant", "content": ""}
        for channel, text in said.items():
            if channel in _FLAT:
                delta[channel] = text
                if channel == "content":
                    choice.said += len(text)
        if choice.calls is not None:
            for call in choice.calls:
                if piece := call.piece(said):
                    if call.index is None:
                        delta["function_call"] = piece
                    else:
                        delta.setdefault("tool_calls", []).append(piece)
        return delta

    def _frame(
        self, index: int, delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None
    ) -> Frame:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return Frame({**self._envelope, "choices": [choice]})

    def failed(self, message: str, code: str, kind: str) -> Frame:
        return error_frame(message, code=code, kind=kind)

    def _block(self, index: int, incident: str) -> Frame:
        frame = self._frame(index, {"refusal": refusal(self._sentence, incident)}, finish="content_filter")
        frame.data["choices"][0]["content_filter_results"] = {
            name: dict(result) for name, result in CONTENT_FILTER_RESULTS.items()
        }
        return frame


def _end(index: int, choice: _Choice, channels: Sequence[str]) -> list[Channel]:
    ended = [channel for channel in channels if channel in choice.live]
    for channel in ended:
        del choice.live[channel]
    return [(index, channel) for channel in ended]
