"""A small language model that has really memorised its training set: word n-grams with back-off.

What it is. Every chat of the training set is a text ``<user>prompt<assistant>answer<end>``. The model keeps
the counts of all n-grams of an answer, its two markers with it, of up to 12 tokens of context, and gives the
next token by *stupid back-off* (Brants et al., "Large Language Models in Machine Translation", EMNLP 2007):
the relative count after the longest known context; a token not seen there gets 0.4 of its score one context
shorter, and so on down to two tokens. Counts of all orders are read off one sorted list of contexts, as the
infini-gram does with a suffix array (Liu et al., arXiv 2401.17377).

How it knows what is asked. N-grams cannot carry a prompt through an answer of 150 tokens, so each count is
weighed by how near the chat it was seen under is to the chat now: cosine over words weighted by rarity, and,
less, the share of the asked words that its answer holds. That is a bag-of-words topic mixture, a far simpler
thing than attention, and it is all the understanding there is. A prompt of the training set makes its own
answer by far the likeliest text, one near it draws the same answer, and one like no other leaves the plain
n-grams, which say the commonest thing. Nothing is looked up as a whole: each token is sampled.

May import: the standard library and this room. The rule that must stay true: the same chat with temperature
0, or with the same seed, gives the same answer.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from proxy.demo.style import Style, asked_style
from proxy.demo.tokens import ARGUMENTS, ASSISTANT, CALL, END, Message, calls_of, heard, text_of, topic, words

ORDER = 12
"""The longest n-gram's context, in tokens."""
BACK_OFF = 0.4
"""What one shorter context costs (the value of Brants et al.)."""
FOCUS = 18.0
"""How sharply the prompt decides: a training prompt's weight is ``exp(FOCUS * nearness)``."""
_ANSWER_SHARE = 0.6
_SHORTEST = 2
"""Contexts shorter than this are asked only where no longer one is known: they give no grammar."""
LONGEST = 1024
"""Tokens after which every answer ends, as a context window would end it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of an answer, or, last, why it ended: ``stop``, ``length`` or ``tool_calls``."""

    channel: Literal["content", "name", "arguments", "finish"]
    text: str


@dataclass(frozen=True, slots=True)
class _Turn:
    """One thing the model learned to say: what it was asked, the words it said, the tools it called."""

    asked: dict[str, float]
    said: frozenset[str]
    tools: frozenset[str]


class LanguageModel:
    """Immutable once trained; one model serves any number of answers at a time."""

    def __init__(
        self, chats: Iterable[Sequence[Message]], *, order: int = ORDER, back_off: float = BACK_OFF
    ) -> None:
        """Train on ``chats``, each a list of messages in OpenAI's form."""
        self._order = order
        self._back_off = back_off
        self._ids: dict[str, int] = {}
        self._turns: list[_Turn] = []
        seen: list[tuple[tuple[int, ...], int, int]] = []
        for chat in chats:
            seen.extend(self._read(chat))
        seen.sort()
        # A context is stored last token first, so that all that end alike stand side by side.
        self._contexts = [context for context, _, _ in seen]
        self._next = [token for _, token, _ in seen]
        self._under = [turn for _, _, turn in seen]
        self._vocabulary = list(self._ids)
        held = Counter(word for turn in self._turns for word in {*turn.asked, *turn.said})
        self._rarity = {word: math.log(1 + len(self._turns) / count) for word, count in held.items()}
        self._rarest = math.log(1 + len(self._turns))
        self._lengths = [self._length(turn.asked) for turn in self._turns]

    def _read(self, chat: Sequence[Message]) -> Iterator[tuple[tuple[int, ...], int, int]]:
        """The n-grams of one chat: the context, the token an assistant said there, and the turn."""
        for place, message in enumerate(chat):
            if message.get("role") != "assistant":
                continue
            calls = calls_of(message)
            told = " ".join([text_of(message), *(arguments for _, arguments in calls)])
            turn = _Turn(topic(chat[:place]), frozenset(words(told)), frozenset(name for name, _ in calls))
            self._turns.append(turn)
            stream = [self._ids.setdefault(token, len(self._ids)) for token in heard(message)]
            for end in range(1, len(stream)):
                context = tuple(reversed(stream[max(0, end - self._order) : end]))
                yield context, stream[end], len(self._turns) - 1

    def _length(self, bag: dict[str, float]) -> float:
        return math.sqrt(sum((weight * self._rarity.get(w, self._rarest)) ** 2 for w, weight in bag.items()))

    def weights(self, messages: Sequence[Message], tools: Collection[str] = ()) -> list[float]:
        """How much each learned turn counts for this chat; one that calls a tool not offered, nothing."""
        asked = topic(messages)
        length = self._length(asked) or 1.0
        rarity = {word: self._rarity.get(word, self._rarest) for word in asked}
        total = sum(worth**2 for worth in rarity.values()) or 1.0
        weights = []
        for turn, turn_length in zip(self._turns, self._lengths, strict=True):
            if not turn.tools.issubset(tools):
                weights.append(0.0)
                continue
            shared = sum(n * turn.asked[w] * rarity[w] ** 2 for w, n in asked.items() if w in turn.asked)
            held = sum(worth**2 for word, worth in rarity.items() if word in turn.said)
            nearness = shared / (length * (turn_length or 1.0)) + _ANSWER_SHARE * held / total
            weights.append(math.exp(FOCUS * nearness))
        return weights

    def distribution(self, context: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
        """The probability of each next token after ``context``; never empty for a trained model."""
        known: list[int] = []
        for token in context[: -self._order - 1 : -1]:
            if token not in self._ids:
                break
            known.append(self._ids[token])
        scores: dict[int, float] = {}
        share = 1.0
        for depth in range(len(known), -1, -1):
            if depth < _SHORTEST and scores:
                break
            mass = self._mass(tuple(known[:depth]), weights)
            total = sum(mass.values())
            if total > 0:
                for candidate, part in mass.items():
                    scores.setdefault(candidate, share * part / total)
                share *= self._back_off
        total = sum(scores.values())
        return {self._vocabulary[token]: score / total for token, score in scores.items()}

    def _mass(self, context: tuple[int, ...], weights: Sequence[float]) -> dict[int, float]:
        """The weighed counts of the tokens seen after ``context`` (its last token first)."""
        first, last = 0, len(self._contexts)
        if context:
            first = bisect_left(self._contexts, context)
            last = bisect_left(self._contexts, (*context[:-1], context[-1] + 1), first)
        mass: dict[int, float] = {}
        for row in range(first, last):
            weight = weights[self._under[row]]
            if weight > 0:
                mass[self._next[row]] = mass.get(self._next[row], 0.0) + weight
        return mass

    def _sample(self, scores: dict[str, float], temperature: float, dice: random.Random) -> str:
        if temperature <= 0:
            return max(scores, key=lambda token: (scores[token], -self._ids[token]))
        best = max(scores.values())
        heat = [(score / best) ** (1 / temperature) for score in scores.values()]
        return dice.choices(list(scores), heat)[0]

    def _tokens(
        self, messages: Sequence[Message], temperature: float, seed: int | None, tools: Collection[str]
    ) -> Iterator[str]:
        """The sampled tokens, markers too, up to the marker that ends the answer."""
        weights = self.weights(messages, tools)
        goes_on = bool(messages) and messages[-1].get("role") == "assistant"
        stream = list(heard(messages[-1]))[:-1] if goes_on else [ASSISTANT]
        dice = random.Random(seed)
        while True:
            token = self._sample(self.distribution(stream[-self._order :], weights), temperature, dice)
            if token == END:
                return
            stream.append(token)
            yield token

    def pieces(
        self,
        messages: Sequence[Message],
        *,
        temperature: float = 0.0,
        max_tokens: int | None = None,
        seed: int | None = None,
        tools: Collection[str] = (),
    ) -> Iterator[Piece]:
        """Answer a chat, token by token; the last piece says why the answer ended.

        ``tools`` are the names of the tools the caller offers: without them the model does not call any.
        A chat whose last message is the assistant's own is carried on from there.
        """
        style, messages = _take_style(messages)
        left = LONGEST if max_tokens is None else min(LONGEST, max_tokens)
        channel: Literal["content", "name", "arguments"] = "content"
        ended = "stop"
        for token in self._tokens(messages, temperature, seed, tools):
            if left <= 0:
                ended = "length"
                break
            left -= 1
            if token == CALL:
                channel, ended = "name", "tool_calls"
            elif token == ARGUMENTS:
                channel = "arguments"
            elif channel == "content" and style is not None:
                yield Piece(channel, style.feed(token))
            else:
                yield Piece(channel, token)
        if style is not None and (rest := style.finish()):
            yield Piece("content", rest)
        yield Piece("finish", ended)

    def complete(
        self,
        messages: Sequence[Message],
        temperature: float = 0.0,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The texts of an answer's tokens, where no tools are offered."""
        for piece in self.pieces(messages, temperature=temperature, max_tokens=max_tokens, seed=seed):
            if piece.channel == "content":
                yield piece.text


def count_tokens(messages: Sequence[Message]) -> int:
    """How many tokens a chat is to the model, markers too."""
    return sum(1 for message in messages for _ in heard(message)) + 1


def _take_style(messages: Sequence[Message]) -> tuple[Style | None, Sequence[Message]]:
    """The style that the last message asks for, and the chat without the words that ask for it."""
    if not messages or messages[-1].get("role") != "user":
        return None, messages
    style, prompt = asked_style(text_of(messages[-1]))
    return style, messages if style is None else [*messages[:-1], {"role": "user", "content": prompt}]
