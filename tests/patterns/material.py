"""Texts for the properties of patterns: values, look-alikes and the signs that stand between them."""

from __future__ import annotations

from hypothesis import strategies as st

from proxy.patterns import PATTERNS

VALUES = tuple(text for pattern in PATTERNS for text in (*pattern.leaks, *pattern.passes))
BITS = (
    *"0123456789aAbBEeXxkKsS+-()@.:/_ =\"'\n\t京密码是号·\u200b，é",
    *("4111", " 1111", "sk-", "eyJ", "AKIA", "GB82", "password: ", "1381234", "://", "-----BEGIN ", "110105"),
    *(
        "ann@",
        "example.com",
        "PRIVATE KEY-----",
        "\n" * 3,
        " and the ",
        "护照",
        "x" * 70,
        "7" * 30,
        "A1b2C3d4",
    ),
)

texts = st.lists(st.sampled_from(VALUES + BITS), max_size=14).map("".join)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=5)
