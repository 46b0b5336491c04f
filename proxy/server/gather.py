"""Pieces of a stream that came together, guarded together: so that one look serves several tokens.

Strategy. What a guard costs is mostly a price a piece, and a model says five characters at a time. The relay
lets pieces come for a moment before it reads them; those of one choice and channel that follow each other in
what it has read are one text for the guard.

May import: the ground floor. The rules that must stay true: the texts of a choice keep their order, and
nothing is lost; what waits here is as unguarded as what has not come yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.types import Delta

MOST = 1024
"""Characters of a choice that wait at most: a guard's step should not keep other answers waiting."""


@dataclass(slots=True)
class _Waiting:
    """What waits of one choice, all of one channel."""

    channel: str
    size: int = 0
    texts: list[str] = field(default_factory=list)

    def taken(self, choice: int) -> Delta:
        return Delta(choice, self.channel, self.texts[0] if len(self.texts) == 1 else "".join(self.texts))


class Gather:
    """The texts of one answer that wait for those that were read with them."""

    __slots__ = ("_choices",)

    def __init__(self) -> None:
        self._choices: dict[int, _Waiting] = {}

    @property
    def waits(self) -> bool:
        """Whether anything waits."""
        return bool(self._choices)

    def add(self, deltas: Sequence[Delta], ended: Sequence[tuple[int, str]]) -> list[Delta]:
        """The next texts, and the channels that end with them; what is to be guarded now."""
        ready: list[Delta] = []
        choices = self._choices
        for delta in deltas:
            choice = delta.choice
            waiting = choices.get(choice)
            if waiting is None or waiting.channel != delta.channel:
                if waiting is not None:
                    ready.append(waiting.taken(choice))
                waiting = choices[choice] = _Waiting(delta.channel)
            waiting.texts.append(delta.text)
            waiting.size += len(delta.text)
            if waiting.size >= MOST:
                ready.append(choices.pop(choice).taken(choice))
        for choice, _ in ended:
            if choice in choices:
                ready.append(choices.pop(choice).taken(choice))
        return ready

    def rest(self) -> list[Delta]:
        """All that waits."""
        rest = [waiting.taken(choice) for choice, waiting in self._choices.items()]
        self._choices.clear()
        return rest
