"""Personal data and secrets that nobody has seen before: found in an answer by what they look like.

Strategy. The rules of ``proxy.patterns`` are compiled twice for a role: those whose findings the policy
would stop are held while they are open, the others are only counted. A value that stands in the caller's own
words, in any way of writing it, is no leak and is not reported. Names and addresses have no pattern: where
the policy asks for them, ``names`` reads whole sentences.

May import: the ground floor and this room. The rule that must stay true: a scanner for a role that nothing
would be stopped for holds nothing; what the policy does not say counts as stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from proxy.detectors.names import NamesScanner, Recognize
from proxy.detectors.patterns import CountingScanner, PatternScanner
from proxy.errors import ConfigError
from proxy.patterns import ENTITIES, PATTERNS, Found, Matcher
from proxy.patterns.alphabet import Alphabet
from proxy.types import QUIET, Finding, Scan, Scanner, Span, View, in_full

Stops = Callable[[str, str, str], bool]
"""(role, detector, entity) -> whether the policy could stop such a finding; else it is only counted."""

NAME = "pii"
NAMES = frozenset(("person", "place", "address", "organisation"))
"""What only sentences tell."""

_PLAIN = 8
"""Letters and digits from which a value is looked for in the caller's words without its separators."""
_SIGNS = bytes(b for b in range(256) if not (chr(b).isascii() and chr(b).isalnum()) and not 0xA2 <= b <= 0xFE)
_PREFIXES = (b"0086", b"86", b"1")


_Ready = tuple[Matcher | None, Matcher | None, frozenset[str]]
"""For one role: the patterns that are held, those that are counted, the names that would be stopped."""


class PiiDetector:
    """Finds checked patterns, and names where asked. Immutable but for what it has compiled."""

    name = NAME
    entities = ENTITIES | NAMES

    def __init__(
        self,
        key: bytes = b"",
        stops: Stops = lambda role, detector, entity: True,
        recognize: Recognize | None = None,
    ) -> None:
        """``key``: secret, for fingerprints. ``recognize``: reads names in a sentence; None: no names.

        Raises ``ConfigError`` where google-re2 is not installed.
        """
        self._key = key
        self._stops = stops
        self._recognize = recognize
        self._matchers: dict[frozenset[str], Matcher] = {}
        self._ready: dict[str, _Ready] = {}
        try:
            self._matcher(ENTITIES)
        except ImportError as error:
            raise ConfigError(f"the detector {NAME!r} needs the package google-re2: {error}") from None

    @property
    def slow(self) -> bool:
        """Whether a scanner may take milliseconds a sentence: then it is not for the event loop."""
        return self._recognize is not None

    def prepare(self, role: str) -> None:
        """Compile now what a scanner for this role needs, which takes some tenths of a second."""
        if role not in self._ready:
            stopped = frozenset(each for each in self.entities if self._stops(role, NAME, each))
            held, counted = self._matcher(stopped & ENTITIES), self._matcher(ENTITIES - stopped)
            self._ready[role] = held, counted, stopped & NAMES

    def scanner(self, view: View) -> Scanner:
        """A scanner for one channel."""
        self.prepare(view.role)
        held, counted, stopped = self._ready[view.role]
        told = _Told(self._key, _Echo.of(view))
        names = None
        if self._recognize is not None:
            names = NamesScanner(NAME, self._recognize, view.echo, stopped)
        if held and not counted and names is None:
            return PatternScanner(held, told.report)
        return PiiScanner(
            PatternScanner(held, told.report) if held else None,
            CountingScanner(counted, told.report) if counted else None,
            names,
        )

    def _matcher(self, entities: frozenset[str]) -> Matcher | None:
        if not entities:
            return None
        made = self._matchers.get(entities)
        if made is None:
            made = Matcher([pattern for pattern in PATTERNS if pattern.entity in entities])
            self._matchers[entities] = made
        return made


class PiiScanner:
    """The scanners of one channel as one: settled where all of them are."""

    def __init__(
        self, held: PatternScanner | None, counted: CountingScanner | None, names: NamesScanner | None
    ) -> None:
        self._held = held
        self._counted = counted
        self._names = names
        self._read = 0

    def feed(self, piece: str) -> Scan:
        scan = QUIET if self._held is None else self._held.feed(piece)
        if self._counted is not None:
            counted = self._counted.feed(piece)
            if counted:
                scan = _both(in_full(scan, self._read, len(piece)), counted)
        if self._names is not None:
            names = in_full(self._names.feed(piece), self._read, len(piece))
            scan = in_full(scan, self._read, len(piece))
            scan = _both(Scan(scan.findings, list(map(min, scan.settled, names.settled))), names.findings)
        self._read += len(piece)
        return scan

    def finish(self) -> Sequence[Finding]:
        scanners = (self._held, self._counted, self._names)
        return [finding for scanner in scanners if scanner is not None for finding in scanner.finish()]


def _both(scan: Scan, findings: Sequence[Finding]) -> Scan:
    """The scan with further findings, in their order."""
    return Scan(sorted([*scan.findings, *findings], key=lambda finding: finding.at), scan.settled)


class _Told:
    """Makes findings of what the scanners find, unless the caller said it first."""

    def __init__(self, key: bytes, echo: _Echo) -> None:
        self._key = key
        self._echo = echo

    def report(self, found: Found, value: bytes, end: int, at: int, part: int | None) -> Finding | None:
        going_on = (
            part is not None and found.start > found.opened and end == at + 1 and end - found.start == 1
        )
        if not going_on and self._echo.holds(value, found.pattern.entity):
            return None
        plain = _plain(value)
        mark = blake2b(plain, key=self._key, digest_size=8, person=b"sluicegate-pii").hexdigest()
        score = 1.0 if found.pattern.sure else 0.8
        return Finding(
            NAME, found.pattern.entity, Span(found.start, end), at, score, part_of=part, fingerprint=mark
        )


class _Echo:
    """The caller's own words, folded when a value is first looked for in them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._folded: list[tuple[bytes, bytes]] | None = None

    @classmethod
    def of(cls, view: View) -> _Echo:
        """That of the request; its channels share it."""
        echo = view.cache.get(NAME)
        if not isinstance(echo, cls):
            echo = view.cache[NAME] = cls(view.echo)
        return echo

    def holds(self, value: bytes, entity: str) -> bool:
        """Whether the caller wrote this value, with whatever separators and in whatever case.

        A short one must stand there as it is written here.
        """
        if self._folded is None:
            alphabet = Alphabet()
            lowered = [alphabet.fold(text).lower() for text in self._texts]
            self._folded = [(text, text.translate(None, _SIGNS)) for text in lowered]
        plain = _plain(value)
        if len(plain) < _PLAIN:
            return any(value.lower() in text for text, _ in self._folded)
        forms = [plain]
        if entity == "phone":
            forms += [
                plain.removeprefix(p) for p in _PREFIXES if plain.startswith(p) and len(plain) - len(p) >= 10
            ]
        return any(form in text for form in forms for _, text in self._folded)


def _plain(value: bytes) -> bytes:
    return value.lower().translate(None, _SIGNS)
