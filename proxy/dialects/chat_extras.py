"""What a chat answer may have beside its messages: log-probabilities, annotations, citations, speech.

Most answers have none of it, so a choice makes its ``Extras`` when the first comes. Speech itself cannot
be read and stays behind; its transcript is a text like any other.

May import: the ground floor and this room. The rule that must stay true: what :meth:`Extras.piece` and
:meth:`Extras.final` return holds ``Cleared`` text, sealed ids and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.dialects import fields
from proxy.dialects.ids import AnswerIds
from proxy.dialects.logprobs import Logprobs, written
from proxy.dialects.notes import Notes
from proxy.types import Cleared

TRANSCRIPT = "audio:transcript"
_AUDIO = frozenset({"id", "transcript", "data", "expires_at"})
_SPELT = ("content", "refusal")
_MOST = 200

Part = tuple[dict[str, Any], dict[str, Any] | None]
"""Members of a message or a delta, and the logprobs of its choice."""


class Extras:
    """The extras of one choice; their channels end with it."""

    __slots__ = ("_citations", "_expires", "_ids", "_logprobs", "_notes", "_said", "_speech")

    def __init__(self, ids: AnswerIds) -> None:
        self._ids = ids
        self._logprobs: dict[str, Logprobs] = {}
        self._notes = Notes("annotation", ids)
        self._citations: list[str] = []  # their channels
        self._said: dict[str, str] = {}
        self._speech: str | None = None  # its id
        self._expires = 0

    def read(
        self, choice: Mapping[str, Any], message: Mapping[str, Any], allow: bool, dropped: list[str]
    ) -> Iterator[tuple[str, str]]:
        """The channels and texts of a choice's logprobs (where they are allowed), annotations and speech."""
        if (spelt := choice.get("logprobs")) is not None:
            if allow:
                yield from self._read_logprobs(fields.mapping(spelt, "logprobs"), dropped)
            else:
                dropped.append("logprobs")
        for each in fields.items(message.get("annotations"), "annotations"):
            yield from self._notes.read(each, dropped)
        if isinstance(audio := message.get("audio"), dict):
            yield from self._read_audio(audio, dropped)
        elif audio:
            dropped.append("audio")

    def _read_logprobs(self, spelt: Mapping[str, Any], dropped: list[str]) -> Iterator[tuple[str, str]]:
        for name in _SPELT:
            if given := spelt.get(name):
                if name not in self._logprobs:
                    self._logprobs[name] = Logprobs(name)
                yield from self._logprobs[name].read(given, dropped)

    def _read_audio(self, audio: Mapping[str, Any], dropped: list[str]) -> Iterator[tuple[str, str]]:
        fields.left_behind(audio, _AUDIO, dropped)
        if audio.get("data"):
            dropped.append("audio")
        if self._speech is None or audio.get("id"):
            self._speech = self._ids.of(audio.get("id"), "audio_", "speech", "audio", dropped)
        if type(expires := audio.get("expires_at")) is int and 0 <= expires < 2**53:
            self._expires = expires
        if text := fields.text(audio.get("transcript"), "a transcript"):
            yield TRANSCRIPT, text

    def read_citations(self, raw: object, dropped: list[str]) -> Iterator[tuple[str, str]]:
        """The channels and texts of an answer's list of addresses; the first list counts."""
        if self._citations:
            return
        for each in fields.items(raw, "citations"):
            if isinstance(each, str) and each and len(self._citations) < _MOST:
                channel = f"citation:{len(self._citations)}"
                self._citations.append(channel)
                yield channel, each
            else:
                dropped.append("citations")

    def piece(self, said: Mapping[str, Cleared]) -> Part:
        """What of them goes out now: members of the delta, and the logprobs of the choice."""
        return self._taken(said), self._spelt({n: each.take(said) for n, each in self._logprobs.items()})

    def final(self, said: Mapping[str, Cleared], unchanged: bool) -> Part:
        """What goes out when the choice finishes; ``unchanged``: its content is as the model made it."""
        delta = self._taken(said)
        if self._notes:
            delta["annotations"] = self._notes.written(unchanged)
        return delta, self._spelt({name: each.rest(said) for name, each in self._logprobs.items()})

    def whole(self, said: Mapping[str, Cleared], unchanged: bool) -> Part:
        """The same for a choice that came whole: members of the message, and the logprobs."""
        message, logprobs = self.final(said, unchanged)
        if self._speech is not None:
            transcript = said.get(TRANSCRIPT, "")
            sound = {"id": self._speech, "data": "", "expires_at": self._expires, "transcript": transcript}
            message["audio"] = sound
        return message, logprobs

    def _taken(self, said: Mapping[str, Cleared]) -> dict[str, Any]:
        self._notes.take(said)
        for channel in self._citations:
            if text := said.get(channel):
                self._said[channel] = self._said.get(channel, "") + text
        if text := said.get(TRANSCRIPT):
            return {"audio": {"id": self._speech, "transcript": text}}
        return {}

    @property
    def citations(self) -> list[str]:
        """The addresses that have been let go."""
        return [self._said[channel] for channel in self._citations if channel in self._said]

    def _spelt(self, ready: Mapping[str, Any]) -> dict[str, Any] | None:
        if not any(ready.values()):
            return None
        return {name: written(ready[name]) if ready.get(name) else None for name in _SPELT}
