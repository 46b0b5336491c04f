"""What was added to an index later, asked as one with the rest: sets, known values and structures.

Numbers of values, records and structures go on from part to part.

May import: the ground floor and this room. The rule that must stay true: what stands in any part is found.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from itertools import accumulate
from threading import Lock

from proxy.index.payload import Structures
from proxy.index.values import Node, ValueTrie
from proxy.types import Contains, Select
from proxy.values import KnownValue


def any_of(sets: Sequence[Contains]) -> Contains:
    """Membership in at least one of some sets."""
    if len(sets) == 1:
        return sets[0]
    return lambda gram: any(contains(gram) for contains in sets)


def any_selects(selects: Sequence[Select]) -> Select:
    """Which of some seeds are in at least one of some sets."""
    if len(selects) == 1:
        return selects[0]
    return lambda seeds: sorted({index for select in selects for index in select(seeds)})


class JoinedNode(dict[str, "JoinedNode | Node | None"]):
    """A place in the tries of several parts (``values.ValueNode``)."""

    __slots__ = ("_places", "_values", "depth", "ends", "last")

    def __init__(self, values: JoinedValues, places: Sequence[tuple[int, Node]]) -> None:
        """``places``: the place in each trie that goes on so, and the number of that part's first value."""
        super().__init__()
        self._values = values
        self._places = places
        self.depth = places[0][1].depth
        self.ends = values.ends(places)
        self.last = all(node.last for _, node in places)

    @property
    def names(self) -> Sequence[int]:
        """The keyed hashes of the letters that lead here: one, as all parts have one key."""
        return self._places[0][1].names

    def __missing__(self, letter: str) -> JoinedNode | Node | None:
        found = [(base, node[letter]) for base, node in self._places]
        places = [(base, node) for base, node in found if node is not None]
        made: JoinedNode | Node | None = None
        if len(places) == 1 and places[0][0] == 0:
            made = places[0][1]  # only the first part goes on, and its numbers are its own
        elif places:
            made = JoinedNode(self._values, places)
        self[letter] = made
        return made


class JoinedValues:
    """The known values of all parts (``types.ValueIndex``)."""

    def __init__(self, tries: Sequence[ValueTrie], documents: Sequence[int]) -> None:
        """``documents``: how many each part has."""
        self._tries = tries
        self._bases = [0, *accumulate(map(len, tries))]
        self._records = [0, *accumulate(documents)]
        self.entities: Sequence[str] = tuple(dict.fromkeys(name for trie in tries for name in trie.entities))
        self._numbers: dict[tuple[int, ...], int] = {}
        self._groups: list[tuple[int, ...]] = []
        self._numbering = Lock()
        self._roots: tuple[Node, ...] = ()
        self._top = self._joined()

    def _joined(self) -> JoinedNode:
        self._roots = tuple(trie.root for trie in self._tries)
        return JoinedNode(self, list(zip(self._bases, self._roots, strict=False)))

    def ends(self, places: Sequence[tuple[int, Node]]) -> tuple[int, ...]:
        """The values that end at a place. One that several parts know is one value: it is of all their
        documents (a long one is left apart, as where it began is not told here)."""
        numbers = [base + number for base, node in places for number in node.ends]
        if sum(bool(node.ends) for _, node in places) < 2:
            return tuple(numbers)
        kinds: dict[str, list[int]] = {}
        for number in numbers:
            value = self.value(number)
            kinds.setdefault(f"{number}" if value.long else value.entity, []).append(number)
        return tuple(self._one(tuple(group)) for group in kinds.values())

    def _one(self, group: tuple[int, ...]) -> int:
        """The number of what several parts know; given when it is first met."""
        if len(group) == 1:
            return group[0]
        with self._numbering:  # a long echo is read in a thread, beside the answers
            number = self._numbers.get(group)
            if number is None:
                number = self._numbers[group] = len(self) + len(self._groups)
                self._groups.append(group)
        return number

    def freed(self, names: frozenset[int]) -> JoinedValues:
        """The same with some values that are none any more, in any part; see ``ValueTrie.freed``.

        What several parts know keeps its number, in this one and in the one that is made.
        """
        made = copy(self)
        made._tries = [trie.freed(names) for trie in self._tries]
        made._top = made._joined()
        return made

    @property
    def root(self) -> JoinedNode:
        """Where every value begins; what is remembered is dropped when one of the tries drops its own."""
        if any(trie.root is not root for trie, root in zip(self._tries, self._roots, strict=True)):
            self._top = self._joined()
        return self._top

    def value(self, number: int) -> KnownValue:
        if number >= len(self):
            return self._together(number)
        part, local = self._local(number)
        value = self._tries[part].value(local)
        if not part:
            return value
        first = self._records[part]
        return replace(value, number=number, records=[first + record for record in value.records])

    def _together(self, number: int) -> KnownValue:
        """What several parts know as one value: no weaker than in any of them, and of all its documents."""
        values = [self.value(each) for each in self._groups[number - len(self)]]
        return KnownValue(
            number=number,
            entity=values[0].entity,
            weak=all(each.weak for each in values),
            common=all(each.common for each in values),
            long=False,
            audiences=tuple(dict.fromkeys(name for each in values for name in each.audiences)),
            records=[record for each in values for record in each.records],
        )

    def document(self, value: KnownValue, audience: str) -> str:
        if value.number >= len(self):
            group = [self.value(each) for each in self._groups[value.number - len(self)]]
            value = next(each for each in group if audience in each.audiences)
        part, local = self._local(value.number)
        trie = self._tries[part]
        return trie.document(trie.value(local), audience)

    def _local(self, number: int) -> tuple[int, int]:
        part = bisect_right(self._bases, number) - 1
        return part, number - self._bases[part]

    def __len__(self) -> int:
        return self._bases[-1]


class JoinedStructures:
    """The structures of all parts (``keypaths.StructureIndex``)."""

    def __init__(self, parts: Sequence[Structures]) -> None:
        self._parts = parts
        self._bases = [0, *accumulate(map(len, parts))]
        self.path: Callable[[str], int] = parts[0].path

    def __len__(self) -> int:
        return self._bases[-1]

    def having(self, path: int) -> Sequence[int]:
        return [
            base + number
            for base, part in zip(self._bases, self._parts, strict=False)
            for number in part.having(path)
        ]

    def size(self, structure: int) -> int:
        part, local = self._local(structure)
        return part.size(local)

    def audiences(self, structure: int) -> Sequence[str]:
        part, local = self._local(structure)
        return part.audiences(local)

    def document(self, structure: int, audience: str) -> str:
        part, local = self._local(structure)
        return part.document(local, audience)

    def _local(self, structure: int) -> tuple[Structures, int]:
        number = bisect_right(self._bases, structure) - 1
        return self._parts[number], structure - self._bases[number]


def joined_levels(levels: Sequence[Sequence[tuple[int, Contains]]]) -> Sequence[tuple[int, Contains]]:
    """The levels of several segments of one audience: those of one length together, shortest first."""
    lengths: dict[int, list[Contains]] = {}
    for each in levels:
        for length, contains in each:
            lengths.setdefault(length, []).append(contains)
    return [(length, any_of(sets)) for length, sets in sorted(lengths.items())]
