"""Five symbols for four bytes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.decoders.base85 import Base85, GroupRun
from tests.detectors.decoders.reading import openings, read, readings, text

SECRET = "Only the duty manager may open the vault, and never alone."


@pytest.mark.parametrize("encode", [base64.a85encode, base64.b85encode])
@pytest.mark.parametrize("hidden", ["", "k", "k2", "k2#", "k2#Q"])
def test_both_alphabets_are_read_in_every_grouping(encode: object, hidden: str) -> None:
    """A run is read wherever its groups begin, and to the end of a last short group."""
    assert callable(encode)
    raw = hidden + encode(SECRET.encode()).decode()
    assert any(SECRET[8:] in reading for reading in readings(Base85(), raw[:24], raw[24:]))


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=40))
def test_what_python_encodes_is_read_back(writing: str) -> None:
    """Groups of any length are undone, the last one too."""
    values = {chr(code): code - 33 for code in range(33, 118)}
    assert text(read(GroupRun(values), base64.a85encode(writing.encode()).decode())[0]) == writing


@pytest.mark.parametrize(
    "tail", ["https://example.org/a/b", "antidisestablishmentarianism", "def f(x): return", ""]
)
def test_addresses_words_and_code_open_nothing(tail: str) -> None:
    """A run has more kinds of signs than these."""
    assert not openings(Base85(), tail)
