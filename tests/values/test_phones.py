"""Phone numbers: with and without country code, extension and trunk zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.values.phones import phone_forms
from proxy.values.reading import GlyphTable


def forms(text: str) -> list[str]:
    return list(dict.fromkeys(phone_forms(text, GlyphTable())))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+86 138-1234-5678", ["13812345678", "8613812345678", "008613812345678"]),
        ("13812345678", ["13812345678", "8613812345678", "008613812345678"]),
        ("8613812345678", ["13812345678", "8613812345678", "008613812345678"]),
        ("0086 138 1234 5678", ["13812345678", "8613812345678", "008613812345678"]),
        ("一三八一二三四五六七八", ["13812345678", "8613812345678", "008613812345678"]),
        ("(415) 555-2671", ["4155552671", "14155552671", "0014155552671"]),
        ("+1 415 555 2671 ext. 12", ["4155552671", "14155552671", "0014155552671"]),
        ("010-65529988转8001", ["01065529988", "1065529988", "861065529988", "00861065529988"]),
        ("+44 (0)20 7946 0958", ["2079460958", "442079460958", "00442079460958", "02079460958"]),
        ("555-0199", ["5550199"]),
        ("+353 1 234 5678", ["12345678", "35312345678", "0035312345678", "012345678"]),
        ("9212", ["9212"]),
        ("x12345678", ["12345678"]),
    ],
)
def test_forms(text: str, expected: list[str]) -> None:
    """The national number comes first; the others are ways of dialling it."""
    assert forms(text) == expected


@given(st.text())
def test_any_text_gives_digits(text: str) -> None:
    """Whatever is called a phone number, its forms are digits."""
    assert all(form == "" or (form.isascii() and form.isdecimal()) for form in forms(text))
