"""Patterns at work on folded text: where a value may begin, how long it stays open, what it is in the end.

Places are tried in their order: a place is *open* at ``start`` while the text from there is the beginning of
some value; the character that closes it decides it. A value found ends the matter for the text it covers.
Ordinary text is read a word at a time: what came of a word, up to the blank after it, is remembered.

May import: its own folder. The rule that must stay true: whether a place is open, and what it is once
closed, depends on the text up to the closing character alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.patterns.alphabet import Alphabet
from proxy.patterns.compiled import compiled, grouped, places_of, set_of
from proxy.patterns.pattern import WORD, Pattern

_HEAD = 4
"""Bytes whose answer is remembered: most words of ordinary text are closed within them."""
_SHORTEST = 3
"""Bytes: no value has fewer."""
_KEPT = 1 << 15
"""Entries of each cache."""
_ALNUM = "[0-9A-Za-z]"
_WORD = WORD.encode()
_REST = re.compile(rb"[0-9A-Za-z]*")
_BREAKS = b" \n\xff"
_UNITS = re.compile(rb"[^ \n\xff]+[ \n\xff]?")
"""A word with the signs that touch it, and the blank, line end or foreign character after it."""
_LONGEST_UNIT = 32
"""Bytes of a unit whose answer is remembered; a longer one is read anew each time."""


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


Decided = tuple[Found, int]


class Matcher:
    """Some patterns, compiled together. Immutable but for its caches; shared by all answers.

    The caches (beginnings of four bytes, words, and words at the end of the text, of ``_KEPT`` entries each)
    take 15 MB at most. One that is full is emptied: text that is all new words gets slower, no more.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Raises ``ImportError`` where google-re2 is not installed."""
        self.patterns = tuple(patterns)
        self.alphabet = Alphabet()
        shapes = [pattern.whole for pattern in self.patterns]
        self.longest = max((shape.longest for shape in shapes), default=0)
        self._each = [compiled(grouped(pattern)) for pattern in self.patterns]
        live = "|".join(shape.live for shape in shapes)
        self._live = compiled(live)
        self._set = set_of([*(shape.full for shape in shapes), rf"(?:{live})\z"])
        """Which patterns fit a beginning of a text; last: whether all of it is the beginning of a value."""
        self._still = len(shapes)
        first = [byte for byte in range(256) if self._closed_at(bytes([byte]), 0) == 1]
        self.places = places_of(first)
        """Finds the next place at which a value may begin, given where to look from."""
        self._units = _UNITS if not set(first) & set(_BREAKS) else re.compile(b"(?s).+")
        words = "|".join(shape.full for shape in shapes)
        anywhere = [shape.full for shape, p in zip(shapes, self.patterns, strict=True) if not p.before]
        self._any = compiled(f"[^0-9A-Za-z](?:{words})" + "".join(f"|{_ALNUM}(?:{one})" for one in anywhere))
        self._heads: dict[bytes, int] = {}
        self._dull: set[bytes] = set()
        """Units, or units and the byte after: every place in the unit is closed by then, and was nothing."""
        self._tails: dict[bytes, int] = {}
        """Units at the end of the text: where in it the first open place is (its length: nowhere)."""
        self._grows = {p.grows: compiled(p.grows + "*") for p in self.patterns if p.grows}

    # --- one place ---------------------------------------------------------------------------------------

    def decided(self, data: bytes, start: int) -> tuple[Found | None, int]:
        """What the place at ``start`` is, and the byte that closes it; ``len(data)`` while it is open."""
        size, known = len(data), self._head(data, start)
        if known < _HEAD:
            closed = start + known
            return self.decide(data, start, closed) if closed < size else None, closed
        numbers, still = self._fitting(data, start, size)
        if still:
            return None, size
        closed = self._closed_at(data, start)
        return self._longest(numbers, data, start, closed) if numbers else None, closed

    def closed_at(self, data: bytes, start: int) -> int:
        """The byte that closes the place at ``start``; ``len(data)`` while it is open."""
        known = self._head(data, start)
        return start + known if known < _HEAD else self._closed_at(data, start)

    def _head(self, data: bytes, start: int) -> int:
        """After how many bytes the place is closed; ``_HEAD``: then or later."""
        head = data[start : start + _HEAD]
        known = self._heads.get(head)
        if known is None:
            if len(self._heads) >= _KEPT:
                self._heads.clear()
            known = self._heads[head] = self._closed_at(head, 0)
        return known

    def _closed_at(self, data: bytes, start: int) -> int:
        match = self._live.match(data, start, min(len(data), start + self.longest))
        return int(match.end()) if match else start

    def decide(self, data: bytes, start: int, closed: int) -> Found | None:
        """The longest value of the place at ``start``, given the byte that closed it (or the end)."""
        if closed - start < _SHORTEST:
            return None
        return self._longest(self._fitting(data, start, closed)[0], data, start, closed)

    def _longest(self, numbers: Sequence[int], data: bytes, start: int, closed: int) -> Found | None:
        best: Found | None = None
        for number in sorted(numbers):
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

    # --- the text so far ---------------------------------------------------------------------------------

    def undecided(self, data: bytes) -> int | Decided:
        """The first place that is still open at the end of ``data``; or the first value before it, and the
        byte that decided it.

        Places count from byte 1 on (byte 0 is what stands before). Where none is open the answer is
        ``len(data)``, or 0 where at a glance there is no place at all. Ordinary words are known by sight.
        """
        at = _REST.match(data, 1).end() if data[0] in _WORD else 1  # type: ignore[union-attr]
        units: list[bytes] = self._units.findall(data, at)
        if not units:
            return 0
        last = units.pop() if units[-1][-1] not in _BREAKS else b""
        if self._dull.issuperset(units):
            place = self._tails.get(last) if last else 0
            if place is not None:
                return len(data) - len(last) + place
        return self._undecided(data, at)

    def _undecided(self, data: bytes, at: int) -> int | Decided:
        size = len(data)
        for match in self._units.finditer(data, at):
            unit, (start, end) = match[0], match.span()
            if unit in self._dull or (end < size and data[start : end + 1] in self._dull):
                continue
            place = self._tails.get(unit)
            if place is None or end < size:
                read = self._read(data, start, end, place)
                if not isinstance(read, int):
                    return read
                place = read
            if start + place < end:
                return start + place
        return size

    def _read(self, data: bytes, start: int, end: int, known: int | None) -> int | Decided:
        """One unit: where in it the first open place is (its length: nowhere), or the first value.

        ``known``: the first place that is open at the end of the unit.
        """
        size, plain, read = len(data), end - start <= _LONGEST_UNIT, end
        for match in self.places.finditer(data, start + (known or 0), end):
            place = match.start()
            if not plain:
                found, closed = self.decided(data, place)
                if found:
                    return found, closed
                if closed == size:
                    return place - start
                continue
            numbers, still = self._fitting(data, place, end) if known is None else ([], True)
            if still:
                if known is None and read == end:
                    self._remember_tail(data[start:end], place - start)
                seen = min(end + 1, size)
                if end < size:
                    numbers, still = self._fitting(data, place, seen)
                if still and seen < size:
                    seen = size
                    numbers, still = self._fitting(data, place, seen)
                if still:
                    return place - start
                read = max(read, seen)
            if numbers:
                plain = False  # whether it is a value may depend on what stands around it
                closed = self.closed_at(data, place)
                if found := self._longest(numbers, data, place, closed):
                    return found, closed
        if plain and data[end - 1] not in _BREAKS:
            self._remember_tail(data[start:end], end - start)
        elif plain and read <= end + 1:
            self._remember(data[start:read])
        return end - start

    def _fitting(self, data: bytes, start: int, end: int) -> tuple[list[int], bool]:
        """The patterns that fit a beginning of ``data[start:end]``; whether all of it may begin a value."""
        numbers = self._set.Match(data[start : min(end, start + self.longest + 1)])
        if not numbers:
            return [], False
        still = self._still in numbers
        if still:
            numbers.remove(self._still)
        return numbers, still

    def _remember(self, unit: bytes) -> None:
        if len(self._dull) >= _KEPT:
            self._dull.clear()
        self._dull.add(unit)

    def _remember_tail(self, unit: bytes, place: int) -> None:
        if len(self._tails) >= _KEPT:
            self._tails.clear()
        self._tails[unit] = place

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
