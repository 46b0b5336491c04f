"""A streamed answer of ``/v1/chat/completions``: chunks in, frames out.

May import: the ground floor and this room. The rules that must stay true: a frame is built from known
fields and ``Cleared`` text, never from the chunk; the texts of a choice go out before its finish; a
choice that is over gets no more text.

The fields are those of OpenAI's ``chat.completion.chunk`` and the names that servers have given to a
model's reasoning (``reasoning_content``, ``reasoning``). What a choice has come to is in ``chat_choice``.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from proxy.dialects import fields
from proxy.dialects.chat_choice import REASONING, Choice
from proxy.dialects.choices import all_over, read_choice, still_open
from proxy.dialects.ids import AnswerIds
from proxy.dialects.repeats import Repeats
from proxy.dialects.shapes import Channel, Frame, Reading, error_frame, filter_results, refusal
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


@dataclass(slots=True)
class _Rest:
    """What of a chunk goes out without a guard; most chunks have none of it."""

    finish: dict[int, str] = field(default_factory=dict)  # the reason for each choice that it ends
    usage: dict[str, Any] | None = None
    bare: bool = False  # it has no choices


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
        self._choices: dict[int, Choice] = {}
        self._over = False
        self._keys: Set[str] = frozenset()  # members of chunks that have nothing but an envelope and choices
        self._seen: list[Any] = []  # the envelope's fields as the upstream last wrote them
        self._envelope: dict[str, Any] = fields.envelope({}, _OBJECT, ids, model, [])
        self._repeats: dict[int, Repeats] = {}  # the chunks of each choice
        self._unread = ""  # the data of the chunk that is read next

    @property
    def over(self) -> bool:
        return self._over

    def read(self, chunk: object) -> Reading:
        return self._read_text(chunk) or self._read_any(chunk)

    def read_again(self, data: str) -> Reading | None:
        for index, repeats in self._repeats.items():
            text = repeats.text(data)
            if text is not None:
                choice = self._choices[index]
                if choice.over or choice.read_out or choice.calls is not None:
                    break
                choice.told += len(text)
                choice.live["content"] = None
                return Reading((Delta(index, "content", text),))
        self._unread = data
        return None

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
        if index not in self._repeats:
            self._repeats[index] = Repeats()
        self._repeats[index].learn(self._unread, chunk, text)
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
            self._repeats.clear()
            quiet = "choices" in answer and _QUIET.issuperset(answer)
            self._keys = frozenset(answer) if quiet else frozenset()
        deltas: list[Delta] = []
        ended: list[Channel] = []
        rest: _Rest | None = None
        choices = fields.items(answer.get("choices"), "choices")
        for raw in choices:
            index, member = read_choice(raw, _CHOICE, self._number, dropped)
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = Choice(index, self._ids)
            delta = fields.mapping(member.get("delta"), "a delta")
            fields.left_behind(delta, _DELTA, dropped)
            texts = choice.texts(delta, dropped)
            if choice.over or choice.read_out:
                if any(texts):
                    dropped.append("after_finish")
                continue
            for channel, text in texts:
                if not choice.answering and channel not in REASONING:
                    choice.answering = True
                    ended += choice.end(REASONING)
                if channel == "content":
                    choice.told += len(text)
                deltas.append(Delta(index, channel, text))
                choice.live[channel] = None
            if member.get("logprobs") is not None or not _PLAIN.issuperset(delta):
                extras = choice.with_extras()
                for channel, text in extras.read(member, delta, self._allow_logprobs, dropped):
                    deltas.append(Delta(index, channel, text))
                    choice.live[channel] = None
            if choice.calls is not None:
                ended += choice.end([call.prefix + "name" for call in choice.calls if call.ready])
            if reason := fields.finish_reason(member.get("finish_reason"), dropped):
                rest = rest or _Rest()
                rest.finish[index] = reason
                ended += choice.finish()
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
        texts = choice.with_extras().read_citations(raw, dropped)
        found = [Delta(0, channel, text) for channel, text in texts]
        choice.live.update((delta.channel, None) for delta in found)
        return found

    def cut(self) -> Reading:
        ended: list[Channel] = []
        for choice in self._choices.values():
            if not choice.over:
                ended += choice.finish()
        return Reading((), ended)

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
        frames = []
        for index, choice, said in still_open(self._choices, texts):
            stopped = blocked is not None and index in blocked
            delta, logprobs = choice.delta(said), None
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
                self._over = all_over(self._choices, self._number)
            elif index in rest.finish:
                frames.append(self._frame(index, {}, finish=rest.finish[index]))
                if index == 0 and choice.extras is not None and (cited := choice.extras.citations):
                    frames[-1].data["citations"] = cited
                choice.over = True
        if rest.usage and (self._include_usage or not rest.bare):
            # Counts that come with text which is still held wait for the next ones, or for the end.
            if not frames and (rest.bare or all_over(self._choices, self._number)):
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

    def _frame(
        self, index: int, delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None
    ) -> Frame:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return Frame({**self._envelope, "choices": [choice]})

    def failed(self, message: str, code: str, kind: str) -> Frame:
        return error_frame(message, code=code, kind=kind)

    def _block(self, index: int, incident: str) -> Frame:
        frame = self._frame(index, {"refusal": refusal(self._sentence, incident)}, finish="content_filter")
        frame.data["choices"][0]["content_filter_results"] = filter_results()
        return frame
