"""Inner findings and hold-back in raw offsets, and spans that are reported once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.decoders.percent import PercentText
from proxy.detectors.decoders.spans import Spans
from proxy.detectors.decoders.stream import Found, Stream
from proxy.detectors.decoders.transducer import Decoded, OneForOne
from proxy.types import Finding, Provenance, Span
from tests.detectors.reference import Exact, cut, view

SECRET = "the duty manager opens the vault at six and never alone"


class Pairs:
    """A code of two raw characters a letter, of which the first says nothing. A full stop ends it."""

    pending: int | None = None

    def push(self, character: str, offset: int) -> tuple[Decoded, ...] | None:
        if character == ".":
            return None
        if self.pending is None:
            self.pending = offset
            return ()
        start, self.pending = self.pending, None
        return ((character, start, True),)

    def finish(self) -> tuple[Decoded, ...]:
        return ()

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return False


def stream() -> Stream:
    return Stream(Pairs(), [Exact((SECRET,)).scanner(view())], run=2, reach=28)


class OneByOne:
    """A transducer that hides that each character stands for one."""

    pending = None

    def __init__(self, inner: OneForOne) -> None:
        self.push, self.finish = inner.push, inner.finish

    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return False


class Turned(OneForOne):
    def expired(self, tail: str, read: int, holding: bool) -> bool:
        return False


def raw(text: str) -> str:
    return "".join("-" + letter for letter in text)


def test_what_is_held_decoded_is_held_raw() -> None:
    """The hold begins with the raw character that carries the first held one."""
    one = stream()
    limits, found = one.feed(raw(SECRET[:20]), 100)
    assert found == []
    held = SECRET[:20].replace(" ", "")[12:]
    assert one.hold == 100 + 2 * (20 - len(held) - 1)
    assert limits[1] == 102
    assert limits[0] == 100  # the first half of a letter waits for the second


def test_a_finding_is_carried_back_to_raw_characters() -> None:
    """Its origin, its span and what decided it are those of the raw run."""
    _, found = stream().feed(raw(SECRET), 100)
    first = found[0]
    assert first.origin == 100
    assert first.start == 100 + 2 * len("the duty manag")  # twelve units are the budget
    assert first.end == first.at + 1
    assert {one.finding.part_of for one in found} == {1}


def test_a_run_that_ends_is_let_go() -> None:
    """At the character that ends it nothing is held any more."""
    one = stream()
    limits, _ = one.feed(raw(SECRET[:20]) + ". x", 0)
    assert one.closed
    assert one.hold is None
    assert limits[-3:] == [41, 42, 43]
    assert limits[-4] < 40


def test_plain_passages_are_not_reported_but_what_grows_into_them_is() -> None:
    """A passage needs an escape in it; once reported it is reported to its end."""
    one = Stream(PercentText(), [Exact((SECRET,)).scanner(view())], run=2, reach=28)
    assert one.feed("%41 " + SECRET + "%41", 0)[1] == []
    one = Stream(PercentText(), [Exact((SECRET,)).scanner(view())], run=2, reach=28)
    found = one.feed(SECRET.replace(" ", "%20", 1), 0)[1]
    assert found[-1].end == len(SECRET) + 2


@settings(deadline=None)
@given(st.integers(0, 60), st.lists(st.integers(1, 30), min_size=1, max_size=5), st.text(max_size=20))
def test_what_is_read_all_at_once_is_what_is_read_one_by_one(
    start: int, sizes: list[int], after: str
) -> None:
    """Where each character stands for one: the same holds, findings and ends, quiet or not."""
    text = f"some words, {SECRET[start:]} \ud800 {after}".translate({ord("e"): "x", ord("t"): "\u00df"})
    table = {ord("x"): "e", ord("\u00df"): "t"}
    one, other = (
        Stream(reader, [Exact((SECRET,)).scanner(view())], 2, 28)
        for reader in (Turned(table), OneByOne(Turned(table)))
    )
    at = 0
    for piece in cut(text, sizes):
        assert one.feed(piece, at) == other.feed(piece, at)
        assert one.hold == other.hold
        at += len(piece)
    assert one.finish(at) == other.finish(at)


def _found(start: int, end: int, part: int | None = 1, run: int = 2) -> Found:
    finding = Finding("exact", "passage", Span(0, 1), 0, provenance=Provenance("d:0", "admin"), part_of=part)
    return Found(run, 0, finding, start, start, end, end - 1)


def test_a_span_is_reported_once_and_then_as_it_grows() -> None:
    """What adds nothing is left out; growth carries the number of the span it grows."""
    spans = Spans()
    first = spans.place(_found(10, 20), 0, 100)
    assert first is not None
    assert spans.place(_found(10, 20, run=5), 12, 100) is None
    grown = spans.place(_found(18, 30, run=5), 20, 100)
    assert grown is not None
    assert (grown.part_of, grown.span) == (first.part_of, Span(20, 30))
    other = spans.place(_found(50, 60, part=2), 50, 100)
    assert other is not None
    assert other.part_of != first.part_of


def test_what_lies_between_two_parts_belongs_to_the_span() -> None:
    """A separator between decoded characters is covered where it has not left."""
    spans = Spans()
    spans.place(_found(10, 20), 0, 100)
    grown = spans.place(_found(22, 24), 20, 100)
    assert grown is not None
    assert grown.span == Span(20, 24)


def test_a_span_never_begins_in_what_has_been_settled() -> None:
    """A finding that comes too late covers the character that decided it, or nothing at the very end."""
    late = Spans().place(_found(10, 20), 25, 26)
    assert late is not None
    assert late.span == Span(25, 26)
    end = Spans().place(replace(_found(10, 20), at=26), 26, 26)
    assert end is not None
    assert end.span == Span(26, 26)
