"""Names and addresses in an answer, read sentence by sentence by recognizers, where a policy asks for it.

Strategy. A line end, or ``LONGEST`` characters, complete a sentence; until then it is held. A long one is
cut at a blank or stop some way before its end, and a name across the cut goes whole into the next sentence.
The scanner is synchronous: reading takes milliseconds, so whoever feeds it does so in a thread
(``PiiDetector.slow``).

May import: the ground floor. The rule that must stay true: a sentence leaves only after it has been read; a
recognizer that raises ends the answer, since the guard lets nothing go of a piece whose scanner failed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from proxy.types import Finding, Scan, Span

LONGEST = 300
"""Characters of a sentence at most."""
OVERLAP = 80
"""Characters at the end of a long sentence that are read again with the next: a name may go on there."""

_STOPS = frozenset(" \t.,;:!?。，、；：！？")

Recognize = Callable[[str], Sequence[tuple[str, int, int, float]]]
"""A sentence -> (entity, start, end, score) of each name in it, with offsets in characters."""


class NamesScanner:
    """Reads completed sentences of one channel."""

    def __init__(
        self, detector: str, recognize: Recognize, echo: Sequence[str], stopped: Collection[str]
    ) -> None:
        """``stopped``: entities that the policy stops; where it is empty, nothing is held."""
        self._detector = detector
        self._recognize = recognize
        self._echo = echo
        self._own: list[str] | None = None
        self._holds = bool(stopped)
        self._sentence = ""
        self._start = 0

    def feed(self, piece: str) -> Scan:
        findings: list[Finding] = []
        settled: list[int] = []
        while piece:
            stop = piece.find("\n") + 1 or len(piece)
            stop = min(stop, LONGEST - len(self._sentence))
            self._sentence += piece[:stop]
            read = self._start + len(self._sentence)
            first = self._start if self._holds else read - stop + 1
            ended = piece[stop - 1] == "\n" or len(self._sentence) == LONGEST
            piece = piece[stop:]
            settled += [self._start] * stop if self._holds else range(first, read + 1)
            if ended:
                self._complete(read - 1, findings)
                if self._holds:
                    settled[-1] = self._start
        return Scan(findings, settled)

    def finish(self) -> Sequence[Finding]:
        findings: list[Finding] = []
        self._tell(len(self._sentence), self._start + len(self._sentence), findings)
        self._sentence = ""
        return findings

    def _complete(self, at: int, findings: list[Finding]) -> None:
        """The sentence ends with character ``at``; what is cut off of a long one begins the next."""
        cut = len(self._sentence)
        if not self._sentence.endswith("\n"):
            cut = LONGEST - OVERLAP
            stops = [n for n in range(LONGEST // 2, cut) if self._sentence[n] in _STOPS]
            cut = stops[-1] + 1 if stops else cut
        cut = self._tell(cut, at, findings)
        self._start += cut
        self._sentence = self._sentence[cut:]

    def _tell(self, cut: int, at: int, findings: list[Finding]) -> int:
        """Report the names before ``cut``; one that lies across it moves the cut to where it begins."""
        found = self._recognize(self._sentence) if self._sentence.strip() else ()
        for _, start, end, _ in found:
            if LONGEST // 4 <= start < cut < end:
                cut = start
        for entity, start, end, score in sorted(found, key=lambda each: each[1:3]):
            end = min(end, cut)
            if start < end and not self._is_own(self._sentence[start:end]):
                span = Span(self._start + start, self._start + end)
                findings.append(Finding(self._detector, entity, span, at, score))
        return cut

    def _is_own(self, name: str) -> bool:
        """Whether the caller wrote this name, as a whole word."""
        if self._own is None:
            self._own = [_spaced(text) for text in self._echo]
        wanted = _spaced(name)
        return any(wanted in text for text in self._own)


def _spaced(text: str) -> str:
    """Casefolded words with single blanks between and around; Han characters stand alone."""
    signs = (c if c.isalnum() and c < "\u2e80" else f" {c} " if c.isalnum() else " " for c in text.casefold())
    return f" {' '.join(''.join(signs).split())} "
