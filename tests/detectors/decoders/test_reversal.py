"""Text written backwards."""

from __future__ import annotations

from proxy.detectors.decoders.reversal import (
    Rewind,
    letters_backwards,
    words_backwards,
    words_begin,
    words_gate,
)
from proxy.types import Finding, Scan, Scanner
from tests.detectors.reference import Exact, view

SECRET = "Only the duty manager may open the vault, and he may never be alone when he does."


def scanners() -> list[Scanner]:
    return [Exact((SECRET,)).scanner(view())]


def test_readings_backwards_know_their_places() -> None:
    """Every character of a reading stands where its place says."""
    for backwards in (letters_backwards, words_backwards):
        tail = "he said: one two three "
        text, places = backwards(tail)
        assert [tail[place] for place in places] == list(text)
    assert words_backwards("he said: one two three fo")[0].split() == ["three", "two", "one", "said:", "he"]


def test_a_match_is_held_while_it_may_grow_and_let_go_when_it_does_not() -> None:
    """The hold begins where the match does, and ends when other text follows."""
    raw = SECRET[::-1]
    rewind = Rewind(letters_backwards, 2, 0, 28)
    assert rewind.look("so: " + raw[:24], 28, True, scanners) == []
    assert rewind.hold is not None
    assert rewind.hold <= 6
    assert (
        rewind.look("so: " + raw[:24] + "but other words follow it, and go on and on", 71, False, scanners)
        == []
    )
    assert rewind.hold is None


def test_a_finding_covers_the_run_up_to_the_newest_character() -> None:
    """The inner span, which leaves out the budget at its start, is stretched to what was read last."""
    raw = SECRET[::-1]
    rewind = Rewind(letters_backwards, 2, 0, 28)
    found = rewind.look("so: " + raw, 4 + len(raw), True, scanners)
    assert [(one.start, one.end) for one in found] == [(4 + 1, 4 + len(raw))]


def test_nothing_is_read_while_the_gate_is_shut() -> None:
    """Without suspicion no scanner is even made."""

    def never() -> list[Scanner]:
        raise AssertionError("asked for a scanner")

    assert Rewind(letters_backwards, 2, 0, 28).look("plain text", 10, False, never) == []


class Slow:
    """Holds the last eleven characters, whatever they are."""

    def __init__(self) -> None:
        self._read = 0

    def feed(self, piece: str) -> Scan:
        start, self._read = self._read, self._read + len(piece)
        return Scan((), [max(0, read - 11) for read in range(start + 1, self._read + 1)])

    def finish(self) -> list[Finding]:
        return []


def test_slowness_is_no_match() -> None:
    """A scanner that always lags behind is not taken for one that has found something."""
    rewind = Rewind(letters_backwards, 2, 0, 4)
    rewind.look("nothing of any interest stands here", 35, True, lambda: [Slow()])
    assert rewind.hold is None


def test_the_gate_for_words_opens_at_joints_in_the_wrong_order() -> None:
    """English as it should be opens it rarely, English in the wrong order mostly."""
    forwards = "She put the letter back on the table and went out. After that no one spoke of it for a week."
    assert not words_gate(forwards, forwards.lower().split())
    backwards = " ".join(reversed(forwards.split()))
    assert words_gate(backwards, backwards.lower().split())


def test_words_in_the_opposite_order_begin_as_the_text_does() -> None:
    """The last complete words, read the other way round, are asked for; one chance hit opens nothing."""
    secret = "the night shift keeps the spare key under the green box"
    words = secret.split()
    known = {"".join(words[at:]) for at in range(len(words))}

    def begins(text: str) -> bool:
        return any(one.startswith(text[:12]) for one in known)

    backwards = " ".join(reversed(secret.split()))
    assert words_begin(f"Well: {backwards} ", begins)
    assert words_begin(f"{backwards} ye", begins), "a word that goes on is not asked for"
    assert not words_begin(f"{secret} and more of ", begins)
    assert not words_begin("one the night shift keeps ", lambda text: text.startswith("keepss"))
    assert not words_begin("", lambda text: len(text) >= 12)
