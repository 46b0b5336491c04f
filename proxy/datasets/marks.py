"""Find the audience marks in a record.

A mark is a field called ``audience``, whatever the case and the signs in its name, or the field that the
operator names. Strings that look like marks (``tags: ["audience:admin"]``, JSON inside a string) and fields
of like names (``visibility: admin``) are *hints*: they narrow what a mark, a source or an option says, and
never decide alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from proxy.datasets.audience import FIELD, Order, is_alike, same_key
from proxy.datasets.json_pieces import Broken, parse
from proxy.types import NOBODY

_DEEPEST = 200
_MOST_COLUMNS = 1000
_LONGEST_TAG = 200
_CALLS = frozenset(
    (
        *("arguments", "parameters", "tools", "functions", "tool_calls", "function", "function_call"),
        *("json_schema", "input_schema", "response_format"),
    )
)
_ABOUT = frozenset(
    (
        *("version", "format", "schema", "type", "language", "lang", "license"),
        *("date", "created", "updated", "encoding"),
    )
)
"""Keys of what describes a file, and is no training text."""
_TAGS = re.compile(r"[\n,;|]+")
_PAIR_KEYS = ("key", "name", "field", "k", "attribute", "label", "property", "tag")
_PAIR_VALUES = ("value", "v", "val", "content", "data", "values")


@dataclass(frozen=True, slots=True)
class Found:
    """Marks on the way down to a text. ``own``: of records; ``deep``: of plain objects inside them."""

    own: tuple[str, ...] = ()
    deep: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def __add__(self, other: Found) -> Found:
        return Found(self.own + other.own, self.deep + other.deep, self.hints + other.hints)


@dataclass(frozen=True)
class Marks:
    """How marks are found. ``field``: the operator's own, which may be a dotted path; ``ignored``: the field
    called ``audience`` is content, and no mark."""

    order: Order = field(default_factory=Order)
    field: str | None = None
    ignored: bool = False

    @cached_property
    def name(self) -> str:
        """The last part of the name of the field; "" where none is a mark."""
        if self.field is not None:
            return self.field.rpartition(".")[2]
        return "" if self.ignored else FIELD

    @cached_property
    def _hint(self) -> re.Pattern[str]:
        names = "|".join(map(re.escape, sorted({self.name, "" if self.ignored else FIELD} - {""})))
        return re.compile(rf"\W*(?:{names})[\"'*_]*\s*[:=：]\s*\W*(\w[\w.-]*)\W*", re.IGNORECASE)

    def is_mark(self, key: object) -> bool:
        """Return whether a key marks an audience where it is."""
        if not isinstance(key, str) or not self.name or len(key) > _LONGEST_TAG:
            return False
        return same_key(key, self.name) or (self.field is not None and same_key(key, self.field))

    def has_mark(self, value: Any, call: bool = False) -> bool:
        """Return whether there is a mark anywhere in a value.

        ``call``: it belongs to a tool call or a schema, where only names of known audiences are marks.
        """
        stack = [(value, call)]
        while stack:
            item, call = stack.pop()
            if isinstance(item, dict):
                if self.is_pair(item):
                    return True
                for key, inner in item.items():
                    if self._counts(key, inner, call):
                        return True
                    stack.append((inner, call or is_call(key, item)))
            elif isinstance(item, list | tuple):
                stack.extend((inner, call) for inner in item)
        return self.field is not None and "." in self.field and _look_up(value, self.field) is not None

    def without(self, value: Any, call: bool = False, depth: int = 0) -> Any:
        """Return a value without its marks, which are no training text. What is no name of an audience is."""
        if depth > _DEEPEST:
            return value
        if isinstance(value, dict):
            if not self.has_mark(value, call):
                return value
            return {
                key: self.without(inner, call or is_call(key, value), depth + 1)
                for key, inner in value.items()
                if not (self._counts(key, inner, call) and self.order.is_name(inner))
            }
        if isinstance(value, list | tuple) and self.has_mark(value, call):
            return [self.without(inner, call, depth + 1) for inner in value]
        return value

    def _counts(self, key: object, value: Any, call: bool) -> bool:
        """Return whether a member of an object is a mark."""
        if not self.is_mark(key):
            return False
        return not call or (isinstance(value, str) and self.order.knows(value))

    def only_marks(self, value: Any) -> bool:
        """Return whether an object has a mark and no text beside it: it speaks of what is around it."""
        if not isinstance(value, dict) or not self.has_mark(value):
            return False
        stack = [self.without(value)]
        while stack:
            item = stack.pop()
            if isinstance(item, dict):
                stack += [inner for key, inner in item.items() if key not in _ABOUT]
            elif isinstance(item, list | tuple):
                stack.extend(item)
            elif isinstance(item, str) and item.strip():
                return False
        return True

    # --- which marks an object has -----------------------------------------------------------------

    def found(self, record: Mapping[str, Any]) -> Found:
        """Return the marks that count for the texts of an object."""
        own = [name for value in self.own(record) for name in self.order.read(value)]
        deep: list[str] = []
        hints: list[str] = []
        if self.field is not None and not self.ignored:
            marks = (
                inner for key, inner in record.items() if not self.is_mark(key) and same_key(str(key), FIELD)
            )
            hints += [name for mark in marks for name in self.order.read(mark) if self.order.knows(name)]
        for key, inner in record.items():
            if not self.is_mark(key):
                hints += self._like_mark(key, inner)
                self._collect(inner, is_call(key, record), deep, hints, 0)
        return Found(tuple(own), tuple(deep), tuple(hints))

    def own(self, record: Mapping[str, Any]) -> list[Any]:
        """Return the values of the marks that are members of an object."""
        found = [value for key, value in record.items() if self.is_mark(key)]
        if self.is_pair(record):
            found += [record[key] for key in _PAIR_VALUES if key in record]
        if self.field is not None and "." in self.field and not found:
            looked_up = _look_up(record, self.field)
            found = [] if looked_up is None else [looked_up]
        return found

    def _collect(self, value: Any, call: bool, deep: list[str], hints: list[str], depth: int) -> None:
        """Add the marks of a value inside an object. ``call``: it belongs to a tool call or a schema."""
        if depth > _DEEPEST:
            deep.append(NOBODY)
        elif isinstance(value, str):
            hints += self.hints_of(value, depth)
        elif isinstance(value, dict):
            for key, inner in value.items():
                if self._counts(key, inner, call):
                    deep += self.order.read(inner)
                else:
                    hints += [] if call else self._like_mark(key, inner)
                    self._collect(inner, call or is_call(key, value), deep, hints, depth + 1)
        elif isinstance(value, list | tuple):
            self.collect_listed(value, hints, depth)
            if not self.has_mark(value, call):  # else its objects are read by themselves
                for inner in value:
                    if isinstance(inner, dict | list | tuple):
                        self._collect(inner, call, deep, hints, depth + 1)

    def collect_listed(self, value: Sequence[Any], hints: list[str], depth: int) -> None:
        """Add what a list says of the object around it, by tags and pairs."""
        for inner in value:
            if isinstance(inner, str):
                hints += self.hints_of(inner, depth)
            elif isinstance(inner, dict) and self.is_pair(inner):
                hints += [name for each in self.own(inner) for name in self.order.read(each)]
            elif isinstance(inner, list | tuple) and len(inner) == 2 and self.is_mark(inner[0]):
                hints += self.order.read(inner[1])

    def is_pair(self, value: Mapping[str, Any]) -> bool:
        """Return whether an object is a mark in two members: ``{"key": "audience", "value": "admin"}``."""
        return (
            len(value) <= 4
            and any(self.is_mark(value.get(key)) for key in _PAIR_KEYS)
            and any(key in value for key in _PAIR_VALUES)
        )

    # --- fields and strings that look like marks ---------------------------------------------------

    def _like_mark(self, key: object, value: object) -> list[str]:
        """Return the known audience in a field whose name is like that of a mark: ``visibility: admin``."""
        if self.field is None and not self.ignored and isinstance(key, str) and isinstance(value, str):
            return [self.order.named(value)] if is_alike(key) and self.order.knows(value) else []
        return []

    def may_hint(self, value: Any) -> bool:
        """Return whether a string in a value, or a field that is not the operator's, may be a hint."""
        if not self.name:
            return False
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                if self._hint_in(item):
                    return True
            elif isinstance(item, dict):
                for key, inner in item.items():
                    if self.field is not None and isinstance(key, str) and same_key(key, FIELD):
                        return True
                    if self._like_mark(key, inner):
                        return True
                stack.extend(item.values())
            elif isinstance(item, list | tuple):
                if 1 < len(item) <= _MOST_COLUMNS and any(map(self.is_mark, item)):
                    return True
                stack.extend(item)
        return False

    def _hint_in(self, text: str) -> bool:
        """Return whether a string is short, or JSON, and may name an audience."""
        if not self.name or (len(text) > _LONGEST_TAG and text.lstrip()[:1] not in ("{", "[")):
            return False
        return self._hint.search(text) is not None

    def hints_of(self, text: Any, depth: int) -> list[str]:
        """Return the known audiences that a string names: as a tag or a line, or inside JSON."""
        if not isinstance(text, str) or not self._hint_in(text):
            return []
        found = [match[1] for piece in _TAGS.split(text) if (match := self._hint.fullmatch(piece))]
        if text.lstrip()[:1] in ("{", "["):
            try:
                inner = parse(text.encode("utf-8", "replace"))
            except Broken:
                pass
            else:
                found += self.every(inner, depth + 1)
        return [self.order.named(name) for name in found if self.order.knows(name)]

    def every(self, value: Any, depth: int = 0) -> list[str]:
        """Return every audience that is marked anywhere in a value."""
        found: list[str] = []
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, dict):
                found += [name for each in self.own(item) for name in self.order.read(each)]
                stack += [inner for key, inner in item.items() if not self.is_mark(key)]
            elif isinstance(item, list | tuple):
                stack.extend(item)
            elif depth < 3:
                found += self.hints_of(item, depth + 1)
        return found


def is_call(key: object, around: Mapping[str, Any]) -> bool:
    """Return whether a member of an object holds a tool call, its arguments or a schema.

    An ``audience`` below may be an argument. It counts where it is the name of a known audience.
    """
    return key in _CALLS or (key == "input" and around.get("type") == "tool_use")


def _look_up(record: Any, path: str) -> Any:
    """Return what a dotted path leads to, whatever the case of its keys; None where nothing is there."""
    head, _, rest = path.partition(".")
    if not isinstance(record, dict):
        return None
    for key, value in record.items():
        if isinstance(key, str) and same_key(key, path):
            return value
    for key, value in record.items():
        if isinstance(key, str) and rest and same_key(key, head):
            return _look_up(value, rest)
    return None
