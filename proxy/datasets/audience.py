"""Decide who may read the texts of a record: from the audience marks in it, never wider than any of them.

A mark is a field called ``audience``, in any case and with blanks around it, or the field that the operator
names. The invariant: a text marked for a narrower audience is never given to a wider one. Where marks
disagree the narrowest counts; where they cannot be compared, or read, the text is for nobody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from proxy.types import NOBODY

FIELD = "audience"
"""The field that is looked at when the operator names none."""

_NAME = re.compile(r"\w[\w.-]{0,63}")
_DEEPEST = 200
_ALIKE = frozenset(
    (
        *("audiences", "audience_level", "audience_name", "visibility", "visible_to"),
        *("access", "access_level"),
        *("clearance", "confidentiality", "classification", "受众", "可见范围", "权限", "密级"),
    )
)


@dataclass(frozen=True, slots=True)
class Order:
    """Which audiences are wider than others. ``readers``: the roles that may read each of them."""

    readers: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {
            "public": frozenset(("public", "staff", "admin")),
            "staff": frozenset(("staff", "admin")),
            "admin": frozenset(("admin",)),
            NOBODY: frozenset(),
        }
    )

    @classmethod
    def of(cls, clearances: Mapping[str, Sequence[str]], audiences: Iterable[str]) -> Order:
        """Return the order of a policy, from the clearance of each role."""
        roles = {name: {role for role, names in clearances.items() if name in names} for name in audiences}
        return cls({name: frozenset(found) for name, found in roles.items()} | {NOBODY: frozenset()})

    def named(self, text: str) -> str:
        """Return an audience as the policy spells it, where only case, width or blanks differ."""
        plain = unicodedata.normalize("NFKC", text).strip()
        if plain in self.readers:
            return plain
        return next((name for name in self.readers if name.casefold() == plain.casefold()), plain)

    def narrowest(self, names: Iterable[str]) -> str:
        """Return the audience that no role reads unless it reads all of them; ``nobody`` where none is."""
        distinct = list(dict.fromkeys(names))
        if len(distinct) == 1:
            return distinct[0]
        for name in distinct:
            if name in self.readers and all(
                other in self.readers and self.readers[name] <= self.readers[other] for other in distinct
            ):
                return name
        return NOBODY

    def meant(self, name: str) -> str:
        """Return a known name that is like an unknown one; "" where none is."""
        close = get_close_matches(name.casefold(), [each.casefold() for each in self.readers], 1, 0.6)
        return self.named(close[0]) if close else ""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a record's texts, and for whom they are. ``audience`` None: no mark says it."""

    value: Any
    audience: str | None
    remarks: tuple[str, ...] = ()
    """What a person should know of the decision; holds no text of the record."""


@dataclass(frozen=True, slots=True)
class Marks:
    """How marks are found. ``field``: the operator's own, which may be a dotted path; ``ignored``: the field
    called ``audience`` is content, and no mark."""

    order: Order = field(default_factory=Order)
    field: str | None = None
    ignored: bool = False

    def is_mark(self, key: str) -> bool:
        """Return whether a key marks an audience where it is."""
        if self.field is not None:
            return _same(key, self.field) or _same(key, self.field.rpartition(".")[2])
        return not self.ignored and _same(key, FIELD)

    def parts(self, value: Any, outer: Mapping[str, Any] | None) -> Iterator[Part]:
        """Split a record where its lists hold records with marks of their own, and decide for each part.

        ``outer``: the object around the record's list; its marks count where the record has none.
        """
        inherited = self._decided(outer)[0] if outer is not None else None
        if not self.has_mark(value):
            yield Part(value, inherited)
            return
        yield from self._parts(value, inherited, 0)

    def has_mark(self, value: Any) -> bool:
        """Return whether there is a mark anywhere in a value."""
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, dict):
                if any(self.is_mark(key) for key in item if isinstance(key, str)):
                    return True
                stack.extend(item.values())
            elif isinstance(item, list | tuple):
                stack.extend(item)
        return False

    def without(self, value: Any) -> Any:
        """Return a value without its marks, which are no training text. What is no name of an audience is."""
        if isinstance(value, dict):
            if not self.has_mark(value):
                return value
            return {
                key: self.without(inner)
                for key, inner in value.items()
                if not (self._is_mark(key) and self._is_name(inner))
            }
        if isinstance(value, list | tuple) and self.has_mark(value):
            return [self.without(inner) for inner in value]
        return value

    def _parts(self, value: Any, inherited: str | None, depth: int) -> Iterator[Part]:
        if depth > _DEEPEST:
            yield Part(self.without(value), NOBODY, ("nested too deeply to find its audience: for nobody",))
            return
        if isinstance(value, list | tuple):
            for inner in value:
                yield from self._parts(inner, inherited, depth + 1)
            return
        if not isinstance(value, dict):
            yield Part(value, inherited)
            return
        audience, remarks = self._decided(value)
        audience = inherited if audience is None else audience
        lists = {
            key: inner
            for key, inner in value.items()
            if isinstance(inner, list | tuple) and self.has_mark(inner)
        }
        inside = {
            key: inner
            for key, inner in value.items()
            if isinstance(inner, dict) and not self._is_mark(key) and self._splits(inner)
        }
        for inner in (*lists.values(), *inside.values()):
            yield from self._parts(inner, audience, depth + 1)
        rest = {
            key: inner
            for key, inner in value.items()
            if key not in lists
            and key not in inside
            and not (self._is_mark(key) and self._is_name(inner))
        }
        if rest or not (lists or inside):
            yield Part(self.without(rest), audience, remarks)

    def _splits(self, value: dict[Any, Any]) -> bool:
        """Return whether lists inside an object hold marked records."""
        return any(
            (isinstance(inner, list | tuple) and self.has_mark(inner))
            or (isinstance(inner, dict) and self._splits(inner))
            for inner in value.values()
        )

    def _is_name(self, value: Any) -> bool:
        """Return whether a mark's value says an audience, or nothing, and so holds no text."""
        if isinstance(value, list | tuple):
            return all(self._is_name(each) for each in value)
        return value is None or (
            isinstance(value, str) and (not value or bool(_NAME.fullmatch(self.order.named(value))))
        )

    def _is_mark(self, key: Any) -> bool:
        return isinstance(key, str) and self.is_mark(key)

    def _decided(self, record: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
        """Return the audience that an object's own marks give its texts, and what to say of it."""
        own = [name for value in self._own(record) for name in self._read(value)]
        inner = [each for key, each in record.items() if not self._is_mark(key)]
        nested = [name for each in inner for name in self._inside(each)]
        found = [*own, *nested]
        if not found:
            return None, ()
        chosen = self.order.narrowest(found)
        remarks = []
        if any(name == NOBODY for name in found) and not self._says_nobody(record):
            remarks.append(
                f"its field {self.field or FIELD!r} is not the name of an audience: read as for nobody. "
                "Name the right field with --audience-field"
            )
        elif nested and self.field is None:
            remarks.append(f"an audience deeper in the record: read as for {chosen}")
        elif len(set(found)) > 1:
            remarks.append(f"several audiences in one record: read as for {chosen}")
        return chosen, tuple(remarks)

    def _own(self, record: Mapping[str, Any]) -> list[Any]:
        found = [value for key, value in record.items() if self._is_mark(key)]
        if self.field is not None and "." in self.field and not found:
            looked_up = _look_up(record, self.field)
            found = [] if looked_up is None else [looked_up]
        return found

    def _inside(self, value: Any, depth: int = 0) -> list[str]:
        """Return the marks of the objects inside an object; lists are records of their own."""
        if not isinstance(value, dict):
            return []
        if depth > _DEEPEST:
            return [NOBODY]
        found = [name for key, mark in value.items() if self._is_mark(key) for name in self._read(mark)]
        for key, inner in value.items():
            if not self._is_mark(key):
                found += self._inside(inner, depth + 1)
        return found

    def _says_nobody(self, record: Mapping[str, Any]) -> bool:
        own = self._own(record)
        return any(isinstance(value, str) and self.order.named(value) == NOBODY for value in own)

    def _read(self, value: Any) -> list[str]:
        """Return the audiences that a mark names; none where it says nothing."""
        if value is None or value == "":
            return []
        if isinstance(value, str):
            name = self.order.named(value)
            return [name if _NAME.fullmatch(name) else NOBODY]
        if isinstance(value, list | tuple):
            return [name for each in value for name in (self._read(each) or [NOBODY])] or [NOBODY]
        return [NOBODY]


def alike(keys: Iterable[str]) -> str:
    """Return a field that may be meant as the audience though it is not called so; "" where none is."""
    for key in keys:
        plain = key.strip().casefold()
        if plain in _ALIKE or (
            plain != FIELD and get_close_matches(plain, (FIELD,), 1, 0.8) and len(plain) <= 2 * len(FIELD)
        ):
            return key.strip()
    return ""


def _same(one: str, other: str) -> bool:
    return unicodedata.normalize("NFKC", one).strip().casefold() == other.strip().casefold()


def _look_up(record: Any, path: str) -> Any:
    """Return what a dotted path leads to, whatever the case of its keys; None where nothing is there."""
    head, _, rest = path.partition(".")
    if not isinstance(record, dict):
        return None
    for key, value in record.items():
        if isinstance(key, str) and _same(key, path):
            return value
    for key, value in record.items():
        if isinstance(key, str) and rest and _same(key, head):
            return _look_up(value, rest)
    return None
