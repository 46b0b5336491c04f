"""One rule: the shape of a value, the check that confirms it, and examples of both kinds beside it.

May import: its own folder and the standard library. The rule that must stay true: every pattern carries
values it finds (``leaks``) and look-alikes it leaves alone (``passes``), and tests run both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from proxy.patterns.alphabet import han
from proxy.patterns.shapes import Part, Shape, any_case, chars, either, maybe, seq

Measure = Callable[[str], int]
"""How many characters at the start of a folded value are really the value; 0: it is none."""

WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a value of ``entity`` looks like, on the folded text of ``alphabet``.

    ``lead`` must stand before it and ``trail`` after it; neither is part of the value. ``grows``: a class of
    bytes that belong to the value from there on, however many follow. ``before`` and ``after``: characters
    that must not touch it. ``sure``: arithmetic or an unmistakable mark confirms it.
    """

    name: str
    entity: str
    value: Shape
    measure: Measure
    leaks: tuple[str, ...]
    passes: tuple[str, ...]
    lead: Shape | None = None
    trail: Shape | None = None
    grows: str = ""
    before: str = WORD
    after: str = WORD
    sure: bool = True

    @property
    def whole(self) -> Shape:
        """Lead, value and trail."""
        return seq(*(part for part in (self.lead, self.value, self.trail) if part is not None))


def whole(check: Callable[[str], bool]) -> Measure:
    """A measure from a check of the whole value."""
    return lambda text: len(text) if check(text) else 0


def always(text: str) -> int:
    """For values whose shape says it all."""
    return len(text)


def called(*words: Part, between: str = "[^0-9A-Za-z+(]") -> Shape:
    """One of these words, then perhaps "number" and a colon or "is": what stands before a value it names.

    ``between``: class of the signs that may stand between word and value, up to six.
    """
    number = maybe(
        either(*map(any_case, (" number", " no", " id", "_id", "_no")), han("号码"), han("编号"), han("号"))
    )
    link = maybe(either(any_case("is "), any_case("no. "), any_case("no "), han("是"), han("为")))
    return seq(either(*words), number, chars(between, 0, 6), link, chars("[ :=#\"'\n]", 0, 3))
