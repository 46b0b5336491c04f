"""The answers of ``/v1/completions``, whole and streamed.

May import: the ground floor and this room. The rules that must stay true: what goes out is built from
known fields and ``Cleared`` text; the texts of a choice go out before its finish.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.dialects import fields
from proxy.dialects.choices import all_over, read_choice, still_open, whole_choices
from proxy.dialects.ids import AnswerIds
from proxy.dialects.logprobs import Logprobs, written_legacy
from proxy.dialects.shapes import Channel, Frame, Reading, error_frame, filter_results, refusal
from proxy.types import Cleared, Delta

_OBJECT = "text_completion"
_BODY = frozenset(
    {
        "id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier",
        "obfuscation",
    }
)  # fmt: skip
_CHOICE = frozenset({"index", "text", "finish_reason", "logprobs", "reasoning_content", "reasoning"})
_TEXTS = ("reasoning_content", "reasoning", "text")
_REASONS = {"tool_calls": "stop", "function_call": "stop"}


class _Choice:
    """What has been read of one choice, and whether the caller has got its finish."""

    __slots__ = ("finish", "live", "logprobs", "over", "read_out")

    def __init__(self) -> None:
        self.live: dict[str, None] = {}
        self.logprobs: Logprobs | None = None
        self.finish: str | None = None
        self.read_out = False
        self.over = False

    def texts(
        self, member: Mapping[str, Any], allow_logprobs: bool, dropped: list[str]
    ) -> Iterator[tuple[str, str]]:
        """The channels and texts of a choice, or of a piece of one."""
        for name in _TEXTS:
            if text := fields.text(member.get(name), name):
                yield name, text
        if (given := member.get("logprobs")) is None:
            return
        if not allow_logprobs:
            dropped.append("logprobs")
            return
        if self.logprobs is None:
            self.logprobs = Logprobs("text")
        yield from self.logprobs.read_legacy(given, dropped)

    def spelt(self, said: Mapping[str, Cleared], *, last: bool) -> dict[str, Any] | None:
        """The log-probabilities that may go out now."""
        if self.logprobs is None:
            return None
        ready = self.logprobs.rest(said) if last else self.logprobs.take(said)
        return written_legacy(ready) if ready else None


def _written(
    index: int, said: Mapping[str, Cleared], finish: str | None, logprobs: dict[str, Any] | None
) -> dict[str, Any]:
    choice: dict[str, Any] = {
        "index": index,
        "text": said.get("text", ""),
        "logprobs": logprobs,
        "finish_reason": finish,
    }
    for name in ("reasoning_content", "reasoning"):
        if text := said.get(name):
            choice[name] = text
    return choice


def _stopped(choice: dict[str, Any], sentence: str, incident: str) -> dict[str, Any]:
    """The end of a choice that was blocked: this dialect's clients know no refusal, and find it here."""
    return choice | {
        "finish_reason": "content_filter",
        "refusal": refusal(sentence, incident),
        "content_filter_results": filter_results(),
    }


def _finish(value: object, dropped: list[str]) -> str | None:
    reason = fields.finish_reason(value, dropped)
    return _REASONS.get(reason, reason) if reason else None


class CompletionPlain:
    """``PlainAnswer`` for text completions."""

    def __init__(
        self, body: object, *, choices: int, model: str, allow_logprobs: bool, ids: AnswerIds, sentence: str
    ) -> None:
        self._sentence = sentence
        self.deltas: Sequence[Delta] = []
        self.dropped: Sequence[str] = []
        dropped: list[str] = []
        answer = fields.answer(body, _BODY, dropped)
        self._envelope = fields.envelope(answer, _OBJECT, ids, model, dropped)
        self._usage = fields.usage(answer.get("usage"), dropped)
        self._choices: dict[int, _Choice] = {}
        deltas: list[Delta] = []
        for index, member in whole_choices(answer, _CHOICE, choices, dropped):
            choice = self._choices[index] = _Choice()
            choice.finish = _finish(member.get("finish_reason"), dropped)
            texts = choice.texts(member, allow_logprobs, dropped)
            deltas += [Delta(index, channel, text) for channel, text in texts]
        self.deltas, self.dropped = deltas, dropped

    def write(
        self, texts: Mapping[Channel, Cleared], blocked: Mapping[int, str] | None = None
    ) -> dict[str, Any]:
        body = dict(self._envelope)
        body["choices"] = []
        for index, choice in self._choices.items():
            said = {channel: text for (number, channel), text in texts.items() if number == index}
            if blocked and index in blocked:
                made = _stopped(_written(index, said, None, None), self._sentence, blocked[index])
            else:
                made = _written(index, said, choice.finish, choice.spelt(said, last=True))
            body["choices"].append(made)
        if self._usage:
            body["usage"] = self._usage
        return body


class CompletionStream:
    """``StreamedAnswer`` for text completions."""

    def __init__(
        self,
        *,
        choices: int,
        model: str,
        allow_logprobs: bool,
        ids: AnswerIds,
        sentence: str,
        include_usage: bool,
    ) -> None:
        self._number = choices
        self._include_usage = include_usage
        self._model = model
        self._allow_logprobs = allow_logprobs
        self._ids = ids
        self._sentence = sentence
        self._choices: dict[int, _Choice] = {}
        self._envelope = fields.envelope({}, _OBJECT, ids, model, [])
        self.over = False

    def read_again(self, data: str) -> Reading | None:
        return None

    def read(self, chunk: object) -> Reading:
        dropped: list[str] = []
        answer = fields.answer(chunk, _BODY, dropped)
        self._envelope = fields.envelope(answer, _OBJECT, self._ids, self._model, dropped)
        deltas: list[Delta] = []
        ended: list[Channel] = []
        choices = fields.items(answer.get("choices"), "choices")
        for raw in choices:
            index, member = read_choice(raw, _CHOICE, self._number, dropped)
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
            elif choice.over or choice.read_out:
                if any(member.get(name) for name in _TEXTS):
                    dropped.append("after_finish")
                continue
            for channel, text in choice.texts(member, self._allow_logprobs, dropped):
                deltas.append(Delta(index, channel, text))
                choice.live[channel] = None
            choice.finish = _finish(member.get("finish_reason"), dropped)
            if choice.finish:
                ended += _end(index, choice)
        usage = fields.usage(answer.get("usage"), dropped)
        bare = not choices and not self._include_usage
        return Reading(deltas, ended, dropped, None if bare else usage)

    def cut(self) -> Reading:
        return Reading((), [each for index, choice in self._choices.items() for each in _end(index, choice)])

    def write(
        self,
        reading: Reading | None,
        texts: Mapping[Channel, Cleared],
        blocked: Mapping[int, str] | None = None,
    ) -> list[Frame]:
        frames = []
        for index, choice, said in still_open(self._choices, texts):
            if blocked and index in blocked:
                made = _written(index, said, None, None)
                frames.append(self._frame(_stopped(made, self._sentence, blocked[index])))
                choice.over = True
                self.over = all_over(self._choices, self._number)
                continue
            finish = choice.finish if choice.read_out else None
            logprobs = choice.spelt(said, last=choice.read_out)
            if said or logprobs or finish:
                frames.append(self._frame(_written(index, said, finish, logprobs)))
            choice.over = bool(finish)
        usage = reading.rest if reading is not None else None
        if isinstance(usage, dict):
            if not frames:
                frames.append(Frame({**self._envelope, "choices": []}))
            frames[-1].data["usage"] = usage
        return frames

    def failed(self, message: str, code: str, kind: str) -> Frame:
        return error_frame(message, code=code, kind=kind)

    def _frame(self, choice: dict[str, Any]) -> Frame:
        return Frame({**self._envelope, "choices": [choice]})


def _end(index: int, choice: _Choice) -> list[Channel]:
    ended = [(index, channel) for channel in choice.live]
    choice.live.clear()
    choice.read_out = True
    return ended
