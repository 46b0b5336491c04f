"""Text written backwards: letter by letter, or word by word.

It cannot be decoded as it comes, for its beginning comes last. Strategy: where the last characters look
more like language backwards than forwards, the tail is read backwards by fresh inner scanners at each
look-out point. Their text begins with the newest character, so a match that is still
growing is one that begins at the start of that reading: its settled offset stands still there. What
such a match covers is held, and a finding in it covers the raw text up to the newest character.

Budget: 24 raw characters where the gate opens in time. Letters: 98 of 100 stretches of 24 characters
of English and 95 of Chinese open it; the others open one or two look-out points later. Words: the gate
looks every 32 characters whether what the last words say in the opposite order begins as a protected text
may, which all stretches of some six words do, and every 64 characters for a joint like "the of" or a full
stop before a small letter; what comes after that is held as above. Limits: values that are
shorter than a match is held for (an e-mail address) are reported when they are complete, not held; text
written backwards is not decoded further.

May import: ``language``, ``transducer``, ``stream`` and the ground floor. The rule that must stay true:
forward text opens the gate rarely, and holds nothing when it does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from proxy.detectors.decoders.stream import Found
from proxy.detectors.decoders.transducer import KEEP, STRIDE
from proxy.grams import SEED
from proxy.types import Finding, Scanner, Span, in_full

_STILL = 6
"""Characters over which a settled offset must stand still to be a match and not just slowness."""
_FIRST = 64
"""Characters that are read backwards at first; all that are kept, where a match goes on beyond them."""
LETTERS_LINGER = 2
"""Look-out points for which a gate stays open after it was last true."""
WORDS_LINGER = 8
_JOINED = 8
"""Words that hold a seed, unless they are very short."""
LEAST = 30
"""Points that the last 24 pairs must have backwards: noise has none either way."""

Backwards = Callable[[str], tuple[str, Sequence[int]]]
"""A tail to its reading backwards, and for each character of that its index in the tail."""


def letters_backwards(tail: str) -> tuple[str, Sequence[int]]:
    return tail[::-1], range(len(tail) - 1, -1, -1)


_WORD = re.compile(r"\S+\s+")


def words_backwards(tail: str) -> tuple[str, Sequence[int]]:
    """The complete words of the tail in the opposite order."""
    text: list[str] = []
    places: list[int] = []
    for word in reversed(list(_WORD.finditer(tail))):
        text.append(word[0])
        places += range(word.start(), word.end())
    return "".join(text), places


_ARTICLES = "the a an my our your its their"
_BEFORE = (
    "of in to for on with from by at and or as is was are were be been will would can could should may "
    "might must has have had that if when which who into than then but so because through about under "
    "over between all every not while where until without within during against after before since "
    "though although whether"
)
"""Words that are common before an article or a possessive, and rare after one."""
_VERBS = {
    "to": "be make do ensure provide",
    "will": "be not have",
    "would": "be like not have",
    "must": "be not have",
    "should": "be not have",
    "may": "be not have",
    "can": "be not",
    "has": "been",
    "have": "been",
    "such": "as",
    "we": "are have will can",
}
_JOINTS = frozenset(
    [(article, word) for article in _ARTICLES.split() for word in _BEFORE.split()]
    + [(second, first) for first, seconds in _VERBS.items() for second in seconds.split()]
)
"""Neighbours that are common in English in the other order and rare in this one."""
_STOP = re.compile(r"[.!?](?<=[A-Za-z]{4}.) [a-z]")
"""A full stop before a small letter."""


def words_gate(text: str, words: Sequence[str]) -> bool:
    """Whether a text, whose words in small letters these are, looks as if they were in the wrong order."""
    return not _JOINTS.isdisjoint(pairwise(words)) or _STOP.search(text) is not None


def words_begin(text: str, begins: Callable[[str], bool]) -> bool:
    """Whether the last words, in the opposite order, begin as a protected text may: from each of two words.

    One seed in a hundred is a stranger's, and common runs are in many texts; two words apart are neither.
    """
    words = text.rsplit(None, _JOINED + 3)[1:]  # the first is what is left of the text
    if words and not text[-1].isspace():
        words.pop()
    words.reverse()
    return begins("".join(words[:_JOINED])) and begins("".join(words[2 : 2 + _JOINED]))


@dataclass(slots=True)
class Rewind:
    """One way of reading backwards, at work on one channel."""

    backwards: Backwards
    linger: int
    run: int
    """A number unlike that of any stream, for its findings."""
    reach: int
    """The most characters of a match that an inner scanner lets go before it holds."""
    hold: int | None = None
    open: int = 0
    """Look-out points for which the gate stays open."""

    @property
    def busy(self) -> bool:
        """Whether the next look-out point must be looked at."""
        return self.open > 0 or self.hold is not None

    def look(
        self, tail: str, read: int, suspected: bool, scanners: Callable[[], Sequence[Scanner]]
    ) -> list[Found]:
        """Read the tail backwards if the gate is open or something is held. Sets ``hold``."""
        self.open = self.linger if suspected else max(0, self.open - 1)
        if not self.busy:
            return []
        found, whole = self._try(tail[-_FIRST:], read, scanners())
        if whole:
            found, _ = self._try(tail[-KEEP:], read, scanners())
        if any(one.end == read for one in found):  # a verdict covers all that was read
            self.hold = read
        return found

    def _try(self, tail: str, read: int, scanners: Sequence[Scanner]) -> tuple[list[Found], bool]:
        """Read a tail backwards: (findings, whether a match from the start went on to the end of it)."""
        text, places = self.backwards(tail)
        base = read - len(tail)
        self.hold = None
        found: list[Found] = []
        whole = False
        for number, scanner in enumerate(scanners):
            scan = in_full(scanner.feed(text), 0, len(text))
            last = _still(scan.settled, self._near)
            if last >= 0:
                start = base + min(places[: last + 1])
                self.hold = start if self.hold is None else min(self.hold, start)
            whole = whole or (bool(text) and last == len(text) - 1) or bool(scan.findings)
            found += [self._carry(number, finding, places, base, read) for finding in _grown(scan.findings)]
        return found, whole

    @property
    def _near(self) -> int:
        """Where a match that may still grow has its settled offset at most."""
        return self.reach + STRIDE + 4

    def _carry(self, number: int, finding: Finding, places: Sequence[int], base: int, read: int) -> Found:
        span = finding.span
        origin = span.start if finding.origin is None else finding.origin
        if finding.part_of is not None and origin <= self._near:
            origin = 0
        covered = places[origin : span.end]
        return Found(
            self.run,
            number,
            finding,
            origin=base + min(covered),
            start=base + min(covered),
            end=base + max(covered) + 1,
            at=read - 1,
        )


def _grown(findings: Sequence[Finding]) -> list[Finding]:
    """Each span once, as far as it grew in one reading."""
    spans: dict[int, Finding] = {}
    for number, finding in enumerate(findings):
        key = -1 - number if finding.part_of is None else finding.part_of
        known = spans.get(key)
        if known is not None:
            start, end = min(known.span.start, finding.span.start), max(known.span.end, finding.span.end)
            finding = replace(known, span=Span(start, end))
        spans[key] = finding
    return list(spans.values())


def _still(settled: Sequence[int], near: int) -> int:
    """Index of the last character over which the settled offset stood still, at most at ``near``; or -1.

    At the very start it stands still for as long as no seed is complete.
    """
    last, before, count = -1, -1, 0
    for index, offset in enumerate(settled):
        if offset > near:
            break
        count = count + 1 if offset == before else 0
        before = offset
        if count >= (_STILL if offset else SEED + 2):
            last = index
    return last
