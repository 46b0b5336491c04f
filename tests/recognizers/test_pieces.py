"""proxy/recognizers/pieces.py: sentences, without cutting names and addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.recognizers.pieces import LONGEST, pieces


@given(st.text(max_size=3000) | st.text("aB. \n。！,Dr", max_size=3000))
def test_the_pieces_are_the_text(text: str) -> None:
    """Nothing is lost or moved, and no piece is empty or too long."""
    cut = list(pieces(text))
    assert "".join(cut) == text
    assert all(0 < len(piece) <= LONGEST for piece in cut)


def test_sentences() -> None:
    """English and Chinese stops and blank lines end a sentence."""
    text = 'Ann left. "Why?" he asked. 你好。她走了！\n\nNew part'
    assert list(pieces(text)) == ["Ann left. ", '"Why?" he asked. 你好。', "她走了！\n\n", "New part"]


@pytest.mark.parametrize(
    "text",
    [
        "Ask Dr. Smith or J. K. Rowling about St. Louis",
        "6750 Koskikatu 25 Apt. 864\nArtilleros\n, CO\n Uruguay 64677",
        "It costs 3.50 at 10.30 a day",
    ],
)
def test_what_is_not_cut(text: str) -> None:
    """Titles, initials, numbers, and the lines of an address."""
    assert list(pieces(text)) == [text]
