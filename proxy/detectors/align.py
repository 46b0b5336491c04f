"""Where a near-verbatim span really ends, and how like its document it is: words aligned with words.

Strategy: seeds miss the last words of a changed passage, where no intact run of a seed's length is
left. When a chain has ended, the words of the stream are aligned with those of the document around the
chain's diagonal (longest common subsequence, rapidfuzz). The span ends with the last matched word up
to which enough of the words match; the score is the share of the span's words that do.

May import: the ground floor; rapidfuzz inside functions. The rule that must stay true: only hashes of
words are compared, and nothing before the covered end is given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DENSITY = 0.4
"""Of the words between the covered end and the end of a span, the least share that must match."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """``words``: how many of the stream's words belong to the span; ``score``: the share that match."""

    words: int
    score: float


def align(stream: Sequence[int], document: Sequence[int], covered: int) -> Alignment:
    """Align hashes of words. ``covered``: words of the stream that the chain is sure of."""
    from rapidfuzz.distance import LCSseq

    matched = [False] * len(stream)
    for block in LCSseq.opcodes(stream, document):
        if block.tag == "equal":
            matched[block.src_start : block.src_end] = [True] * (block.src_end - block.src_start)
    end, hits = covered, 0
    for index in range(covered, len(stream)):
        hits += matched[index]
        if matched[index] and hits >= DENSITY * (index + 1 - covered):
            end = index + 1
    return Alignment(end, sum(matched[:end]) / end if end else 0.0)
