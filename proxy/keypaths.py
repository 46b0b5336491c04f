"""Key paths of the JSON objects in a text, as they come: the structure of a payload without its values.

A reader for text that may hold JSON anywhere, whole or broken, inside prose or a code fence, with the quotes
of Python or keys without any: it never fails and never looks ahead. A *key path* is the keys from an
object down to one of its keys, each as letters and digits in lower case, joined by ``/``: ``items/*/price``.
A list, and a key that is data rather than a name (an id, a number), is ``*``; a path that ends so is none.

JSON that stands in a string, as tool calls have it, is read as well.

Every object is looked at by itself, so that a record counts the same alone and inside an envelope: a key
tells a path of its own object and one of each object around it, up to ``MOST_ROOTS``.

May import: the standard library. The rule that must stay true: what is told after a character depends
on the text before it alone, not on how it was cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

MOST_ROOTS = 8
"""Objects around a key, its own included, that the key tells a path of."""

_DEEPEST = 256
"""Brackets that are followed; what is nested deeper is passed over."""

_MOST_PATHS = 2048
"""Paths of one object that are remembered."""

_LONGEST_KEY = 64
_DATA_DIGITS = 4
"""A key with so many digits is data: an id, a date, an amount."""

_QUOTES = frozenset("\"'")
_AFTER_STRING = frozenset(",:}]")
_BLANK = frozenset(" \t\r\n")


class StructureIndex(Protocol):
    """What the detector of payloads asks of an index. Structures are numbered from 0."""

    def __len__(self) -> int:
        """How many structures there are."""
        ...

    def path(self, path: str) -> int:
        """The keyed hash of a key path."""
        ...

    def having(self, path: int) -> Sequence[int]:
        """The structures that have a path."""
        ...

    def size(self, structure: int) -> int:
        """How many paths a structure has."""
        ...

    def audiences(self, structure: int) -> Sequence[str]: ...

    def document(self, structure: int, audience: str) -> str:
        """A document of this audience that has the structure."""
        ...


@dataclass(slots=True, eq=False)
class JsonObject:
    """An object that has been opened. ``root``: none of the brackets around it is an object's."""

    root: bool
    paths: set[str] = field(default_factory=set)
    quoted: bool = True
    """Whether all its keys stood in quotes."""


class Told(NamedTuple):
    """After character ``at``: ``object`` has got the new ``path``, or has ended where ``path`` is None."""

    at: int
    object: JsonObject
    path: str | None


class _Bracket:
    __slots__ = ("expects_key", "name", "object", "pending", "quoted")

    def __init__(self, name: str, opened: JsonObject | None) -> None:
        self.name = name
        """The key, or ``*``, under which it stands in the bracket around it."""
        self.object = opened
        """None for a list."""
        self.expects_key = opened is not None
        self.pending = ""
        """The string or word that was read last and may be a key."""
        self.quoted = True


def name_of(key: str) -> str:
    """A key as a part of a path."""
    if len(key) > _LONGEST_KEY:
        return "*"
    parts = []
    for part in key.split("."):
        name = "".join(filter(str.isalnum, part)).casefold()
        data = not name or name.isdecimal() or sum(map(str.isdecimal, name)) >= _DATA_DIGITS
        parts.append("*" if data else name)
    return "/".join(parts)


class KeyPathReader:
    """Reads one text. Not shared."""

    def __init__(self, *, inner: bool = True) -> None:
        """``inner``: whether strings are read for JSON in them."""
        self._position = 0
        self._reads_strings = inner
        self._inner: KeyPathReader | None = None
        self._stack: list[_Bracket] = []
        self._beyond = 0
        """Brackets open beyond the deepest that is followed."""
        self._quote = ""
        self._escaped = False
        self._closing = ""
        """"quote" where the last quote may have ended the string, "line" where a line has ended since."""
        self._word: list[str] = []

    @property
    def idle(self) -> bool:
        """Whether no bracket is open: text without a brace tells nothing."""
        return not self._stack

    def feed(self, piece: str) -> list[Told]:
        """Read the next characters; what they tell, in order. ``at`` counts from the text's first."""
        told: list[Told] = []
        index, base = 0, self._position
        while index < len(piece):
            if not self._stack:
                index = piece.find("{", index)
                if index < 0:
                    break
            self._character(piece[index], base + index, told)
            index += 1
        self._position = base + len(piece)
        return told

    def pass_over(self, characters: int) -> None:
        """Text without a brace that is read while no bracket is open."""
        self._position += characters

    def open_objects(self) -> Iterator[JsonObject]:
        """The objects that have not been closed, outermost first."""
        return (bracket.object for bracket in self._stack if bracket.object is not None)

    # --- one character --------------------------------------------------------------------------------------

    def _character(self, character: str, at: int, told: list[Told]) -> None:
        if self._closing and not self._after_quote(character, at, told):
            return
        if self._quote:
            self._in_string(character, at, told)
        elif character in _QUOTES and not self._word:
            self._quote, self._escaped = character, False
        elif character in "{[":
            self._open(character)
        elif character in "}]":
            self._close(character, at, told)
        elif character == ":":
            self._colon(at, told)
        elif character == ",":
            self._comma()
        elif character in _BLANK:
            self._end_word()
        elif len(self._word) <= _LONGEST_KEY:
            self._word.append(character)

    def _in_string(self, character: str, at: int, told: list[Told]) -> None:
        if self._escaped:
            self._escaped = False
            character = " " if character in "nrt" else character
        elif character == "\\":
            self._escaped = True
            return
        elif character == self._quote:
            self._closing = "quote"
            return
        self._content(character, at, told)

    def _content(self, character: str, at: int, told: list[Told]) -> None:
        """A character of a string, as it is meant."""
        if len(self._word) <= _LONGEST_KEY:
            self._word.append(character)
        if self._inner is None:
            if character != "{" or not self._reads_strings:
                return
            self._inner = KeyPathReader(inner=False)
        told.extend(each._replace(at=at) for each in self._inner.feed(character))

    def _after_quote(self, character: str, at: int, told: list[Told]) -> bool:
        """Whether the character is still to be read. A quote ends a string only where JSON could go on."""
        if character in _BLANK:
            if character == "\n":
                self._closing = "line"
            return False
        ended = character in _AFTER_STRING or (self._closing == "line" and character in _QUOTES)
        self._closing = ""
        if not ended:
            self._content(self._quote, at, told)
            return True
        self._quote = ""
        self._end_word(quoted=True)
        if self._inner is not None:
            told.extend(Told(at, each, None) for each in self._inner.open_objects())
            self._inner = None
        return True

    def _end_word(self, *, quoted: bool = False) -> None:
        if self._word or quoted:
            top = self._stack[-1]
            top.pending, top.quoted = "".join(self._word), quoted
            self._word = []

    def _open(self, character: str) -> None:
        self._word = []
        if len(self._stack) >= _DEEPEST:
            self._beyond += 1
            return
        if not self._stack:
            name, root = "", True
        else:
            around = self._stack[-1]
            name = "*" if around.object is None else name_of(around.pending)
            around.expects_key, around.pending = False, ""
            root = all(bracket.object is None for bracket in self._stack)
        self._stack.append(_Bracket(name, JsonObject(root) if character == "{" else None))

    def _close(self, character: str, at: int, told: list[Told]) -> None:
        self._word = []
        if self._beyond:
            self._beyond -= 1
            return
        wanted = character == "}"
        for index in range(len(self._stack) - 1, -1, -1):
            if (self._stack[index].object is not None) == wanted:
                ended = [bracket.object for bracket in reversed(self._stack[index:])]
                told.extend(Told(at, each, None) for each in ended if each is not None)
                del self._stack[index:]
                break

    def _comma(self) -> None:
        self._word = []
        top = self._stack[-1]
        top.expects_key, top.pending = top.object is not None, ""

    def _colon(self, at: int, told: list[Told]) -> None:
        self._end_word()
        top = self._stack[-1]
        if self._beyond or not top.expects_key or not top.pending:
            return
        top.expects_key = False
        name = name_of(top.pending)
        if name.endswith("*"):
            return
        path, roots = name, 0
        for bracket in reversed(self._stack):
            opened = bracket.object
            if opened is not None:
                if path not in opened.paths and len(opened.paths) < _MOST_PATHS:
                    opened.paths.add(path)
                    opened.quoted = opened.quoted and top.quoted
                    told.append(Told(at, opened, path))
                roots += 1
                if roots == MOST_ROOTS:
                    break
            if bracket.name:
                path = f"{bracket.name}/{path}"


def paths_of_fields(fields: Iterable[tuple[str, str]]) -> set[str]:
    """The key paths of a record, from the dotted paths of its leaves, those of its inner objects included."""
    found: set[str] = set()
    for dotted, _ in fields:
        parts = name_of_parts(dotted)
        found.update("/".join(parts[: end + 1]) for end, part in enumerate(parts) if part != "*")
    return found


def name_of_parts(dotted: str) -> list[str]:
    """The parts of a dotted path, each as a part of a key path."""
    return [part for key in dotted.split(".") for part in name_of(key).split("/")]
