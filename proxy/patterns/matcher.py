"""Patterns at work on folded text: where a value may begin, how long it stays open, what it is in the end.

Places are tried in their order: a place is *open* at ``start`` while the text from there is the beginning of
some value; the character that closes it decides it. A value found ends the matter for the text it covers.

May import: its own folder; re2 (google-re2) when a matcher is made. The rule that must stay true: whether a
place is open, and what it is once closed, depends on the text up to the closing character alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.patterns.alphabet import Alphabet
from proxy.patterns.pattern import WORD, Pattern

_HEAD = 4
"""Bytes whose answer is remembered: most words of ordinary text are closed within them."""
_KEPT = 1 << 15
_MEMORY = 64 << 20
"""Bytes that RE2 may use for the automaton of all patterns together; it takes what it meets."""
_ALNUM = "[0-9A-Za-z]"


@dataclass(frozen=True, slots=True)
class Found:
    """A value at characters ``[start, end)``; ``opened`` is where its lead began.

    ``open_ended``: what it grows by, where it stands right after it, belongs to it.
    """

    pattern: Pattern
    start: int
    end: int
    opened: int
    open_ended: bool = False

    def moved(self, by: int, end: int | None = None) -> Found:
        """The same at other offsets."""
        return Found(
            self.pattern,
            self.start + by,
            (self.end if end is None else end) + by,
            self.opened + by,
            self.open_ended,
        )


class Matcher:
    """Some patterns, compiled together. Immutable but for its caches; shared by all answers."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Raises ``ImportError`` where google-re2 is not installed."""
        self.patterns = tuple(patterns)
        self.alphabet = Alphabet()
        shapes = [pattern.whole for pattern in self.patterns]
        self.longest = max((shape.longest for shape in shapes), default=0)
        self._live = _compiled("|".join(shape.live for shape in shapes))
        self._each = [_compiled(_grouped(pattern)) for pattern in self.patterns]
        self._set = _set([shape.full for shape in shapes])
        first = [byte for byte in range(256) if self._closed_at(bytes([byte]), 0) == 1]
        self.places = _places(first)
        """Finds the next place at which a value may begin, given where to look from."""
        words = "|".join(shape.full for shape in shapes)
        anywhere = [shape.full for shape, p in zip(shapes, self.patterns, strict=True) if not p.before]
        self._any = _compiled(f"[^0-9A-Za-z](?:{words})" + "".join(f"|{_ALNUM}(?:{one})" for one in anywhere))
        self._heads: dict[bytes, int] = {}
        self._grows = {p.grows: _compiled(p.grows + "*") for p in self.patterns if p.grows}

    # --- one place ---------------------------------------------------------------------------------------

    def closed_at(self, data: bytes, start: int) -> int:
        """The byte that closes the place at ``start``; ``len(data)`` while it is open."""
        head = data[start : start + _HEAD]
        known = self._heads.get(head)
        if known is None:
            if len(self._heads) >= _KEPT:
                self._heads.clear()
            known = self._heads[head] = self._closed_at(head, 0)
        return start + known if known < _HEAD else self._closed_at(data, start)

    def _closed_at(self, data: bytes, start: int) -> int:
        match = self._live.match(data, start, min(len(data), start + self.longest))
        return int(match.end()) if match else start

    def decide(self, data: bytes, start: int, closed: int) -> Found | None:
        """The longest value of the place at ``start``, given the byte that closed it (or the end)."""
        if closed - start < 3:
            return None
        best: Found | None = None
        for number in sorted(self._set.Match(data[start:closed]) or ()):
            found = self._value(number, data, start, closed)
            if found and (best is None or found.end > best.end):
                best = found
        return best

    def _value(self, number: int, data: bytes, start: int, closed: int) -> Found | None:
        pattern = self.patterns[number]
        if start and chr(data[start - 1]) in pattern.before:
            return None
        match = self._each[number].match(data, start, closed)
        begin, end = match.span(1) if pattern.lead or pattern.trail else match.span()
        measured = begin + pattern.measure(data[begin:end].decode("latin-1"))
        if measured == begin or (measured < len(data) and chr(data[measured]) in pattern.after):
            return None
        return Found(pattern, begin, measured, start, bool(pattern.grows) and measured == end)

    # --- a whole text --------------------------------------------------------------------------------------

    def find(self, text: str) -> Iterator[Found]:
        """The values of a text, in their order; they do not overlap."""
        data = b"\n" + self.alphabet.fold(text)  # so that there is a byte before the first
        at = 1
        while (start := self.candidate(data, at)) is not None:
            found = self.decide(data, start, min(len(data), start + self.longest))
            at = start + 1
            if found:
                end = self.grown(found, data)
                yield found.moved(-1, end)
                at = max(at, end)

    def candidate(self, data: bytes, at: int) -> int | None:
        """The next place from ``at`` (1 or more) on that has the shape of some value."""
        match = self._any.search(data, at - 1)
        return match.start() + 1 if match else None

    def grown(self, found: Found, data: bytes) -> int:
        """Where a value ends together with what it grows by."""
        if not found.open_ended:
            return found.end
        return int(self._grows[found.pattern.grows].match(data, found.end).end())

    def goes_on(self, found: Found, byte: int) -> bool:
        """Whether a byte right after a value belongs to it."""
        return bool(self._grows[found.pattern.grows].fullmatch(bytes([byte])))


def _compiled(source: str) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.longest_match = True
    options.max_mem = _MEMORY
    options.log_errors = False
    return re2.compile(f"(?s){source}".encode("latin-1"), options)


def _set(sources: Sequence[str]) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY
    made = re2.Set.MatchSet(options)
    for source in sources:
        made.Add(f"(?s){source}".encode("latin-1"))
    made.Compile()
    return made


def _grouped(pattern: Pattern) -> str:
    if not (pattern.lead or pattern.trail):
        return pattern.value.full
    lead, trail = (part.full if part else "" for part in (pattern.lead, pattern.trail))
    return f"{lead}({pattern.value.full}){trail}"


def _places(first: Sequence[int]) -> re.Pattern[bytes]:
    """Bytes that can begin a value; letters and digits only where a word begins."""
    words = bytes(byte for byte in first if chr(byte) in WORD)
    signs = bytes(byte for byte in first if chr(byte) not in WORD)
    parts = []
    if words:
        parts.append(b"(?<![0-9A-Za-z])[" + re.escape(words) + b"]")
    if signs:
        parts.append(b"[" + re.escape(signs) + b"]")
    return re.compile(b"|".join(parts) or b"(?!)")
