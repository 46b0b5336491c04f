"""Split a record where its texts are for different readers, and decide for each part.

The invariant: no text is given to more roles than any mark around it allows. Marks of the objects around a
text, and of plain objects inside its own, narrow it; lists may hold records with marks of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proxy.datasets.audience import FIELD
from proxy.datasets.columns import as_rows
from proxy.datasets.marks import Found, Marks, is_call
from proxy.types import NOBODY

_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a record's texts, and for whom they are.

    ``audience`` is None where no mark says it. ``own``: a mark of the record, or of a record around it, says
    it; otherwise it comes from an object deeper inside, and narrows what the source says. ``hints`` only ever
    narrow. ``key``: the field of the record that the part was in; "" for the record itself.
    """

    value: Any
    audience: str | None
    remarks: tuple[str, ...] = ()
    own: bool = True
    hints: tuple[str, ...] = ()
    key: str = ""


class Parts:
    """Splits records by their marks."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def of(self, value: Any, outer: Mapping[str, Any] | None = None) -> Iterator[Part]:
        """Split a record where its lists hold records with marks of their own, and decide for each part.

        ``outer``: the object around the record's list. Its marks count as those of the record do.
        """
        around = self._marks.found(outer) if outer is not None else Found()
        beside = []
        if around.deep:
            chosen = self._marks.order.narrowest((*around.own, *around.deep))
            beside = [f"an audience beside it, in what is around it: read as for {chosen}"]
        if not self._marks.has_mark(value) and not self._marks.may_hint(value):
            yield self._part(value, around, beside)
            return
        for part in self._parts(as_rows(value, self._marks.is_mark), around, 0, ""):
            yield replace(part, remarks=(*beside, *part.remarks)) if beside else part

    def _parts(self, value: Any, around: Found, depth: int, key: str) -> Iterator[Part]:
        if depth > _DEEPEST:
            remark = "nested too deeply to find its audience: for nobody"
            yield Part(self._marks.without(value), NOBODY, (remark,), key=key)
            return
        if isinstance(value, list | tuple):
            hints = [
                name for inner in value if self._marks.only_marks(inner) for name in self._marks.every(inner)
            ]
            self._marks.collect_listed(value, hints, depth)
            around += Found(hints=tuple(hints))
            for inner in value:
                yield from self._parts(inner, around, depth + 1, key)
            return
        if not isinstance(value, dict):
            yield self._part(value, around + Found(hints=tuple(self._marks.hints_of(value, depth))), key=key)
            return
        found = self._marks.found(value)
        remarks = self._remarks(value, found, around)
        around += found
        lists = {
            name: inner
            for name, inner in value.items()
            if isinstance(inner, list | tuple)
            and not self._marks.is_mark(name)
            and self._splits_list(inner, is_call(name, value))
        }
        inside = {
            name: inner
            for name, inner in value.items()
            if isinstance(inner, dict)
            and not self._marks.is_mark(name)
            and self._splits(inner, is_call(name, value))
        }
        for name, inner in (lists | inside).items():
            yield from self._parts(inner, around, depth + 1, key or str(name))
        rest = {
            name: inner
            for name, inner in value.items()
            if name not in lists
            and name not in inside
            and not (self._marks.is_mark(name) and self._marks.order.is_name(inner))
        }
        if (lists or inside) and not depth:
            remarks.append(
                "audiences deeper in the record: the objects that name them are read by themselves"
            )
        if rest or remarks or not (lists or inside):
            yield self._part(self._marks.without(rest), around, remarks, key)

    def _part(self, value: Any, found: Found, remarks: Sequence[str] = (), key: str = "") -> Part:
        names = (*found.own, *found.deep)
        audience = self._marks.order.narrowest(names) if names else None
        return Part(value, audience, tuple(remarks), bool(found.own) or not names, found.hints, key)

    def _splits(self, value: Mapping[str, Any], call: bool, depth: int = 0) -> bool:
        """Return whether lists inside an object hold marked records."""
        if depth > _DEEPEST:
            return True
        for name, inner in value.items():
            inside = call or is_call(name, value)
            if isinstance(inner, list | tuple) and self._splits_list(inner, inside):
                return True
            if isinstance(inner, dict) and self._splits(inner, inside, depth + 1):
                return True
        return False

    def _splits_list(self, value: Sequence[Any], call: bool) -> bool:
        """Return whether a list holds marked records, rather than pairs that mark what is around it."""
        records = [each for each in value if not (isinstance(each, dict) and self._marks.is_pair(each))]
        return self._marks.has_mark(records, call)

    def _remarks(self, record: Mapping[str, Any], found: Found, around: Found) -> list[str]:
        """Return what a person should know of how an object was read; holds none of its text."""
        names = (*around.own, *around.deep, *found.own, *found.deep)
        if not names:
            return []
        chosen = self._marks.order.narrowest(names)
        unread = [value for value in self._marks.own(record) if not self._marks.order.is_name(value)]
        if unread:
            return [
                f"its field {self._marks.field or FIELD!r} is not the name of an audience: read as for "
                "nobody. "
                "Name the right field with --audience-field, or say --ignore-audience-field"
            ]
        if found.deep and self._marks.field is None:
            return [f"an audience deeper in the record: read as for {chosen}"]
        if found.own and chosen not in found.own:
            return [f"an audience in an object around it is narrower than its own: read as for {chosen}"]
        if len(set(found.own)) > 1:
            return [f"several audiences in one record: read as for {chosen}"]
        return []
