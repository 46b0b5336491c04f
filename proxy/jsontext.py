r"""Text channels that hold JSON (tool-call arguments, structured output), read and redacted as they come.

Detectors must see what a JSON text *says*: ``\u4e2d`` is one character, ``\n`` a line end. The caller
must get JSON that still parses when part of it is redacted. So a channel is a row of *cells*: one cell
is one decoded character together with its raw text and its kind (RFC 8259):

* STRUCTURE: braces, brackets, quotes, commas, colons and white space outside strings;
* STRING: a character inside a string, written plainly or as an escape;
* SCALAR: a character of a number, of ``true``, ``false`` or ``null``, or of anything else that stands
  outside strings (then the text is no JSON, and is still read to its end).

Text that is not redacted leaves byte for byte as it came. A redaction keeps the structure; in strings
(keys too) its characters vanish and the mask stands once where the first of them was; a number or
literal becomes the mask as a JSON string, or ``null`` once the mask has been put. A number or literal
that was delivered in part is completed in the shortest way that parses, and the rest of it vanishes.

May import: the standard library only. The rule that must stay true: no dropped STRING character is in
what :meth:`Cells.drop` returns, and what a row returns does not depend on how its text was cut.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Protocol

STRUCTURE, STRING, SCALAR = 0, 1, 2

_OPENING = re.compile(r'[{}\[\]:, \t\r\n]+"?|"')
_CLOSING = re.compile(r'"[{}\[\]:, \t\r\n]*("?)')
_SCALAR = re.compile(r'[^{}\[\]:, \t\r\n"]+')
_CHARACTERS = re.compile(r'[^"\\]+')
_ESCAPES = re.compile(r"(?:\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})+")
"""Escapes of one character each; those of surrogates are left out."""
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_OPEN_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_OPEN_LOW = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS = ("true", "false", "null")
_NUMBER_STARTS = frozenset("-0123456789")
_NUMBER_OPEN = frozenset("-+.eE")


class Cells(Protocol):
    """A row of characters that are read now and delivered, or redacted, later, in order."""

    @property
    def held(self) -> int:
        """How many cells have been read and neither delivered nor dropped."""
        ...

    def feed(self, raw: str) -> str:
        """Append raw text. Returns the decoded characters that it completes, one for each new cell."""
        ...

    def finish(self) -> str:
        """The raw text has ended: the characters that were still waiting for the rest of an escape."""
        ...

    def take(self, n: int) -> str:
        """The raw text of the next ``n`` cells, delivered. ``ValueError`` when fewer are held."""
        ...

    def drop(self, n: int, mask: str | None) -> str:
        """What stands in place of the next ``n`` cells. ``ValueError`` when fewer are held.

        A ``mask`` begins a redaction and is put once, at the first cell that can carry it; ``None``
        continues the redaction that has begun.
        """
        ...


class PlainCells:
    """A row for plain text: a character is its own raw text, and a redaction is its mask."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        """What lies before was delivered or dropped; it is cut off now and then."""
        self._mask = ""

    @property
    def held(self) -> int:
        return len(self._text) - self._at

    def feed(self, raw: str) -> str:
        self._text = self._text[self._at :] + raw if self._at else self._text + raw
        self._at = 0
        return raw

    def finish(self) -> str:
        return ""

    def take(self, n: int) -> str:
        start, end = self._at, self._at + n
        if not start <= end <= len(self._text):
            raise ValueError(f"{n} cells asked for, {self.held} held")
        self._at = end
        return self._text[start:end]

    def drop(self, n: int, mask: str | None) -> str:
        if mask is not None:
            self._mask = mask
        if not self.take(n):
            return ""
        mask, self._mask = self._mask, ""
        return mask


class JsonCells:
    """A row for text that is meant to be JSON. Any text is read; nothing raises."""

    def __init__(self) -> None:
        self._row = _Row()
        self._in_string = False
        self._waiting = ""  # an escape that has not ended yet: at most 12 characters
        self._mask: str | None = None  # the mask of the redaction, while it has not been put
        self._token = _Token()

    @property
    def held(self) -> int:
        return self._row.held

    def feed(self, raw: str) -> str:
        if self._waiting:
            raw = self._waiting + raw
            self._waiting = ""
        row = self._row
        out: list[str] = []
        at, end = 0, len(raw)
        while at < end:
            if not self._in_string:
                found = _SCALAR.match(raw, at)
                kind = SCALAR
                if found is None:
                    found = _OPENING.match(raw, at)
                    assert found is not None  # the two patterns share out all characters
                    kind = STRUCTURE
                    self._in_string = raw[found.end() - 1] == '"'
            else:
                found = _CHARACTERS.match(raw, at)
                kind = STRING
                if found is None and raw[at] == '"':
                    found = _CLOSING.match(raw, at)
                    kind = STRUCTURE
                    self._in_string = found is not None and bool(found[1])
            if found is None:
                read = self._escape(raw, at, out)
                if not read:
                    self._waiting = raw[at:]
                    break
                at += read
                continue
            text = found[0]
            row.add(kind, text, 1)
            out.append(text)
            at = found.end()
        return "".join(out)

    def _escape(self, raw: str, at: int, out: list[str]) -> int:
        """Read the escapes at ``at``: how many characters of ``raw`` they take, 0 to wait for more.

        An escape that JSON does not have is read as the character after the backslash; half a
        surrogate pair as U+FFFD, which unlike itself can be encoded.
        """
        if found := _ESCAPES.match(raw, at):
            self._row.add(STRING, found[0], 6)
            out.append(json.loads(f'"{found[0]}"'))
            return found.end() - at
        if _OPEN_ESCAPE.fullmatch(raw, at):
            return 0
        width, character = 2, raw[at + 1]
        if half := _UNICODE.match(raw, at):
            if (code := int(half[1], 16)) < 0xDC00 and _OPEN_LOW.fullmatch(raw, at + 6):
                return 0
            low = _UNICODE.match(raw, at + 6)
            if code < 0xDC00 and low and 0xDC00 <= (second := int(low[1], 16)) <= 0xDFFF:
                width, character = 12, chr(0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00))
            else:
                width, character = 6, "\ufffd"
        self._row.add(STRING, raw[at : at + width], width)
        out.append(_SHORT.get(character, character))
        return width

    def finish(self) -> str:
        waiting, self._waiting = self._waiting, ""
        out = ""
        if _UNICODE.match(waiting):  # half a surrogate pair, and perhaps the beginning of the rest
            self._row.add(STRING, waiting[:6], 6)
            waiting, out = waiting[6:], "\ufffd"
        self._row.add(STRING, waiting, 1)
        return out + waiting

    def take(self, n: int) -> str:
        out = []
        for kind, raw in self._row.next(n):
            if kind == SCALAR:
                raw = self._token.take(raw)
            else:
                self._token.end()
            out.append(raw)
        return "".join(out)

    def drop(self, n: int, mask: str | None) -> str:
        if mask is not None:
            self._mask = mask
        out = []
        for kind, raw in self._row.next(n):
            if kind == SCALAR:
                out.append(self._drop_scalar(raw))
                continue
            self._token.end()
            if kind == STRUCTURE:
                out.append(raw)
            elif self._mask is not None:
                out.append(json.dumps(self._mask, ensure_ascii=False)[1:-1])
                self._mask = None
        return "".join(out)

    def _drop_scalar(self, raw: str) -> str:
        if self._token.begun:
            return self._token.complete()
        self._token.replace()
        if self._mask is not None:
            mask, self._mask = self._mask, None
            return json.dumps(mask, ensure_ascii=False)
        # Text that is neither a number nor a literal is no JSON: nothing need stand for it.
        return "null" if raw[0] in _NUMBER_STARTS or raw[0] in "tfn" else ""


class _Token:
    """What has been delivered of the number or literal that the row stands in."""

    __slots__ = ("_head", "_last", "_over")

    def __init__(self) -> None:
        self.end()

    def end(self) -> None:
        self._head = self._last = ""  # its first five characters; its last one
        self._over = False  # replaced or completed: the rest of it vanishes

    @property
    def begun(self) -> bool:
        return bool(self._head) or self._over

    def replace(self) -> None:
        self._over = True

    def take(self, raw: str) -> str:
        if self._over:
            return ""
        if len(self._head) < 5:
            self._head = (self._head + raw)[:5]
        self._last = raw[-1]
        return raw

    def complete(self) -> str:
        """The least that makes a value of what has been delivered; nothing the second time.

        A literal is completed as the grammar forces it; that tells no more than its first letter did.
        """
        if self._over:
            return ""
        self._over = True
        if self._head[0] in _NUMBER_STARTS:
            return "0" if self._last in _NUMBER_OPEN else ""
        for literal in _LITERALS:
            if literal.startswith(self._head):
                return literal[len(self._head) :]
        return ""


class _Row:
    """The cells not yet delivered, as runs of one kind and one width (raw characters for each cell)."""

    __slots__ = ("_at", "_runs", "held")

    def __init__(self) -> None:
        self._runs: deque[tuple[int, str, int]] = deque()
        self._at = 0  # cells of the first run that have been delivered
        self.held = 0

    def add(self, kind: int, raw: str, width: int) -> None:
        if raw:
            self._runs.append((kind, raw, width))
            self.held += len(raw) // width

    def next(self, n: int) -> list[tuple[int, str]]:
        """The kind and the raw text of the next ``n`` cells, as few pieces as there are runs."""
        if not 0 <= n <= self.held:
            raise ValueError(f"{n} cells asked for, {self.held} held")
        self.held -= n
        runs, pieces = self._runs, []
        while n:
            kind, raw, width = runs[0]
            begin, size = self._at, len(raw) // width
            if begin + n < size:
                self._at = begin + n
                pieces.append((kind, raw[begin * width : (begin + n) * width]))
                break
            runs.popleft()
            self._at = 0
            n -= size - begin
            pieces.append((kind, raw[begin * width :]))
        return pieces
