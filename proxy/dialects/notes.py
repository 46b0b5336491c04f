"""Annotations and citations of an answer: where it says it has things from.

A title, an address or a file name is text, and has a guard of its own; ids are sealed, kinds and offsets held
to a closed syntax. An annotation goes out when all its texts have been let go; offsets into the answer are
kept only while the answer is as the model made it.

May import: the ground floor and this room. The rule that must stay true: every text that is written is
``Cleared``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from proxy.dialects.ids import AnswerIds
from proxy.types import Cleared

_TEXTS = ("title", "url", "filename")
_IDS = {"file_id": "file-", "container_id": "cntr_"}
_NUMBERS = ("start_index", "end_index", "index")
_KINDS = frozenset({"url_citation", "file_citation", "container_file_citation", "file_path"})
_MOST = 200
"""Annotations of one text that are kept; the others are counted."""


class Note:
    """One annotation: its channels while it is read, itself when they have been let go."""

    __slots__ = ("_kind", "_nested", "_prefix", "_safe", "_texts")

    def __init__(self, prefix: str, kind: str, nested: bool, safe: dict[str, Any], texts: list[str]) -> None:
        self._prefix = prefix
        self._kind = kind
        self._nested = nested  # as chat completions write it: under the name of its kind
        self._safe = safe
        self._texts = texts

    @property
    def channels(self) -> list[str]:
        return [f"{self._prefix}:{name}" for name in self._texts]

    def written(self, said: Callable[[str], str | None], unchanged: bool) -> dict[str, Any]:
        """``said``: the cleared text of a channel. ``unchanged``: the answer is as the model made it."""
        body: dict[str, Any] = {name: said(f"{self._prefix}:{name}") or "" for name in self._texts}
        for name, value in self._safe.items():
            body[name] = value if unchanged or name in _IDS else 0
        return {"type": self._kind, self._kind: body} if self._nested else {"type": self._kind, **body}


def read(
    raw: object, prefix: str, number: int, ids: AnswerIds, dropped: list[str]
) -> tuple[Note, list[tuple[str, str]]] | None:
    """An annotation, and the channels and texts in it; None where it stays behind whole."""
    member = raw if isinstance(raw, dict) else {}
    kind = member.get("type")
    if not isinstance(kind, str) or kind not in _KINDS or number >= _MOST:
        dropped.append("annotations")
        return None
    nested = isinstance(member.get(kind), dict)
    body: Mapping[str, Any] = member[kind] if nested else member
    texts = {name: value for name in _TEXTS if isinstance(value := body.get(name), str) and value}
    safe: dict[str, Any] = {}
    for name, begins in _IDS.items():
        if given := body.get(name):
            safe[name] = ids.of(given, begins, f"{prefix}:{number}", "annotations", dropped)
    for name in _NUMBERS:
        if type(value := body.get(name)) is int and 0 <= value < 2**31:
            safe[name] = value
    note = Note(f"{prefix}:{number}", kind, nested, safe, list(texts))
    return note, [(f"{prefix}:{number}:{name}", text) for name, text in texts.items()]


class Notes:
    """The annotations of one text. ``prefix``: of their channels."""

    __slots__ = ("_ids", "_notes", "_prefix", "_said")

    def __init__(self, prefix: str, ids: AnswerIds) -> None:
        self._ids = ids
        self._prefix = prefix
        self._notes: list[Note] = []
        self._said: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._notes)

    def read(self, raw: object, dropped: list[str]) -> Iterator[tuple[str, str]]:
        """The channels and texts of one annotation."""
        found = read(raw, self._prefix, len(self._notes), self._ids, dropped)
        if found is not None:
            self._notes.append(found[0])
            yield from found[1]

    @property
    def prefix(self) -> str:
        """What the names of its channels begin with."""
        return self._prefix + ":"

    @property
    def channels(self) -> list[str]:
        return [channel for note in self._notes for channel in note.channels]

    def take(self, texts: Mapping[str, Cleared]) -> None:
        """Keep what has been let go; ``texts`` are those of the choice, by channel."""
        if not self._notes:
            return
        own = self.channels if len(self._notes) < len(texts) else texts
        for channel in own:
            if (text := texts.get(channel)) and channel.startswith(self._prefix + ":"):
                self._said[channel] = self._said.get(channel, "") + text

    def written(self, unchanged: bool) -> list[dict[str, Any]]:
        return [note.written(self._said.get, unchanged) for note in self._notes]
