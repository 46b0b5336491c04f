"""Aligning words: the span ends with the last word that belongs to it, and not with a chance match."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.align import align


def test_the_span_grows_over_a_changed_word() -> None:
    """Words after the covered end that match, with a changed one between, belong to the span."""
    assert align([1, 2, 3, 99, 5, 6, 70, 71, 72], [1, 2, 3, 4, 5, 6, 7, 8], 3).words == 6


def test_a_chance_match_far_behind_does_not_count() -> None:
    """A single common word after many strangers is no part of the passage."""
    assert align([1, 2, 3, 90, 91, 92, 93, 94, 4], [1, 2, 3, 4], 3).words == 3


def test_the_score_is_the_share_that_matches() -> None:
    """Three words of four that match score 0.75."""
    assert align([1, 99, 3, 4], [1, 2, 3, 4], 4).score == 0.75


def test_nothing_to_align() -> None:
    """An empty stream has no words and no score."""
    assert align([], [1, 2], 0).words == 0
    assert align([], [1, 2], 0).score == 0.0


@given(st.lists(st.integers(0, 5), max_size=30), st.lists(st.integers(0, 5), max_size=30), st.data())
def test_the_covered_part_is_never_given_up(
    stream: list[int], document: list[int], data: st.DataObject
) -> None:
    """Whatever the words are: the span does not end before what was sure, nor after the stream."""
    covered = data.draw(st.integers(0, len(stream)))
    found = align(stream, document, covered)
    assert covered <= found.words <= len(stream)
    assert 0.0 <= found.score <= 1.0
