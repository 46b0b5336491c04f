"""Decide for whom an author wrote a text, from the audience marks around it.

This module shares no code with the dataset readers: it is the second opinion on what they decided.
A mark is a field called ``audience`` (any case, blanks around it ignored), or the field that the
operator named. The narrowest mark around a text counts; a mark in a plain sub-object, such as
``meta.audience``, narrows its whole record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

NOBODY = "nobody"
FIELD = "audience"


class Pairs(list[tuple[str, object]]):
    """A JSON object as its members in order, so that a repeated key loses nothing."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read which audience: the roles of a policy that are cleared for it."""

    roles: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, clearances: Mapping[str, Sequence[str]], audiences: Iterable[str]) -> Readers:
        """Build the table from each role's clearance."""
        return cls(
            {
                name: frozenset(role for role, names in clearances.items() if name in names)
                for name in audiences
            }
        )

    def __call__(self, audience: str) -> frozenset[str]:
        """Return the roles cleared for an audience; an audience that the policy does not name has none."""
        return self.roles.get(audience, frozenset())

    def wider(self, one: str, other: str) -> bool:
        """Return whether ``one`` may be read by strictly more roles than ``other``."""
        return self(one) > self(other)

    def within(self, one: str, other: str) -> bool:
        """Return whether no role reads ``one`` that does not read ``other``."""
        return self(one) <= self(other)

    def narrowest(self, names: Sequence[str]) -> str:
        """Return the one that is within all others; ``nobody`` where there is none."""
        for name in names:
            if all(self.within(name, each) for each in names):
                return name
        return NOBODY

    def named(self, text: str) -> str:
        """Return the audience that a mark names: the policy's spelling where only case or blanks differ."""
        plain = text.strip()
        if plain in self.roles:
            return plain
        return next((name for name in self.roles if name.casefold() == plain.casefold()), plain)


@dataclass(frozen=True, slots=True)
class Marks:
    """How audience marks are found. ``field`` is the operator's own field (a dotted path), if any;
    ``ignored`` is a field that holds content and is no mark."""

    readers: Readers
    field: str | None = None
    ignored: bool = False

    def around(self, members: Iterable[tuple[str, object]], inherited: str | None) -> str | None:
        """Return the audience of the texts directly in an object; ``inherited`` is that of the object
        around it. None: nothing says it."""
        listed = list(members)
        own = self._own(listed)
        nested = [name for key, value in listed for name in self._inside(key, value)]
        found = [*(each for each in (own, inherited) if each is not None), *nested]
        return self.readers.narrowest(found) if found else None

    def is_mark(self, key: str) -> bool:
        """Return whether a key of an object marks an audience."""
        if self.field is not None:
            return self.field.rpartition(".")[2].strip().casefold() == key.strip().casefold()
        return not self.ignored and key.strip().casefold() == FIELD

    def _own(self, members: Sequence[tuple[str, object]]) -> str | None:
        found = [name for key, value in members if self.is_mark(key) for name in self._read(value)]
        return self.readers.narrowest(found) if found else None

    def _inside(self, key: str, value: object) -> list[str]:
        """Return the marks of an object inside an object; lists are records of their own."""
        inner = members_of(value)
        if inner is None or self.is_mark(key):
            return []
        own = [name for each, mark in inner if self.is_mark(each) for name in self._read(mark)]
        return own + [name for each, deeper in inner for name in self._inside(each, deeper)]

    def _read(self, value: object) -> list[str]:
        if value is None or value == "":
            return []
        if isinstance(value, str):
            return [self.readers.named(value)]
        if isinstance(value, list | tuple) and not isinstance(value, Pairs):
            return [name for each in value for name in self._read(each)]
        return [NOBODY]


def members_of(value: object) -> Sequence[tuple[str, object]] | None:
    """Return the members of an object; None for anything else."""
    if isinstance(value, Pairs):
        return value
    if isinstance(value, dict):
        return [(str(key), inner) for key, inner in value.items()]
    return None
