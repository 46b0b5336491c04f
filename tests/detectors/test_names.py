"""proxy/detectors/names.py: names are read in whole sentences, and no sentence leaves unread."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.names import LONGEST, NamesScanner
from proxy.types import Action, Span
from tests.detectors.conformance import check_guarded, check_scanner, cut, deliver, run_scanner, verdict

NAME = re.compile("Ann Example|王小明|Bo")


def recognize(sentence: str) -> list[tuple[str, int, int, float]]:
    return [("person", match.start(), match.end(), 0.9) for match in NAME.finditer(sentence)]


def make(*echo: str, stopped: Sequence[str] = ("person",)) -> NamesScanner:
    return NamesScanner("pii", recognize, echo, stopped)


texts = st.lists(
    st.sampled_from(
        ["Ann Example", "王小明", "Bo", " and ", ". ", "\n", "x" * 90, "，", "words " * 30, "B", "Ann Ex"]
    ),
    max_size=12,
).map("".join)


@given(texts, st.lists(st.integers(1, 400), min_size=1, max_size=4))
@settings(deadline=None)
def test_any_cutting(text: str, sizes: Sequence[int]) -> None:
    """Sentences end where the text says, not where it was cut."""
    check_scanner(make, text, sizes)
    check_guarded(make, text, sizes)


@given(texts, st.lists(st.integers(1, 400), min_size=1, max_size=4))
@settings(deadline=None)
def test_every_name_is_masked(text: str, sizes: Sequence[int]) -> None:
    """Also one that lies where a long sentence is cut."""
    out, _ = deliver(lambda: [make()], verdict(Action.REDACT, mask="#"), cut(text, sizes))
    assert "Ann Example" not in out
    assert "王小明" not in out


def test_a_line_end_completes_a_sentence() -> None:
    """Nothing is settled before the line ends, and all of it is then."""
    findings, settled = run_scanner(make, list("Hi Bo,\nfine"))
    assert settled == [0] * 6 + [7] * 5
    assert [(f.span, f.at) for f in findings] == [(Span(3, 5), 6)]


def test_a_long_sentence_is_cut_at_a_blank() -> None:
    """After ``LONGEST`` characters the sentence is read and let go but for its end, which begins the next."""
    text = "word " * 58 + "Ann Example went on and on"
    scanner = make()
    scan = scanner.feed(text)
    assert len(text) > LONGEST
    assert scan.settled[LONGEST - 2 :] == [0] + [220] * (len(text) - LONGEST + 1)
    assert scan.findings == []
    assert [f.span for f in scanner.finish()] == [Span(290, 301)]


def test_what_is_only_counted_is_not_held() -> None:
    """Where the policy stops no name, nothing waits, and the names are counted all the same."""
    findings, settled = run_scanner(lambda: make(stopped=()), list("Hi Bo,\nfine Bo"))
    assert settled == list(range(1, 15))
    assert [f.span.start for f in findings] == [3, 12]


def test_names_that_the_caller_wrote_are_free() -> None:
    """As a whole word, in any case; a part of a longer word does not free it."""
    assert run_scanner(lambda: make("I am ann   EXAMPLE."), list("Ann Example\n"))[0] == []
    assert run_scanner(lambda: make("我叫王小明"), list("王小明\n"))[0] == []
    assert len(run_scanner(lambda: make("Bobby"), list("Bo\n"))[0]) == 1


def test_blank_sentences_are_not_read() -> None:
    """The recogniser is not troubled with blanks."""
    asked: list[str] = []
    scanner = NamesScanner("pii", lambda text: asked.append(text) or [], (), ("person",))  # type: ignore[func-returns-value]
    scanner.feed("\n \n\nHi\n")
    scanner.finish()
    assert asked == ["Hi\n"]
