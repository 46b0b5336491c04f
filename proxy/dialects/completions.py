"""``/v1/completions``: text goes on where a prompt ends. Older than chat, and still what base models speak.

A request may hold several prompts; each gives ``n`` choices, numbered one after the other. The prompt is
the caller's own word, also where the answer repeats it (``echo``); so is the ``suffix``.

May import: the ground floor and this room. The rule that must stay true: no policy stands here; whether
log-probabilities are allowed, and whose words count, is told from outside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.dialects import asking
from proxy.dialects.asking import wrong
from proxy.dialects.completions_answers import CompletionPlain, CompletionStream
from proxy.dialects.ids import AnswerIds, Seal
from proxy.errors import RequestError

_MOST_PROMPTS = 2048


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
        """Reads and writes the streamed answer; see ``StreamedAnswer``."""
        return CompletionStream(
            choices=self.choices,
            model=self.model,
            allow_logprobs=self.allow_logprobs,
            ids=self._ids(answer_id),
            sentence=sentence,
            include_usage=self.include_usage,
        )

    def whole(self, body: object, answer_id: str, sentence: str) -> CompletionPlain:
        """Reads and writes the whole answer; see ``PlainAnswer``."""
        return CompletionPlain(
            body,
            choices=self.choices,
            model=self.model,
            allow_logprobs=self.allow_logprobs,
            ids=self._ids(answer_id),
            sentence=sentence,
        )

    def _ids(self, answer_id: str) -> AnswerIds:
        return AnswerIds(self.seal, f"cmpl-{answer_id}")


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
