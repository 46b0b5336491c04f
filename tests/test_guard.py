"""The guard: its six properties with toy scanners, redaction with masks, and JSON kept whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.guard import HOLD_EXCEEDED, StreamGuard, joined
from proxy.jsontext import JsonCells
from proxy.types import Action, Cleared, Finding, Provenance, Scan, Scanner, Span, Verdict
from tests.detectors.conformance import cut, deliver, run_scanner, verdict

MASK = "\u2588"
Decide = Callable[[Finding], Verdict]
Make = Callable[[], list[Scanner]]

TEXTS = st.text(alphabet="abx- ", max_size=40)
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=4)


# --- toy scanners -----------------------------------------------------------------------------------------


class Words:
    """Finds words, and holds from where one may be beginning. ``late``: characters read before it tells."""

    def __init__(self, *words: str, late: int = 0, entity: str = "word") -> None:
        self.words, self.late, self.entity = words, late, entity
        self.text = ""
        self.waiting: list[tuple[int, Finding]] = []

    def feed(self, piece: str) -> Scan:
        findings, settled = [], []
        for character in piece:
            self.text += character
            end = len(self.text)
            for word in self.words:
                if self.text.endswith(word):
                    self.waiting.append((end - 1 + self.late, self.found(end - len(word), end)))
            findings += [f for at, f in self.waiting if at == end - 1]
            self.waiting = [(at, f) for at, f in self.waiting if at >= end]
            settled.append(min([self.beginning(), *(f.span.start for _, f in self.waiting)]))
        return Scan(findings, settled)

    def found(self, start: int, end: int) -> Finding:
        return Finding("words", self.entity, Span(start, end), end - 1 + self.late)

    def beginning(self) -> int:
        """Where the longest beginning of a word stands at the end of the text."""
        most = max(map(len, self.words)) - 1
        for start in range(max(0, len(self.text) - most), len(self.text)):
            if any(word.startswith(self.text[start:]) for word in self.words):
                return start
        return len(self.text)

    def finish(self) -> Sequence[Finding]:
        size = len(self.text)
        return [Finding("words", self.entity, f.span, size) for _, f in self.waiting]


class Runs:
    """Finds runs of ``least`` or more x and lets them grow by one finding a character, ``-`` between them."""

    def __init__(self, least: int = 3) -> None:
        self.least = least
        self.position = self.count = self.start = self.floor = self.parts = 0

    def feed(self, piece: str) -> Scan:
        findings, settled = [], []
        for character in piece:
            at, self.position = self.position, self.position + 1
            if character == "x":
                self.start = at if self.count == 0 else self.start
                self.count += 1
                if self.count == self.least:
                    self.parts += 1
                    self.floor = self.start
                if self.count >= self.least:
                    span = Span(self.floor, at + 1)
                    self.floor = at + 1
                    source = Provenance("doc:1", "admin")
                    findings.append(Finding("runs", "run", span, at, part_of=self.parts, provenance=source))
            elif character != "-":
                self.count = 0
            held = 0 < self.count < self.least
            settled.append(self.start if held else self.floor if self.count else at + 1)
        return Scan(findings, settled)

    def finish(self) -> Sequence[Finding]:
        return ()


class Slow:
    """Finds nothing and holds the last ``size`` characters."""

    def __init__(self, size: int) -> None:
        self.size, self.position = size, 0

    def feed(self, piece: str) -> Scan:
        start, self.position = self.position + 1, self.position + len(piece)
        return Scan((), [max(0, end - self.size) for end in range(start, self.position + 1)])

    def finish(self) -> Sequence[Finding]:
        return ()


class Tail:
    """Reports a word only where the whole text ends with it, so it always holds as much."""

    def __init__(self, word: str) -> None:
        self.word, self.text = word, ""

    def feed(self, piece: str) -> Scan:
        start = len(self.text) + 1
        self.text += piece
        return Scan((), [max(0, end - len(self.word)) for end in range(start, len(self.text) + 1)])

    def finish(self) -> Sequence[Finding]:
        size = len(self.text)
        if not self.text.endswith(self.word):
            return ()
        return [Finding("tail", "tail", Span(size - len(self.word), size), size)]


class Broken:
    """A scanner that goes wrong in one way once it has read ``after`` characters."""

    def __init__(self, how: str, after: int) -> None:
        self.how, self.after, self.position = how, after, 0

    def feed(self, piece: str) -> Scan:
        start, self.position = self.position, self.position + len(piece)
        settled = list(range(start + 1, self.position + 1))
        if self.position <= self.after:
            return Scan((), settled)
        at = max(start, self.after)
        found = {
            "late": Finding("broken", "late", Span(0, at + 1), at),
            "before": Finding("broken", "late", Span(at, at + 1), start - 1),
            "beyond": Finding("broken", "late", Span(at, at + 1), self.position),
        }
        if self.how == "feed":
            raise RuntimeError("broken")
        if self.how == "short":
            return Scan((), settled[:-1])
        return Scan([found[self.how]] if self.how in found else (), settled)

    def finish(self) -> Sequence[Finding]:
        if self.how == "finish":
            raise RuntimeError("broken")
        if self.how == "late at the end":
            return [Finding("broken", "late", Span(0, self.position), self.position)]
        return ()


FAMILIES: dict[str, Make] = {
    "none": list,
    "words": lambda: [Words("ab", "abxa", "bb")],
    "late words": lambda: [Words("ax", late=3)],
    "runs": lambda: [Runs()],
    "tail": lambda: [Tail("ab")],
    "runs and words": lambda: [Runs(), Words("x-a", "--", "b")],
    "three holds": lambda: [Slow(5), Words("ab", late=1), Runs(2), Slow(1)],
    "two of a kind": lambda: [Words("ab"), Words("bx", late=2), Tail("-b")],
}


def by_entity(actions: dict[str, Action]) -> Decide:
    """A policy that acts by entity, and allows the rest."""
    return lambda f: Verdict(actions.get(f.entity, Action.ALLOW), f.entity, f, True, MASK)


# --- P1 to P6 -----------------------------------------------------------------------------------------------


MADE = st.sampled_from(sorted(FAMILIES)).map(FAMILIES.__getitem__)


@settings(max_examples=250)
@given(MADE, st.sampled_from(Action), TEXTS, SIZES, st.sampled_from([4, 9, 1000]))
def test_p1_cutting_changes_nothing(
    make: Make, action: Action, text: str, sizes: list[int], ceiling: int
) -> None:
    """However a text is cut, the released text, the verdicts and the stop are those of single characters."""
    one, first = deliver(make, verdict(action, mask=MASK), list(text), ceiling)
    two, second = deliver(make, verdict(action, mask=MASK), cut(text, sizes), ceiling)
    assert (one, first.stopped, first.verdicts) == (two, second.stopped, second.verdicts)
    assert (first.received, first.released) == (second.received, second.released)


@settings(max_examples=200)
@given(MADE, TEXTS, SIZES)
def test_p2_nothing_unsettled_leaves(make: Make, text: str, sizes: list[int]) -> None:
    """After each delta the guard has let go exactly what every scanner had settled by then."""
    settled = [run_scanner(lambda n=number: make()[n], list(text))[1] for number in range(len(make()))]
    guard = StreamGuard(make(), verdict(Action.ALLOW))
    out = ""
    for piece in cut(text, sizes):
        out += guard.feed(piece).text
        limit = min((offsets[guard.received - 1] for offsets in settled), default=guard.received)
        assert out == text[:limit]
    assert out + guard.finish().text == text


@settings(max_examples=200)
@given(MADE, TEXTS, SIZES)
def test_p3_nothing_of_a_blocked_span_leaves(make: Make, text: str, sizes: list[int]) -> None:
    """A block delivers a beginning of the text that ends before the blocked span, and then nothing more."""
    guard = StreamGuard(make(), verdict(Action.BLOCK))
    out = "".join(guard.feed(piece).text for piece in cut(text, sizes)) + guard.finish().text
    assert text.startswith(out)
    if guard.stopped:
        assert len(out) <= min(v.finding.span.start for v in guard.verdicts)
        assert guard.feed("more") == guard.finish()
        assert guard.finish().text == ""
        assert guard.finish().stopped
    else:
        assert out == text
        assert not guard.verdicts


@settings(max_examples=200)
@given(MADE, TEXTS, SIZES)
def test_p4_without_an_enforced_finding_nothing_changes(make: Make, text: str, sizes: list[int]) -> None:
    """Allowed findings change no byte, and neither do observed ones, which are still told as verdicts."""
    told = []
    for decide in (
        verdict(Action.ALLOW),
        verdict(Action.BLOCK, enforced=False),
        verdict(Action.REDACT, enforced=False),
    ):
        out, guard = deliver(make, decide, cut(text, sizes))
        assert out == text
        assert not guard.stopped
        told.append([v.finding for v in guard.verdicts])
    assert told[0] == told[1] == told[2]


@given(st.text(alphabet="ab", max_size=60), SIZES, st.integers(0, 12), st.integers(1, 12))
def test_p5_the_hold_is_bounded(text: str, sizes: list[int], size: int, ceiling: int) -> None:
    """Held text never exceeds the ceiling; a scanner that wants more is a block, and releases nothing."""
    guard = StreamGuard([Slow(size)], verdict(Action.ALLOW), ceiling=ceiling)
    out = ""
    for piece in cut(text, sizes):
        step = guard.feed(piece)
        out += step.text
        assert 0 <= guard.held <= ceiling
        assert guard.held_max <= ceiling
    exceeded = size > ceiling and len(text) > ceiling
    assert guard.stopped == exceeded
    if exceeded:
        (only,) = guard.verdicts
        assert (only.rule, only.action, only.enforced) == (HOLD_EXCEEDED, Action.BLOCK, True)
        assert (only.finding.span, only.finding.at) == (Span(0, ceiling + 1), ceiling)
        assert out == ""
    else:
        assert out + guard.finish().text == text


@pytest.mark.parametrize("pieces", [["a", "abcde"], list("aabcde")])
def test_p5_a_finding_at_the_ceiling_is_still_a_finding(pieces: list[str]) -> None:
    """What is decided by the very character that is too many is blocked by its own rule."""
    out, guard = deliver(
        lambda: [Words("abcde"), Slow(5)], by_entity({"word": Action.BLOCK}), pieces, ceiling=4
    )
    assert (out, guard.stopped) == ("", True)
    assert [v.rule for v in guard.verdicts] == [HOLD_EXCEEDED]
    out, guard = deliver(lambda: [Words("abcde")], by_entity({"word": Action.BLOCK}), pieces, ceiling=4)
    assert (out, guard.stopped) == ("a", True)
    assert [v.rule for v in guard.verdicts] == ["word"]


def test_p5_what_was_dropped_is_not_held() -> None:
    """A passage that is redacted as it grows can be longer than the ceiling: it is decided, not held."""
    out, guard = deliver(lambda: [Runs()], verdict(Action.REDACT, mask=MASK), ["a", "x" * 50, "b"], ceiling=5)
    assert out == f"a{MASK}b"
    assert not guard.stopped


def test_p5_without_scanners_nothing_is_held() -> None:
    """A piece longer than the ceiling passes where nothing looks at it."""
    out, guard = deliver(list, verdict(Action.BLOCK), ["a" * 100], ceiling=10)
    assert out == "a" * 100
    assert guard.held_max == 0


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ("feed", "scanner"),
        ("finish", "scanner"),
        ("short", "scanner"),
        ("before", "scanner"),
        ("beyond", "scanner"),
        ("late", "late-finding"),
        ("late at the end", "late-finding"),
    ],
)
@settings(max_examples=60)
@given(st.text(alphabet="ab", min_size=5, max_size=30), SIZES, st.integers(3, 20))
def test_p6_a_broken_scanner_stops_the_stream(
    how: str, where: str, text: str, sizes: list[int], after: int
) -> None:
    """A scanner that raises, tells too little or too late is a fault; what had left is all that leaves."""
    guard = StreamGuard([Slow(2), Broken(how, after)], verdict(Action.REDACT))
    out, fault, before = "", "", 0
    for piece in [*cut(text, sizes), None]:
        before = guard.released
        step = guard.finish() if piece is None else guard.feed(piece)
        out += step.text
        fault = step.fault
        if step.stopped:
            break
    if how not in ("finish", "late at the end") and len(text) <= after:
        assert not guard.stopped
        assert out == text
        return
    assert guard.stopped
    assert fault == where
    assert out == text[: guard.released]
    if where == "scanner":
        assert len(out) == before
    assert guard.feed("more").text == guard.finish().text == ""


def test_p6_a_fault_beside_a_block_is_a_block() -> None:
    """A block by one scanner stands, though another one tells something too late at the same character."""
    decide = by_entity({"word": Action.BLOCK, "late": Action.REDACT})
    guard = StreamGuard([Broken("late", 3), Words("d")], decide)
    assert guard.feed("abcd").fault == ""
    assert guard.stopped


# --- masks --------------------------------------------------------------------------------------------------


def expected(text: str, verdicts: Sequence[Verdict]) -> str:
    """The text with one mask for each group of overlapping spans."""
    regions: list[list[int]] = []
    for span in sorted((v.finding.span for v in verdicts), key=lambda span: (span.start, span.end)):
        if regions and span.start < regions[-1][1]:
            regions[-1][1] = max(regions[-1][1], span.end)
        else:
            regions.append([span.start, span.end])
    out, at = [], 0
    for start, end in regions:
        out += [text[at:start], MASK]
        at = end
    return "".join(out) + text[at:]


@settings(max_examples=250)
@given(MADE, TEXTS, SIZES)
def test_each_redacted_region_has_one_mask(make: Make, text: str, sizes: list[int]) -> None:
    """Spans are dropped with one mask a region: overlapping spans share it, adjacent ones do not."""
    out, guard = deliver(make, verdict(Action.REDACT, mask=MASK), cut(text, sizes))
    assert out == expected(text, guard.verdicts)


def test_overlapping_spans_of_two_scanners_share_the_first_ones_mask() -> None:
    """Where a word of one scanner reaches into that of another, one mask stands for both, the earlier's."""
    decide: Decide = lambda f: Verdict(Action.REDACT, f.entity, f, True, f"[{f.entity}]")  # noqa: E731
    out, guard = deliver(
        lambda: [Words("cde", entity="B"), Words("abc", late=2, entity="A")], decide, ["-abcde-"]
    )
    assert out == "-[A]-"
    assert [v.rule for v in guard.verdicts] == ["B", "A"]
    out, _ = deliver(lambda: [Words("abc", entity="A"), Words("cde", entity="B")], decide, ["-abcde-"])
    assert out == "-[A]-"


def test_adjacent_spans_have_a_mask_each() -> None:
    """Two words side by side are two redactions."""
    out, _ = deliver(lambda: [Words("ab")], verdict(Action.REDACT, mask=MASK), ["-abab-"])
    assert out == f"-{MASK * 2}-"


def test_a_growing_span_has_one_mask_and_one_verdict() -> None:
    """Findings that share ``part_of`` grow one span: one mask, one verdict, what lies between is dropped."""
    guard = StreamGuard([Runs()], verdict(Action.REDACT, mask=MASK))
    steps = [guard.feed(piece) for piece in ["a xx", "x", "x--", "x", " b ", "xxx"]]
    assert [step.text for step in steps] == ["a ", MASK, "", "", " b ", MASK]
    assert [len(step.verdicts) for step in steps] == [0, 1, 0, 0, 0, 1]
    assert [v.finding.span for v in guard.verdicts] == [Span(2, 9), Span(12, 15)]
    assert guard.verdicts[0].finding.provenance == Provenance("doc:1", "admin")


def test_a_growing_span_keeps_its_mask_beside_another_redaction() -> None:
    """A passage that grows on after another scanner redacted something behind it gets no second mask."""
    out, _ = deliver(lambda: [Runs(), Words("--")], verdict(Action.REDACT, mask=MASK), list("xxx-a--b"))
    assert out == f"{MASK}-a{MASK}b"
    out, _ = deliver(lambda: [Runs(), Words("--")], verdict(Action.REDACT, mask=MASK), list("xxx---x b"))
    assert out == f"{MASK} b"


def test_a_block_drops_a_pending_mask() -> None:
    """What a redaction was about to replace is not told of when a block comes first."""
    decide = by_entity({"run": Action.REDACT, "word": Action.BLOCK})
    out, guard = deliver(lambda: [Runs(), Words("xxx!", late=0)], decide, ["a xxx!"])
    assert out == "a "
    assert guard.stopped


def test_redaction_and_block_at_one_character() -> None:
    """Two scanners decide at the same character: the block wins, whichever comes first in the table."""
    decide = by_entity({"run": Action.REDACT, "word": Action.BLOCK})
    families: list[Make] = [
        lambda: [Runs(), Words("bxxx")],
        lambda: [Words("bxxx"), Runs()],
    ]
    for family in families:
        out, guard = deliver(family, decide, ["abxxxx"])
        assert (out, guard.stopped) == ("a", True)


# --- JSON ---------------------------------------------------------------------------------------------------

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(alphabet='abx\\"\n中', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="abxn", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def strings(value: Any) -> list[str]:
    """All strings of a JSON value, names of members too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(said for part in value.values() for said in strings(part))]
    return [said for part in value for said in strings(part)] if isinstance(value, list) else []


@settings(max_examples=200)
@given(VALUES, SIZES, st.booleans(), st.sampled_from([("ab", "bx"), ("中",), ("1", "tr", "a"), ("x", "\n")]))
def test_redacted_json_stays_json(
    value: Any, sizes: list[int], ascii_only: bool, words: tuple[str, ...]
) -> None:
    """JSON goes in and JSON comes out, for every cutting, without the redacted words."""
    raw = json.dumps(value, ensure_ascii=ascii_only)
    outcomes = set()
    for pieces in (cut(raw, sizes), list(raw), [raw]):
        guard = StreamGuard([Words(*words)], verdict(Action.REDACT, mask=MASK), cells=JsonCells())
        outcomes.add("".join(guard.feed(piece).text for piece in pieces) + guard.finish().text)
    (out,) = outcomes
    if not guard.verdicts:
        assert out == raw
        return
    assert not any(word in said for word in words for said in strings(json.loads(out)))


def test_json_is_read_decoded() -> None:
    """Escapes are undone before the scanners look, so a word spelt in escapes is found and dropped."""
    raw = '{"note": "\\u0061b and \\u4e2d", "n": 12}'
    guard = StreamGuard([Words("ab", "中")], verdict(Action.REDACT, mask=MASK), cells=JsonCells())
    out = guard.feed(raw).text + guard.finish().text
    assert json.loads(out) == {"note": f"{MASK} and {MASK}", "n": 12}
    assert guard.received < len(raw)


def test_an_escape_that_never_ends_is_judged_at_the_end() -> None:
    """What waits for the rest of an escape reaches the scanners at ``finish``, and can still stop there."""
    guard = StreamGuard([Words("\\u00")], verdict(Action.BLOCK), cells=JsonCells())
    assert guard.feed('"a\\u00').text == '"a'
    assert guard.finish().stopped


# --- small things -------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(TEXTS, SIZES)
def test_toy_words_keep_the_contract(text: str, sizes: list[int]) -> None:
    """The toys settle in order and find nothing in settled text, or nothing here shows anything."""
    for family in FAMILIES.values():
        for number in range(len(family())):
            findings, settled = run_scanner(lambda n=number, f=family: f()[n], cut(text, sizes))
            assert all(a <= b for a, b in pairwise(settled))
            for finding in findings:
                assert finding.span.start >= (settled[finding.at - 1] if finding.at else 0)


def test_verdicts_come_with_the_step_that_decided_them() -> None:
    """A step tells the verdicts that are new in it, in the order in which they were decided."""
    guard = StreamGuard([Words("ab"), Words("ba")], verdict(Action.ALLOW))
    assert [v.finding.at for v in guard.feed("ab").verdicts] == [1]
    assert [v.finding.at for v in guard.feed("aab").verdicts] == [2, 4]
    assert guard.finish().verdicts == ()


def test_an_empty_delta_and_an_empty_answer() -> None:
    """Nothing in, nothing out."""
    guard = StreamGuard([Words("ab")], verdict(Action.BLOCK))
    assert guard.feed("").text == guard.finish().text == ""
    assert not guard.stopped


def test_joined_texts() -> None:
    """Cleared texts are put one after the other."""
    assert joined(None, Cleared("a")) == "a"
    assert joined(Cleared("a"), Cleared("b")) == "ab"
