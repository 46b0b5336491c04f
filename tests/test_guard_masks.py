"""The guard's redactions: one mask for each region, whatever overlaps, grows or is blocked."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.guard import StreamGuard
from proxy.types import Action, Provenance, Span, Verdict
from tests.detectors.conformance import cut, deliver, verdict
from tests.toy_scanners import MADE, MASK, SIZES, TEXTS, Decide, Make, Runs, Words, by_entity


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


@settings(max_examples=250)
@given(MADE, TEXTS, SIZES, st.sampled_from(Action))
def test_what_has_left_is_made_again_from_the_text(
    make: Make, text: str, sizes: list[int], action: Action
) -> None:
    """At every step, with masks, blocks and faults: what was returned so far, from the text so far."""
    guard = StreamGuard(make(), verdict(action, mask=MASK))
    out = fed = ""
    assert guard.cleared_of("") == ""
    for piece in cut(text, sizes):
        fed += piece
        out += guard.feed(piece).text
        assert guard.cleared_of(fed) == out
    out += guard.finish().text
    assert guard.cleared_of(fed) == out


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
    guard = StreamGuard([Words("ab")], verdict(Action.REDACT, mask=MASK))
    steps = [guard.feed(piece) for piece in ("-ab", "ab", "-")] + [guard.finish()]
    assert guard.cleared_of("-abab-") == "".join(step.text for step in steps) == out


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
