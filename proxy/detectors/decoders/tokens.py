"""Codes of one token a letter, with separators between: what Morse, numbers and spelling words share.

May import: ``transducer``. The rule that must stay true: a token stands for its letter only once it is
complete, which the separator after it tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proxy.detectors.decoders.transducer import Decoded

_GAP = 16


class TokenRun:
    """A reading of one run of tokens.

    ``meaning`` gives the characters of a token, or None for a token that ends the run; ``within`` says
    whether a character belongs to a token, ``between`` whether it may stand between two.
    """

    __slots__ = ("_between", "_gap", "_longest", "_meaning", "_start", "_token", "_within")

    def __init__(
        self,
        meaning: Callable[[str], str | None],
        within: Callable[[str], bool],
        between: Callable[[str], bool],
        longest: int,
    ) -> None:
        self._meaning, self._within, self._between = meaning, within, between
        self._longest = longest
        self._token = ""
        self._start = 0
        self._gap = 0

    @property
    def pending(self) -> int | None:
        return self._start if self._token else None

    def push(self, character: str, offset: int) -> Sequence[Decoded] | None:
        if self._within(character):
            if not self._token:
                self._start = offset
            self._token += character
            self._gap = 0
            return () if len(self._token) <= self._longest else None
        self._gap += 1
        if not self._between(character) or self._gap > _GAP:
            return None
        return self._take()

    def finish(self) -> Sequence[Decoded]:
        return self._take() or ()

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return False

    def _take(self) -> list[Decoded] | None:
        if not self._token:
            return []
        text = self._meaning(self._token)
        self._token = ""
        return None if text is None else [(character, self._start, True) for character in text]
