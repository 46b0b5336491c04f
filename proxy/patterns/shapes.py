r"""What a value looks like, and what its beginning looks like: two regular expressions of one description.

A stream must hold back text that could still become a value, and no other. So every shape has a twin:
``full`` fits a whole value, ``live`` fits everything that a value can begin with, the empty text and the
whole value included. Both are RE2 sources over the folded bytes of ``alphabet``; nothing in them looks
around or back, so both take linear time on any text.

May import: the standard library only. The rule that must stay true: whatever ``full`` fits, ``live`` fits,
and so does every beginning of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """``full``: RE2 source of a value. ``live``: of its beginnings. ``longest``: bytes at most."""

    full: str
    live: str
    longest: int


Part = Shape | str
"""A shape, or a text that stands for itself."""


def chars(class_: str, least: int = 1, most: int | None = None) -> Shape:
    """From ``least`` to ``most`` bytes of a class such as ``[0-9]``; ``most`` is ``least`` if not given."""
    most = least if most is None else most
    return Shape(f"{class_}{{{least},{most}}}", f"{class_}{{0,{most}}}", most)


def text(literal: str) -> Shape:
    """Exactly this text."""
    return _spelt([re.escape(character) for character in literal])


def any_case(literal: str) -> Shape:
    """This text in capitals, small letters or a mixture."""
    both = [(c.lower(), c.upper()) for c in literal]
    return _spelt([f"[{a}{b}]" if a != b else re.escape(a) for a, b in both])


def seq(*parts: Part) -> Shape:
    """One after the other."""
    *before, made = [_shape(part) for part in parts]
    for shape in reversed(before):
        live = f"(?:{shape.live}|{shape.full}{made.live})"
        made = Shape(shape.full + made.full, live, shape.longest + made.longest)
    return made


def either(*parts: Part) -> Shape:
    """One of them."""
    shapes = [_shape(part) for part in parts]
    return Shape(
        f"(?:{'|'.join(shape.full for shape in shapes)})",
        f"(?:{'|'.join(shape.live for shape in shapes)})",
        max(shape.longest for shape in shapes),
    )


def maybe(part: Part) -> Shape:
    """It, or nothing."""
    shape = _shape(part)
    return Shape(f"(?:{shape.full})?", shape.live, shape.longest)


def several(part: Part, least: int, most: int) -> Shape:
    """From ``least`` to ``most`` times."""
    shape = _shape(part)
    return Shape(
        f"(?:{shape.full}){{{least},{most}}}",
        f"(?:{shape.full}){{0,{most - 1}}}{shape.live}",
        shape.longest * most,
    )


def _shape(part: Part) -> Shape:
    return text(part) if isinstance(part, str) else part


def _spelt(units: list[str]) -> Shape:
    live = ""
    for unit in reversed(units):
        live = f"(?:{unit}{live})?"
    return Shape("".join(units), live, len(units))
