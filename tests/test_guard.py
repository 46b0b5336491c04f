"""The guard: its six properties, with toy scanners."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.guard import HOLD_EXCEEDED, StreamGuard, joined
from proxy.types import Action, Cleared, Span
from tests.detectors.conformance import cut, deliver, run_scanner, verdict
from tests.toy_scanners import FAMILIES, MADE, MASK, SIZES, TEXTS, Broken, Make, Runs, Slow, Words, by_entity

# --- P1 to P6 -----------------------------------------------------------------------------------------------


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


@settings(max_examples=60, deadline=None)
@given(MADE, st.sampled_from(Action), st.lists(TEXTS, min_size=1, max_size=3), st.integers(1, 300))
def test_long_texts_are_read_part_by_part(make: Make, action: Action, texts: list[str], far: int) -> None:
    """A text of any length at once, or in few pieces, comes to what single characters come to."""
    text = (" " * far).join(["", *texts, ""])
    one, first = deliver(make, verdict(action, mask=MASK), list(text))
    for pieces in ([text], [text[:far], text[far:]]):
        two, second = deliver(make, verdict(action, mask=MASK), pieces)
        assert (one, first.stopped, first.verdicts) == (two, second.stopped, second.verdicts)
        assert (first.received, first.released) == (second.received, second.released)


def test_behind_a_stop_little_is_read() -> None:
    """However long the text is that came, the scanners get no more than a part beyond what stopped it."""
    words = Words("secret")
    guard = StreamGuard([words], verdict(Action.BLOCK))
    step = guard.feed("so: secret" + " and more" * 10_000)
    assert (step.text, step.stopped, len(step.verdicts)) == ("so: ", True, 1)
    assert len(words.text) < 1000
    assert guard.received < 1000


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
