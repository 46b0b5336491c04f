"""A detector that is obviously right: the longest tail of the stream that stands in one of a few secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.text import units_of
from proxy.types import Finding, Provenance, Scan, Scanner, Span, Threshold, View, in_full

ACT, BUDGET = 32, 12


def view(budget: int = BUDGET, act: int = ACT, echo: tuple[str, ...] = ()) -> View:
    """The view of a caller from whom the audience ``admin`` is kept."""
    return View(
        role="public",
        protected=("admin",),
        cleared=(),
        thresholds={"admin": Threshold(act, budget)},
        echo=echo,
    )


@dataclass(frozen=True)
class Exact:
    """Finds runs of ``act`` units of a secret, and holds what is more than ``budget`` of one."""

    secrets: tuple[str, ...]
    name: str = "exact"

    def scanner(self, view: View) -> Scanner:
        limit = view.thresholds["admin"]
        return ExactScanner(self.secrets, limit.act, limit.budget)


class ExactScanner:
    def __init__(self, secrets: Sequence[str], act: int, budget: int) -> None:
        self._act, self._budget = act, budget
        self._places: dict[int, list[tuple[int, int]]] = {}
        for number, secret in enumerate(secrets):
            codes = [code for character in secret for code in units_of(character)]
            for place, code in enumerate(codes):
                self._places.setdefault(code, []).append((number, place))
        self._live: dict[tuple[int, int], int] = {}
        self._raw: list[int] = []
        self._read = self._floor = self._parts = self._covered = 0
        self._active = False

    def feed(self, piece: str) -> Scan:
        settled, findings = [], list[Finding]()
        for character in piece:
            for code in units_of(character):
                self._raw.append(self._read)
                self._live = {
                    (number, place): self._live.get((number, place - 1), 0) + 1
                    for number, place in self._places.get(code, ())
                }
            match = max(self._live.values(), default=0)
            self._read += 1
            self._active = self._active and match >= self._act
            if match >= self._act and units_of(character):
                findings.append(self._found(len(self._raw) - match))
            held = max(0, match - self._budget)
            begin = self._raw[len(self._raw) - held] if held else self._read
            if match >= self._act:
                begin = max(begin, self._covered)
            self._floor = max(self._floor, min(begin, self._read))
            settled.append(self._floor)
        return Scan(findings, settled)

    def _found(self, first: int) -> Finding:
        """The span of the match that begins at unit ``first``, or what it has grown by."""
        start = self._raw[min(first + self._budget, len(self._raw) - 1)]
        origin: int | None = self._raw[first]
        if self._active:
            start, origin = self._covered, None
        else:
            self._parts += 1
        self._active = True
        self._covered = self._read
        return Finding(
            "exact",
            "passage",
            Span(max(start, self._floor), self._read),
            self._read - 1,
            provenance=Provenance("secret:0", "admin"),
            origin=origin,
            part_of=self._parts,
        )

    def finish(self) -> Sequence[Finding]:
        return ()


def run(scanner: Scanner, pieces: Sequence[str]) -> tuple[list[Finding], list[int]]:
    """Feed pieces, finish: (all findings, what was settled after each character)."""
    findings: list[Finding] = []
    settled: list[int] = []
    for piece in pieces:
        scan = in_full(scanner.feed(piece), len(settled), len(piece))
        assert len(scan.settled) == len(piece)
        findings += scan.findings
        settled += scan.settled
    return [*findings, *scanner.finish()], settled


def cut(text: str, sizes: Sequence[int]) -> Iterator[str]:
    """Cut a text into pieces of the given sizes, over and over."""
    start, turn = 0, 0
    while start < len(text):
        size = sizes[turn % len(sizes)] if sizes else len(text)
        yield text[start : start + size]
        start, turn = start + size, turn + 1


def covered(findings: Sequence[Finding], settled: Sequence[int], start: int, end: int) -> int:
    """Characters of [start, end) that left before a verdict covered them, or that none ever covered."""
    inside = {index for finding in findings for index in range(finding.span.start, finding.span.end)}
    return sum(index not in inside for index in range(start, end))
