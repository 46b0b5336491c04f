"""Report fields that may be meant as the audience and are not read as one.

A field is reported once a file: by its name, which is like ``audience`` or a word for who may read, or by its
values, which are names of audiences. Names of fields are shown only where they are no text: short, of a few
words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proxy.datasets.audience import FIELD, is_alike, same_key
from proxy.datasets.marks import Marks
from proxy.datasets.stream import Record
from proxy.types import Noted

_MOST_KEYS = 500
_DEEPEST = 3
_LONGEST_NAME = 32
_SPEAKERS = frozenset(("role", "from", "username", "user", "name", "author", "speaker", "sender"))
"""Fields whose values may be names of audiences and are hardly meant as such: ``role: admin``."""


class Likeness:
    """Looks at the fields of records. Not shared between threads."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._known = {name.casefold() for name in marks.order.readers}
        self._seen: dict[str, None] = {}
        self._said: set[tuple[str, str]] = set()

    @property
    def keys(self) -> list[str]:
        """The first fields that there were, to be offered where the operator's is none of them."""
        return list(self._seen)

    def remarks(self, record: Record, label: str) -> Iterator[Noted]:
        """Yield what is new to say of the fields of one record of a file."""
        if record.doubt:
            return  # its cells may be under the names of others
        for path, key, value in _members(record.value):
            if len(self._seen) < _MOST_KEYS:
                self._seen.setdefault(path)
            if self._marks.is_mark(key) or (label, path) in self._said or len(self._said) >= _MOST_KEYS:
                continue
            if not self._is_like(key, value):
                continue
            self._said.add((label, path))
            shown = f"its field {path!r}" if _is_name(path) else "one of its fields"
            how = "narrows its audience at most" if is_alike(key) else "is not read as its audience"
            yield Noted(record.where, f"{shown} {how}; name it with --audience-field if it is meant as that")

    def _is_like(self, key: str, value: object) -> bool:
        if same_key(key, FIELD):
            return not self._marks.ignored
        if is_alike(key):
            return True
        return (
            isinstance(value, str)
            and len(value) <= _LONGEST_NAME
            and value.strip().casefold() in self._known
            and key.casefold() not in _SPEAKERS
        )


def _members(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str, object]]:
    """Yield (path, key, value) of the members of an object and of the plain objects inside it."""
    if not isinstance(value, dict) or depth >= _DEEPEST:
        return
    for key, inner in value.items():
        if isinstance(key, str):
            place = f"{path}.{key}" if path else key
            yield place, key, inner
            yield from _members(inner, place, depth + 1)


def _is_name(path: str) -> bool:
    """Return whether a path can be shown: names of fields, and no text that stands as a key."""
    parts = path.split(".")
    return all(0 < len(part) <= _LONGEST_NAME and len(part.split()) <= 3 for part in parts)
