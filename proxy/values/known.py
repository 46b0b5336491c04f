"""What an index tells of known values: the places of their trie, and whose a value is.

May import: the standard library. The rule that must stay true: nothing here holds text of a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class ValueNode(Protocol):
    """A place in the trie: the letters that lead here begin at least one value."""

    @property
    def depth(self) -> int:
        """How many letters lead here."""
        ...

    @property
    def ends(self) -> Sequence[int]:
        """The numbers of the values that end here; long ones also after every ``ACTS`` letters."""
        ...

    @property
    def last(self) -> bool:
        """Whether no value goes on from here."""
        ...

    def __getitem__(self, letter: str, /) -> ValueNode | None:
        """Where one more letter leads; None where no value goes on so."""
        ...


@dataclass(frozen=True, slots=True)
class KnownValue:
    """One value. Two values of different kinds may have the same letters.

    ``weak``: no finding alone. ``common``: in the list of what is common. ``long``: it has ``ACTS`` letters
    or more. ``audiences``: of all documents it stands in. ``records``: the numbers of those, rising.
    """

    number: int
    entity: str
    weak: bool
    common: bool
    long: bool
    audiences: tuple[str, ...]
    records: Sequence[int]
