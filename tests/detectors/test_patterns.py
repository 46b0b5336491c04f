"""proxy/detectors/patterns.py: one matcher at work on a stream, held or only counted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings

from proxy.detectors.patterns import STRIDE, CountingScanner, PatternScanner
from proxy.patterns import PATTERNS, Found, Matcher
from proxy.types import QUIET, Finding, Span, in_full
from tests.detectors.conformance import check_scanner, cut
from tests.patterns.material import sizes, texts

ALL = Matcher(PATTERNS)
CARDS = Matcher([pattern for pattern in PATTERNS if pattern.name == "card"])
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"


def report(found: Found, value: bytes, end: int, at: int, part: int | None) -> Finding:
    assert len(value) == end - found.start
    return Finding("test", found.pattern.entity, Span(found.start, end), at, part_of=part)


def test_a_value_is_decided_by_the_character_after_it() -> None:
    """Held from its first character, reported by the one that ends it, and then all is settled."""
    scanner = PatternScanner(ALL, report)
    assert scanner.feed("ab ann@example.com").settled[-1] == 3
    scan = scanner.feed(" x")
    assert scan.findings == [Finding("test", "email", Span(3, 18), 18)]
    assert scan.settled == [19, 19]


def test_the_end_of_the_text_decides_what_is_open() -> None:
    """A value at the very end is reported with the text's length."""
    scanner = PatternScanner(ALL, report)
    assert not scanner.feed("to ann@example.com").findings
    assert scanner.finish() == [Finding("test", "email", Span(3, 18), 18)]


def test_a_value_that_grows_is_told_in_parts() -> None:
    """The parts share a number, follow one another, and nothing waits for them."""
    scanner = PatternScanner(ALL, report)
    scans = [scanner.feed(character) for character in f"{TOKEN} end"]
    found = [finding for scan in scans for finding in scan.findings]
    assert {finding.part_of for finding in found} == {1}
    assert [one.span.end for one in found[:-1]] == [two.span.start for two in found[1:]]
    assert (found[0].span.start, found[-1].span.end) == (0, len(TOKEN))
    assert scans[len(TOKEN) - 1].settled == [len(TOKEN)]


def test_a_value_that_is_free_is_not_told_and_does_not_grow() -> None:
    """Where the report says no, the text goes on as any other."""
    scanner = PatternScanner(ALL, lambda *_: None)
    scans = [scanner.feed(character) for character in f"{TOKEN} end"]
    assert not [finding for scan in scans for finding in scan.findings]
    assert scans[-1].settled == [len(TOKEN) + 1]


def test_where_nothing_can_begin_the_scan_is_quiet() -> None:
    """Foreign text, blanks, and the rest of a word that is no value are settled as they are read."""
    scanner = PatternScanner(CARDS, report)
    pieces = ("天气很好。", " \n", "7" * 30, "777", "x")
    assert [scanner.feed(piece) is QUIET for piece in pieces] == [True, True, False, True, True]


@given(texts, sizes)
@settings(max_examples=100, deadline=None)
def test_the_last_settled_offset_is_known_at_once(text: str, pieces: Sequence[int]) -> None:
    """It is that of the offsets in full, and there is one for every character."""
    scanner, start = PatternScanner(ALL, report), 0
    for piece in cut(text, pieces):
        scan = scanner.feed(piece)
        last, size = scan.settled[-1] if scan is not QUIET else start + len(piece), len(piece)
        full = list(in_full(scan, start, size).settled)
        assert (full[-1], len(full), len(scan.settled) or size) == (last, size, size)
        start += size


@given(texts, sizes)
@settings(max_examples=100, deadline=None)
@example(f"{TOKEN} {TOKEN}", [2])
def test_any_cutting(text: str, pieces: Sequence[int]) -> None:
    """The properties of every scanner."""
    check_scanner(lambda: PatternScanner(ALL, report), text, pieces)


@pytest.mark.parametrize("size", [1, 7, STRIDE, 5000])
def test_counting(size: int) -> None:
    """What is counted is told at the end of a stride, the same for every cutting, and once."""
    text = "x " * 200 + "ann@example.com " + "y " * 400 + TOKEN
    scanner = CountingScanner(ALL, report)
    found = [finding for piece in cut(text, [size]) for finding in scanner.feed(piece)]
    assert found == [Finding("test", "email", Span(400, 415), STRIDE - 1)]
    assert [(f.entity, f.span, f.at) for f in scanner.finish()] == [
        ("jwt", Span(len(text) - len(TOKEN), len(text)), len(text))
    ]
