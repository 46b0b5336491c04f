"""Log-probabilities, which spell an answer again token by token, and what the model might have said instead.

They are text: the tokens that were chosen make one channel, the first alternatives another, and so on.
Each channel has its guard. A token goes out when its channel has let it go as it was; from the first
place where a guard changed something, the channel's tokens stay behind.

May import: the ground floor and this room. The rule that must stay true: a token that is written is a
slice of ``Cleared`` text; the rest of an entry is numbers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.dialects import fields
from proxy.types import Cleared

_MOST = 20
"""Alternatives of one token: OpenAI's limit."""


class Entry:
    """One token and its alternatives: numbers now, texts when they have been let go."""

    __slots__ = ("numbers", "offset", "said", "waiting")

    def __init__(self, numbers: Sequence[float | None], offset: int | None) -> None:
        self.numbers = numbers  # of the token, then of its alternatives
        self.offset = offset
        self.said: list[str | None] = [None] * len(numbers)
        self.waiting = len(numbers)

    def settle(self, place: int, text: str | None) -> None:
        self.said[place] = text
        self.waiting -= 1


class _Rank:
    """The tokens of one channel, in order, until their text is let go."""

    __slots__ = ("_at", "_broken", "_said", "_tokens")

    def __init__(self) -> None:
        self._tokens: deque[tuple[Entry, int, str]] = deque()
        self._said = ""
        self._at = 0  # what lies before has become tokens
        self._broken = False

    def expect(self, entry: Entry, place: int, token: str) -> None:
        if self._broken:
            entry.settle(place, None)
        else:
            self._tokens.append((entry, place, token))

    def take(self, text: str) -> None:
        self._said = self._said[self._at :] + text
        self._at = 0
        while self._tokens:
            entry, place, token = self._tokens[0]
            end = self._at + len(token)
            if self._said.startswith(token, self._at):
                entry.settle(place, self._said[self._at : end])
                self._at = end
                self._tokens.popleft()
            elif end > len(self._said) and token.startswith(self._said[self._at :]):
                return
            else:
                self.abandon()

    def abandon(self) -> None:
        """What still waits, and what comes, stays behind."""
        self._broken = True
        while self._tokens:
            entry, place, _ = self._tokens.popleft()
            entry.settle(place, None)


class Logprobs:
    """The log-probabilities of one text of one choice. ``name``: of that text, such as ``content``."""

    __slots__ = ("_entries", "_name", "_ranks")

    def __init__(self, name: str) -> None:
        self._name = name
        self._entries: deque[Entry] = deque()
        self._ranks: list[_Rank] = []

    def channel(self, rank: int) -> str:
        return f"logprobs:{self._name}:{rank}"

    @property
    def channels(self) -> list[str]:
        return [self.channel(rank) for rank in range(len(self._ranks))]

    def read(self, raw: object, dropped: list[str]) -> Iterator[tuple[str, str]]:
        """The channels and texts of a list in the form of chat completions and of the Responses API."""
        for member in fields.items(raw, "logprobs"):
            one = fields.mapping(member, "logprobs")
            options = [
                fields.mapping(each, "logprobs")
                for each in fields.items(one.get("top_logprobs"), "logprobs")[:_MOST]
            ]
            tokens = [(each.get("token"), each.get("logprob")) for each in (one, *options)]
            yield from self._expect(tokens, None, dropped)

    def read_legacy(self, raw: object, dropped: list[str]) -> Iterator[tuple[str, str]]:
        """The same of the four lists of ``/v1/completions``."""
        lists = fields.mapping(raw, "logprobs")
        tokens = fields.items(lists.get("tokens"), "logprobs")
        numbers = fields.items(lists.get("token_logprobs"), "logprobs")
        options = fields.items(lists.get("top_logprobs"), "logprobs")
        offsets = fields.items(lists.get("text_offset"), "logprobs")
        for place, token in enumerate(tokens):
            said = [(token, numbers[place] if place < len(numbers) else None)]
            if place < len(options):
                said += list(fields.mapping(options[place], "logprobs").items())[: _MOST + 1]
            offset = offsets[place] if place < len(offsets) else None
            yield from self._expect(said, offset if type(offset) is int else None, dropped)

    def _expect(
        self, tokens: Sequence[tuple[object, object]], offset: int | None, dropped: list[str]
    ) -> Iterator[tuple[str, str]]:
        if not all(isinstance(token, str) for token, _ in tokens):
            dropped.append("logprobs")
            return
        entry = Entry([_number(value) for _, value in tokens], offset)
        self._entries.append(entry)
        while len(self._ranks) < len(tokens):
            self._ranks.append(_Rank())
        for place, (token, _) in enumerate(tokens):
            assert isinstance(token, str)
            self._ranks[place].expect(entry, place, token)
            if token:
                yield self.channel(place), token
            else:
                self._ranks[place].take("")

    def take(self, texts: Mapping[str, Cleared]) -> list[Entry]:
        """The entries that may go out now. ``texts``: those of the choice, by channel."""
        for rank, each in enumerate(self._ranks):
            if said := texts.get(self.channel(rank)):
                each.take(said)
        ready = []
        while self._entries and not self._entries[0].waiting:
            entry = self._entries.popleft()
            if entry.said[0] is not None:
                ready.append(entry)
        return ready

    def rest(self, texts: Mapping[str, Cleared]) -> list[Entry]:
        """The entries that may go out once all channels have ended; what is unsettled then never will."""
        ready = self.take(texts)
        for each in self._ranks:
            each.abandon()
        return ready + self.take({})


def written(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries in the form of chat completions."""
    made = []
    for entry in entries:
        options = zip(entry.said[1:], entry.numbers[1:], strict=True)
        top = [_token(text, number) for text, number in options if text is not None]
        made.append(_token(entry.said[0] or "", entry.numbers[0]) | {"top_logprobs": top})
    return made


def written_legacy(entries: Sequence[Entry]) -> dict[str, Any]:
    """Entries as the four lists of ``/v1/completions``."""
    return {
        "tokens": [entry.said[0] for entry in entries],
        "token_logprobs": [entry.numbers[0] for entry in entries],
        "top_logprobs": [
            {text: number for text, number in zip(e.said[1:], e.numbers[1:], strict=True) if text is not None}
            for e in entries
        ],
        "text_offset": [entry.offset for entry in entries],
    }


def _token(text: str, number: float | None) -> dict[str, Any]:
    # A token that is no whole character has bytes that its text does not give; they stay behind.
    return {"token": text, "logprob": number, "bytes": list(text.encode("utf-8", "replace"))}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value
