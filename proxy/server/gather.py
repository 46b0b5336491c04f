"""Small pieces of a stream, gathered before they are guarded: so that one look serves several tokens.

Strategy. What a guard costs is mostly a price a piece, and a model says five characters at a time. The first
piece of a channel goes on at once; after that pieces wait until ``MOST`` characters are there, the oldest of
them has waited for ``seconds``, the channel changes or ends, or nothing has come for ``seconds`` (the relay
tells). A stream that is slower than that waits for nothing.

May import: the ground floor. The rules that must stay true: the texts of a choice keep their order, and
nothing is lost; what waits here is as unguarded as what has not come yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.types import Delta

MOST = 32
"""Characters that wait at most."""


@dataclass(slots=True)
class _Waiting:
    """What waits of one choice, all of one channel."""

    channel: str
    since: float = 0.0
    size: int = 0
    texts: list[str] = field(default_factory=list)

    def taken(self, choice: int) -> Delta:
        text = self.texts[0] if len(self.texts) == 1 else "".join(self.texts)
        self.texts.clear()
        self.size = 0
        return Delta(choice, self.channel, text)


class Gather:
    """The pieces of one answer that wait; ``seconds`` 0: none ever does."""

    __slots__ = ("_choices", "_seconds", "waits")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._choices: dict[int, _Waiting] = {}
        self.waits = False
        """Whether anything waits."""

    def add(self, deltas: Sequence[Delta], ended: Sequence[tuple[int, str]], now: float) -> Sequence[Delta]:
        """Pieces have come, ``now`` in seconds of any clock; what is to be guarded now."""
        if not self._seconds:
            return deltas
        ready: list[Delta] = []
        for delta in deltas:
            waiting = self._choices.get(delta.choice)
            if waiting is None or waiting.channel != delta.channel:
                if waiting is not None and waiting.texts:
                    ready.append(waiting.taken(delta.choice))
                self._choices[delta.choice] = _Waiting(delta.channel)
                ready.append(delta)
                continue
            if not waiting.texts:
                waiting.since = now
                self.waits = True
            waiting.texts.append(delta.text)
            waiting.size += len(delta.text)
            if waiting.size >= MOST or now - waiting.since >= self._seconds:
                ready.append(waiting.taken(delta.choice))
        for choice, _ in ended:
            waiting = self._choices.get(choice)
            if waiting is not None and waiting.texts:
                ready.append(waiting.taken(choice))
        if ready:
            self.waits = any(waiting.texts for waiting in self._choices.values())
        return ready

    def rest(self) -> list[Delta]:
        """All that waits: nothing has come for a while, or nothing more will."""
        self.waits = False
        return [waiting.taken(choice) for choice, waiting in self._choices.items() if waiting.texts]
