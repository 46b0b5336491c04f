"""What a recognizer finds, and how findings that touch become one.

May import: the standard library only. The rule that must stay true: offsets count characters of the
text as it was given, and ``text[start:end]`` of an entity begins and ends with a letter or a digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["person", "place", "address", "organisation"]

KINDS: tuple[Kind, ...] = ("person", "place", "address", "organisation")
LONGEST_ADDRESS = 200
"""Characters an address may reach by joining: a column of addresses must not become one."""

GAP = re.compile(r"[\s,.;:/|#\-–]{0,8}")
BREAKS = 2
"""More line breaks than this between two parts of an address: they are two addresses."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A name of ``kind`` at characters ``[start, end)``; ``score`` is between 0 and 1."""

    kind: Kind
    start: int
    end: int
    score: float


def trimmed(entity: Entity, text: str) -> Entity | None:
    """``entity`` without blanks and punctuation at its ends and without "'s"; None if nothing is left."""
    start, end = entity.start, entity.end
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    if end - start > 2 and text[end - 1] in "sS" and text[end - 2] in "'’":
        end -= 2
    return replace(entity, start=start, end=end) if start < end else None


def joined(entities: Iterable[Entity]) -> list[Entity]:
    """In text order; those of one kind that overlap become one, with the better score."""
    kept: list[Entity] = []
    last: dict[Kind, int] = {}
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        at = last.get(entity.kind)
        if at is not None and entity.start < kept[at].end:
            before = kept[at]
            kept[at] = replace(before, end=max(before.end, entity.end), score=max(before.score, entity.score))
        else:
            last[entity.kind] = len(kept)
            kept.append(entity)
    return kept


def addresses_joined(entities: Sequence[Entity], text: str) -> list[Entity]:
    """Join address parts, and the places between and beside them, into one address each.

    A place alone stays a place. ``entities`` are in text order. Parts belong together when only blanks
    and light punctuation stand between them.
    """
    made: list[Entity] = []
    run: list[Entity] = []
    for entity in entities:
        if run and not (entity.kind in ("place", "address") and _follows(run, entity, text)):
            made += _closed(run)
            run = []
        if entity.kind in ("place", "address"):
            run.append(entity)
        else:
            made.append(entity)
    made += _closed(run)
    return sorted(made, key=lambda e: (e.start, e.end))


def _follows(run: Sequence[Entity], entity: Entity, text: str) -> bool:
    gap = text[run[-1].end : entity.start]
    fits = entity.end - run[0].start <= LONGEST_ADDRESS
    return fits and gap.count("\n") <= BREAKS and GAP.fullmatch(gap) is not None


def _closed(run: list[Entity]) -> list[Entity]:
    if not any(entity.kind == "address" for entity in run):
        return run
    end = max(entity.end for entity in run)
    score = max(entity.score for entity in run if entity.kind == "address")
    return [Entity("address", run[0].start, end, score)]
