"""proxy/recognizers/chinese_addresses.py: addresses by their signs, without the words that lead to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.recognizers.chinese_addresses import LEAKS, PASSES, addresses


@pytest.mark.parametrize(("text", "address"), LEAKS)
def test_addresses(text: str, address: str) -> None:
    """From the region to the room, and no more."""
    assert [text[start:end] for start, end in addresses(text)] == [address]


@pytest.mark.parametrize("text", PASSES)
def test_places_without_a_house(text: str) -> None:
    """A city, a road or a number alone is no address."""
    assert list(addresses(text)) == []


@given(st.text("省市区路街号栋室北京中山12在A，", max_size=60))
def test_any_text(text: str) -> None:
    """Spans lie in the text, in order."""
    spans = list(addresses(text))
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)
