"""``/v1/completions``: text goes on where a prompt ends. Older than chat, and still what base models speak.

A request may hold several prompts; each gives ``n`` choices, numbered one after the other. The prompt is
the caller's own word, also where the answer repeats it (``echo``); so is the ``suffix``.

May import: the ground floor and this room. The rules that must stay true: what goes out is built from
known fields and ``Cleared`` text; the texts of a choice go out before its finish.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.dialects import asking, fields
from proxy.dialects.asking import wrong
from proxy.dialects.ids import AnswerIds, Seal
from proxy.dialects.logprobs import Logprobs, written_legacy
from proxy.dialects.shapes import CONTENT_FILTER_RESULTS, Channel, Frame, Reading, error_frame, refusal
from proxy.errors import RequestError
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
_MOST_PROMPTS = 2048
_REASONS = {"tool_calls": "stop", "function_call": "stop"}


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A request that has been checked; ``body`` is what goes to the upstream."""

    body: Mapping[str, Any]
    model: str
    stream: bool
    choices: int
    include_usage: bool
    json_output: bool
    allow_logprobs: bool
    seal: Seal

    def own_words(self, roles: Collection[str]) -> tuple[str, ...]:
        """The prompts and the suffix, where ``user`` is among the roles that count."""
        if "user" not in roles:
            return ()
        prompt = self.body.get("prompt")
        found = (
            [prompt] if isinstance(prompt, str) else [p for p in asking.members(prompt) if isinstance(p, str)]
        )
        if isinstance(suffix := self.body.get("suffix"), str):
            found.append(suffix)
        return asking.with_decoded(found)

    def is_json(self, channel: str) -> bool:
        return self.json_output and channel == "text"

    def streamed(self, answer_id: str, sentence: str) -> CompletionStream:
        return CompletionStream(self, AnswerIds(self.seal, f"cmpl-{answer_id}"), sentence)

    def whole(self, body: object, answer_id: str, sentence: str) -> CompletionPlain:
        return CompletionPlain(self, body, AnswerIds(self.seal, f"cmpl-{answer_id}"), sentence)


def request(body: object, *, allow_logprobs: bool, seal: Seal | None = None) -> CompletionRequest:
    """Check a body. Raises ``RequestError``, which names the field (``param``) and what is wrong."""
    body = asking.object_body(body)
    model = asking.model(body)
    prompts = _prompts(body.get("prompt"))
    spelt = body.get("logprobs")  # 0 asks for them too: for those of the tokens that were chosen
    if not allow_logprobs and spelt is not None and spelt is not False:
        raise asking.refuse_logprobs()
    number = asking.number(body, "n")
    best = asking.number(body, "best_of")
    stream = asking.flag(body, "stream")
    if body.get("best_of") is not None and best < number:
        raise wrong("best_of", "must not be less than n")
    if stream and best > number:
        raise wrong("best_of", "cannot be streamed: it chooses among whole answers")
    if prompts * number > _MOST_PROMPTS:
        raise wrong("prompt", f"asks for more than {_MOST_PROMPTS} choices, prompts times n")
    if body.get("suffix") is not None and not isinstance(body["suffix"], str):
        raise wrong("suffix", "must be a string")
    asking.flag(body, "echo")
    return CompletionRequest(
        body=body,
        model=model,
        stream=stream,
        choices=prompts * number,
        include_usage=asking.mapping(body, "stream_options").get("include_usage") is True,
        json_output=asking.wants_json(body) and body.get("echo") is not True,
        allow_logprobs=allow_logprobs,
        seal=seal or Seal.fresh(),
    )


def _prompts(prompt: object) -> int:
    """How many prompts there are: a text, a list of texts, one of tokens, or a list of lists of tokens."""
    if prompt is None or isinstance(prompt, str):
        return 1
    listed = asking.members(prompt)
    if listed and all(type(each) is int for each in listed):
        return 1
    texts = all(isinstance(each, str) for each in listed)
    tokens = all(isinstance(each, list) and each and all(type(t) is int for t in each) for each in listed)
    if not listed or not (texts or tokens):
        raise _wrong_prompt()
    return len(listed)


def _wrong_prompt() -> RequestError:
    return wrong("prompt", "must be a string, a list of strings, of tokens, or of lists of tokens")


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
    results = {name: dict(result) for name, result in CONTENT_FILTER_RESULTS.items()}
    return choice | {
        "finish_reason": "content_filter",
        "refusal": refusal(sentence, incident),
        "content_filter_results": results,
    }


def _finish(value: object, dropped: list[str]) -> str | None:
    reason = fields.finish_reason(value, dropped)
    return _REASONS.get(reason, reason) if reason else None


class CompletionPlain:
    """``PlainAnswer`` for text completions."""

    def __init__(self, asked: CompletionRequest, body: object, ids: AnswerIds, sentence: str) -> None:
        self._sentence = sentence
        self.deltas: Sequence[Delta] = []
        self.dropped: Sequence[str] = []
        dropped: list[str] = []
        answer = fields.answer(body, _BODY, dropped)
        self._envelope = fields.envelope(answer, _OBJECT, ids, asked.model, dropped)
        self._usage = fields.usage(answer.get("usage"), dropped)
        if not isinstance(answer.get("choices"), list):
            raise fields.unreadable("it has no choices")
        self._choices: dict[int, _Choice] = {}
        deltas: list[Delta] = []
        for raw in answer["choices"]:
            member = fields.mapping(raw, "a choice")
            fields.left_behind(member, _CHOICE, dropped)
            index = fields.choice_index(member, asked.choices)
            if index in self._choices:
                raise fields.unreadable("it has a choice twice")
            choice = self._choices[index] = _Choice()
            choice.finish = _finish(member.get("finish_reason"), dropped)
            texts = choice.texts(member, asked.allow_logprobs, dropped)
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

    def __init__(self, asked: CompletionRequest, ids: AnswerIds, sentence: str) -> None:
        self._asked = asked
        self._ids = ids
        self._sentence = sentence
        self._choices: dict[int, _Choice] = {}
        self._envelope = fields.envelope({}, _OBJECT, ids, asked.model, [])
        self.over = False

    def read(self, chunk: object) -> Reading:
        dropped: list[str] = []
        answer = fields.answer(chunk, _BODY, dropped)
        self._envelope = fields.envelope(answer, _OBJECT, self._ids, self._asked.model, dropped)
        deltas: list[Delta] = []
        ended: list[Channel] = []
        choices = fields.items(answer.get("choices"), "choices")
        for raw in choices:
            member = fields.mapping(raw, "a choice")
            fields.left_behind(member, _CHOICE, dropped)
            index = fields.choice_index(member, self._asked.choices)
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
            elif choice.over or choice.read_out:
                if any(member.get(name) for name in _TEXTS):
                    dropped.append("after_finish")
                continue
            for channel, text in choice.texts(member, self._asked.allow_logprobs, dropped):
                deltas.append(Delta(index, channel, text))
                choice.live[channel] = None
            choice.finish = _finish(member.get("finish_reason"), dropped)
            if choice.finish:
                ended += _end(index, choice)
        usage = fields.usage(answer.get("usage"), dropped)
        bare = not choices and not self._asked.include_usage
        return Reading(deltas, ended, dropped, None if bare else usage)

    def cut(self) -> Reading:
        return Reading((), [each for index, choice in self._choices.items() for each in _end(index, choice)])

    def write(
        self,
        reading: Reading | None,
        texts: Mapping[Channel, Cleared],
        blocked: Mapping[int, str] | None = None,
    ) -> list[Frame]:
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
            if blocked and index in blocked:
                made = _written(index, said, None, None)
                frames.append(self._frame(_stopped(made, self._sentence, blocked[index])))
                choice.over = True
                self.over = self._all_over()
                continue
            finish = choice.finish if choice.read_out else None
            logprobs = choice.spelt(said, last=choice.read_out)
            if said or logprobs or finish:
                frames.append(self._frame(_written(index, said, finish, logprobs)))
            choice.over = bool(finish)
        if by_choice:
            raise ValueError("text for a choice that the upstream has not begun")
        usage = reading.rest if reading is not None else None
        if isinstance(usage, dict):
            if not frames:
                frames.append(Frame({**self._envelope, "choices": []}))
            frames[-1].data["usage"] = usage
        return frames

    def failed(self, message: str, code: str, kind: str) -> Frame:
        return error_frame(message, code=code, kind=kind)

    def _all_over(self) -> bool:
        return len(self._choices) == self._asked.choices and all(c.over for c in self._choices.values())

    def _frame(self, choice: dict[str, Any]) -> Frame:
        return Frame({**self._envelope, "choices": [choice]})


def _end(index: int, choice: _Choice) -> list[Channel]:
    ended = [(index, channel) for channel in choice.live]
    choice.live.clear()
    choice.read_out = True
    return ended
