"""Scanners and policies that are toys, to show what the guard does with any."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from proxy.types import Action, Finding, Provenance, Scan, Scanner, Span, Verdict

MASK = "\u2588"
Decide = Callable[[Finding], Verdict]
Make = Callable[[], list[Scanner]]

TEXTS = st.text(alphabet="abx- ", max_size=40)
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=4)


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


MADE = st.sampled_from(sorted(FAMILIES)).map(FAMILIES.__getitem__)
