"""A place in the tree, its path and the list of faults: reads one value or notes what is wrong.

May import: ``proxy.policy.tree``. The rule that must stay true: a reader returns a value of the type
it promises, or None after having noted a fault; it never raises and never guesses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from proxy.policy.tree import Faults, Fields, Items, Leaf, Tree, inside, shown


def meant(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: what was probably meant, and what there is."""
    by_fold = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), by_fold, n=1)
    guess = f"; did you mean {shown(by_fold[near[0]])}?" if near else ""
    return f"{guess} (known: {', '.join(known)})" if known else guess


@dataclass(frozen=True, slots=True)
class Cursor:
    """One place in the policy. ``line`` is the key's line where there is a key."""

    tree: Tree
    path: str
    line: int
    faults: Faults

    def fault(self, message: str) -> None:
        self.faults.add(self.line, self.path or "the file", message)

    def expected(self, what: str) -> None:
        """Note that something else stands here than ``what``."""
        self.fault(f"expected {what}, got {_kind(self.tree)}")

    def entries(self, what: str = "a mapping") -> list[tuple[str, Cursor]]:
        """Key and value of a mapping whose keys are free; empty is a fault."""
        if not isinstance(self.tree, Fields):
            self.expected(what)
            return []
        if not self.tree.members:
            self.fault("is empty; leave it out or fill it in")
        return [
            (key, Cursor(value, inside(self.path, key), line, self.faults))
            for key, (line, value) in self.tree.members.items()
        ]

    def fields(self, known: Collection[str], required: Collection[str] = ()) -> dict[str, Cursor]:
        """The values of a mapping whose keys are fixed; an unknown or missing key is a fault."""
        if not isinstance(self.tree, Fields):
            self.expected("a mapping")
            return {}
        found: dict[str, Cursor] = {}
        for key, (line, value) in self.tree.members.items():
            here = Cursor(value, inside(self.path, key), line, self.faults)
            if key in known:
                found[key] = here
            else:
                here.fault("unknown key" + meant(key, known))
        for key in required:
            if key not in self.tree.members:
                self.faults.add(self.line, inside(self.path, key), "is missing")
        return found

    def items(self, what: str) -> list[Cursor]:
        """The members of a list; an empty list is a fault."""
        if not isinstance(self.tree, Items):
            self.expected(what)
            return []
        if not self.tree.members:
            self.fault("is an empty list, which would have no effect; leave it out or fill it in")
        return [
            Cursor(each, f"{self.path}[{n}]", each.line, self.faults)
            for n, each in enumerate(self.tree.members)
        ]

    def text(self, longest: int = 10_000, *, secret: bool = False) -> str | None:
        """Text that is not blank. ``secret``: no message shows what stands here instead."""
        if not isinstance(self.tree, Leaf) or not isinstance(self.tree.value, str):
            self.fault("expected text in quotes") if secret else self.expected("text")
            return None
        if not self.tree.value.strip():
            self.fault("is blank")
            return None
        if len(self.tree.value) > longest:
            self.fault(f"has {len(self.tree.value)} characters; at most {longest} are read")
            return None
        if any("\ud800" <= each <= "\udfff" for each in self.tree.value):
            self.fault("holds half of a surrogate pair; write the character itself")
            return None
        return self.tree.value

    def number(self, least: int, most: int) -> int | None:
        """A whole number from ``least`` to ``most``, both included."""
        value = self.tree.value if isinstance(self.tree, Leaf) else None
        if not isinstance(value, int) or isinstance(value, bool):
            self.expected(f"a whole number from {least} to {most}")
            return None
        if not least <= value <= most:
            self.fault(f"must be from {least} to {most}, not {value}")
            return None
        return value

    def truth(self) -> bool | None:
        if not isinstance(self.tree, Leaf) or not isinstance(self.tree.value, bool):
            self.expected("true or false")
            return None
        return self.tree.value

    def choice(self, options: Collection[str], what: str) -> str | None:
        """One of ``options``; ``what`` names them in the message."""
        value = self.text()
        if value is None or value in options:
            return value
        self.fault(f"{shown(value)} is no {what}" + meant(value, options))
        return None

    def choices(
        self, options: Collection[str] | None, what: str, refused: Mapping[str, str] | None = None
    ) -> list[str]:
        """A list of distinct ``options`` (None: any text). Only the good ones are returned.

        ``refused``: for a value that is never right, the reason.
        """
        chosen: list[str] = []
        for each in self.items(f"a list, such as [{next(iter(options or [what]))}]"):
            value = each.text()
            if value is None:
                continue
            if value in (refused or {}):
                each.fault((refused or {})[value])
            elif value in chosen:
                each.fault(f"{shown(value)} stands in this list twice")
            elif options is None or each.choice(options, what) is not None:
                chosen.append(value)
        return chosen


def _kind(tree: Tree) -> str:
    if isinstance(tree, Items):
        return "a list"
    if isinstance(tree, Fields):
        return "a mapping"
    if tree.unread:
        return f"{shown(tree.spelling)} ({tree.unread}; text needs quotes, a number plain digits)"
    if tree.value is None:
        return "nothing"
    if isinstance(tree.value, bool):
        truth = "true" if tree.value else "false"
        return f"{shown(tree.spelling)}, which YAML reads as {truth}; text needs quotes"
    if isinstance(tree.value, int):
        return f"the number {tree.value}; text needs quotes"
    return f"the text {shown(tree.value)}"
