"""Text written backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from proxy.detectors.decoders.reversal import LETTERS, WORDS, Order, Rewind, Scanners
from proxy.detectors.decoders.stream import Found
from proxy.detectors.decoders.transducer import STRIDE
from proxy.types import Finding, Scan, Scanner
from tests.detectors.reference import Exact, ExactScanner, view

SECRET = "Only the duty manager may open the vault, and he may never be alone when he does."


def scanners(text: str) -> list[tuple[int, Scanner]]:
    return [(0, Exact((SECRET,)).scanner(view()))]


def letters(find: Scanners = scanners, *, goes_on: Callable[[str], bool] = lambda text: False) -> Rewind:
    return Rewind(LETTERS, 2, 0, 28, find, goes_on)


def looks(rewind: Rewind, text: str, *, first: int) -> Iterator[tuple[int, list[Found]]]:
    """What comes of each look-out point of a text, the gate being open at the first that is given."""
    for read in range(first, len(text) + 1, STRIDE):
        yield read, rewind.look(text[:read], read, read == first)


@pytest.mark.parametrize("order", [LETTERS, WORDS])
def test_readings_backwards_know_their_places(order: Order) -> None:
    """Every character of a reading stands where its place says; parts of a reading join."""
    tail = "he said: one two  three\nfour "
    for index in range(len(tail)):
        edge = order.edge(tail, index)
        assert edge <= index
        text, places = order.read(tail, edge, len(tail))
        assert [tail[place] for place in places] == list(text)
        joined = text + order.read(tail, 0, edge)[0]
        assert joined.split() == order.read(tail, 0, len(tail))[0].split()


def test_words_are_read_whole() -> None:
    """The word that goes on is left out; a reading begins where a word does."""
    tail = "he said: one two three fo"
    assert WORDS.read(tail, 0, len(tail))[0].split() == ["three", "two", "one", "said:", "he"]
    assert [WORDS.edge(tail, index) for index in (0, 2, 3, 5, 9)] == [0, 0, 3, 3, 9]


def test_a_match_is_held_while_it_may_grow_and_let_go_when_it_does_not() -> None:
    """The hold begins where the match does, and ends when other text follows."""
    raw = SECRET[::-1]
    rewind = letters()
    assert rewind.look("so: " + raw[:24], 28, True) == []
    assert rewind.hold is not None
    assert rewind.hold <= 6
    assert rewind.look("so: " + raw[:24] + "but other words follow it, and go on and on", 71, False) == []
    assert rewind.hold is None


def test_a_finding_covers_the_run_up_to_the_newest_character() -> None:
    """The inner span, which leaves out the budget at its start, is stretched to what was read last."""
    raw = SECRET[::-1]
    found = letters().look("so: " + raw, 4 + len(raw), True)
    assert [(one.start, one.end) for one in found] == [(4 + 1, 4 + len(raw))]


def test_nothing_is_read_while_the_gate_is_shut() -> None:
    """Without suspicion no scanner is even made."""

    def never(text: str) -> list[tuple[int, Scanner]]:
        raise AssertionError("asked for a scanner")

    assert letters(never).look("plain text", 10, False) == []


@pytest.mark.parametrize(("goes_on", "every"), [(False, 2), (True, 4)])
def test_what_a_finding_covers_is_not_read_at_every_look_out_point(goes_on: bool, every: int) -> None:
    """From the first finding on it is enough to read now and then: what comes in between is held."""
    asked: list[str] = []

    def counted(text: str) -> list[tuple[int, Scanner]]:
        asked.append(text)
        return scanners(text)

    rewind = letters(counted, goes_on=lambda text: goes_on)
    text = "so:     " + SECRET[::-1]
    read_at, covered = list[int](), list[int]()
    for read, found in looks(rewind, text, first=32):
        if len(asked) > len(read_at):
            read_at.append(read)
        covered += [one.end for one in found]
        assert rewind.hold is not None
        assert rewind.hold <= (covered[-1] if covered else 10)
    first = read_at.index(covered[0])
    assert read_at[: first + 1] == list(range(32, covered[0] + 1, STRIDE))
    assert covered == list(range(covered[0], len(text) + 1, every * STRIDE))


def test_the_end_of_the_text_is_a_look() -> None:
    """What was held and not read since is read and covered at last; ``at`` is the text's length."""
    rewind = letters(goes_on=lambda text: True)
    text = ("so:     " + SECRET[::-1])[:71]
    held = [(rewind.hold, found) for _, found in looks(rewind, text, first=32)]
    assert held[-1][0] is not None
    found = rewind.finish(text, len(text))
    assert [(one.start <= 10, one.end, one.at) for one in found] == [(True, 71, 71)]
    assert letters().finish("nothing is held here", 20) == []


def test_a_long_match_is_read_only_as_far_as_it_must_be() -> None:
    """What was covered up to the last look need not be read again to grow the span."""
    secret = (
        SECRET + " " + SECRET.upper()[::-1] + " and on it goes like that until somebody stops it for good."
    )
    text = secret[::-1]
    fed: list[int] = []

    class Counting(ExactScanner):
        def feed(self, piece: str) -> Scan:
            fed[-1] += len(piece)
            return super().feed(piece)

    def counting(text: str) -> list[tuple[int, Scanner]]:
        fed.append(0)
        return [(0, Counting((secret,), 32, 12))]

    rewind = letters(counting)
    ends = [one.end for _, found in looks(rewind, text, first=32) for one in found]
    assert ends == sorted(set(ends))
    assert fed[-1] == 64, "the newest part alone"
    assert len(text) > 200


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
    rewind = Rewind(LETTERS, 2, 0, 4, lambda text: [(0, Slow())], lambda text: False)
    rewind.look("nothing of any interest stands here", 35, True)
    assert rewind.hold is None


def test_blanks_and_signs_do_not_use_up_what_is_read() -> None:
    """A secret in a drawing is held and found as far as its letters go, however many signs lie between."""
    words = SECRET.split()
    drawing = "".join(f"|  {word:<9}|\n+-------+\n" for word in words)
    raw = drawing[::-1]
    rewind = letters()
    found = [one for read, more in looks(rewind, "so: " + raw, first=160) for one in more]
    assert found, "as much as it has to say lies far back"
    assert max(one.end for one in found) > len(raw) - 64
    prose = "nothing of this is in a drawing, "
    assert LETTERS.size(prose, 20) == WORDS.size(prose, 20) == 20
    assert LETTERS.size("a" + " " * 50 + "b", 4) == 52
    assert WORDS.size("a" + " " * 50 + "b", 4) == 4
