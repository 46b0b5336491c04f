"""Where a near-verbatim span really ends, and how like its document it is: words aligned with words.

Strategy: seeds miss the last words of a changed passage, where no intact run of a seed's length is
left. When a chain has ended, the words of the stream are aligned with those of the document around the
chain's diagonal (longest common subsequence, rapidfuzz). The span ends with the last matched word up
to which enough of the words match; the score is the share of the span's words that do.

May import: the ground floor and this room; rapidfuzz and numpy inside functions. The rule that must stay
true: only hashes of words are compared, and nothing before the covered end is given up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from proxy.detectors.near import SPAN, Chain, NearMatch
from proxy.detectors.recent import Recent
from proxy.grams import GramKey, cut_words

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


def aligned_end(key: GramKey, recent: Recent, near: NearMatch, chain: Chain, units: int) -> tuple[int, float]:
    """The raw end of the last word that belongs to a span, and the share of its words that match.

    ``units``: those of the stream that have been followed. An end of 0: nothing after what the chain covers.
    """
    import numpy as np

    covered = chain.last
    first = max(recent.first, covered - SPAN)
    codes = np.frombuffer(recent.encoded(first, units), dtype="<u4")
    places = np.array(recent.offsets(first, units), dtype=np.int64)
    edges = cut_words(codes, places).tolist()
    words = [key.word(recent.encoded(first + begin, first + end)) for begin, end in pairwise(edges)]
    sure = bisect_right(edges, covered - first) - 1
    document, _ = near.words(chain, covered - first, units - covered)
    aligned = align(words, document, sure)
    last = first + edges[aligned.words] - 1
    return (recent.offset(last) + 1 if aligned.words > sure else 0), aligned.score
