"""JSON for files that people wrote by hand or cut short: parse one value, or tell values apart.

May import: the standard library and orjson. The rule that must stay true: a fault is described by
its place and kind, never by the text at it, and no depth of nesting can exhaust the stack.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

_BOM = b"\xef\xbb\xbf"
_COMMA = 0x2C
# Possessive, and with an optional closing quote: linear also where a string is never closed.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},]', re.DOTALL)


class Broken(Exception):
    """A piece that is not JSON we can read: ``reason``, and where it is known ``line``, from 0, and
    ``column``, from 1, within the piece."""

    def __init__(self, reason: str, line: int = 0, column: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a file that should be one value; ``line`` is where it begins, from 1.

    ``closed`` is False where the file ended before its brackets did.
    """

    line: int
    data: bytes
    closed: bool = True


def parse(data: bytes) -> Any:
    """The value of a JSON text (RFC 8259). Raises :class:`Broken`.

    What Python's own writer adds to JSON is accepted: NaN and Infinity (read as null), and lone
    surrogates (read as ``?``). More than 1,024 levels, orjson's limit, are refused. Where an object has two
    members of one key, the last is under the key, and those before it under the key and blanks.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _parse_leniently(data)
    return _parse_leniently(data) if _has_lost_members(data, value) else value


def _has_lost_members(data: bytes, value: Any) -> bool:
    """Return whether a JSON text may hold members that its value does not, by counting quotation marks."""
    quotes = 0
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            quotes += 2 + item.count('"')
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return quotes != data.count(b'"')


def _every_member(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object with all of its members: the last of a key under it, others under it and blanks."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    for key, value in pairs:
        place = key
        while place in members and members[place] != value:
            place += " "
        members[place] = value
    return members


def _parse_leniently(data: bytes) -> Any:
    try:
        text = data.rstrip().removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise Broken("not valid UTF-8") from None
    try:
        value = json.loads(
            text, parse_constant=lambda _: None, parse_float=_finite, object_pairs_hook=_every_member
        )
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError:
        raise Broken("nested too deeply (the limit is about 1,000 levels)") from None
    except json.JSONDecodeError as error:
        if "depth" in error.msg or "recursion" in error.msg:  # orjson's word on a value that json.loads took
            raise Broken("nested too deeply (the limit is about 1,000 levels)") from None
        raise Broken("not valid JSON", error.lineno - 1, error.colno) from None
    except ValueError:  # an integer of more digits than Python converts
        raise Broken("holds a number with too many digits") from None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def values(data: bytes) -> Iterator[Piece]:
    """Tell apart the values that follow one another in ``data``, by brackets and quotes alone."""
    begin = depth = 0
    line = 1
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth = max(depth - 1, 0)
            if depth == 0:
                stretch = data[begin : token.end()]
                yield _piece(line, stretch)
                line += stretch.count(b"\n")
                begin = token.end()
    if data[begin:].strip():
        yield _piece(line, data[begin:], closed=False)


def elements(value: bytes) -> Iterator[Piece]:
    """Tell apart the elements of a list, or the members of an object as objects of one key.

    ``value`` begins with its opening bracket. Blank elements, as after a last comma, are left out.
    """
    keyed = value[:1] == b"{"
    begin, depth, line = 1, 1, 1
    for token in _TOKEN.finditer(value, 1):
        first = value[token.start()]
        depth += (first in b"[{") - (first in b"]}")
        if depth == 0 or (depth == 1 and first == _COMMA):
            stretch = value[begin : token.start()]
            if stretch.strip():
                yield _piece(line, stretch, keyed=keyed)
            line += stretch.count(b"\n")
            begin = token.end()
        if depth == 0:
            return
    if value[begin:].strip():
        yield _piece(line, value[begin:], keyed=keyed, closed=False)


def _piece(line: int, stretch: bytes, *, keyed: bool = False, closed: bool = True) -> Piece:
    bare = stretch.lstrip()
    line += stretch.count(b"\n", 0, len(stretch) - len(bare))
    return Piece(line, b"{" + bare + b"}" if keyed else bare, closed)
