"""proxy/patterns/checks.py: check digits, by the examples of the standards and by changing a digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.patterns import checks

GOOD = [
    (checks.card, "4111111111111111"),
    (checks.card, "378282246310005"),
    (checks.card, "6011111111111117"),
    (checks.card, "30569309025904"),
    (checks.cn_id, "11010519491231002X"),
    (checks.cn_id, "440524188001010014"),
    (checks.cn_company, "91350100M000100Y43"),
    (checks.cn_company, "91110108551385082Q"),
    (checks.us_ssn, "460-89-9847"),
    (lambda text: checks.iban_length(text) == len(text), "GB82WEST12345698765432"),
    (lambda text: checks.iban_length(text) == len(text), "DE89370400440532013000"),
    (lambda text: checks.iban_length(text) == len(text), "FR1420041010050500013M02606"),
]


@pytest.mark.parametrize(("check", "number"), GOOD)
def test_numbers_of_the_standards(check: checks.Check, number: str) -> None:
    """Published examples are right."""
    assert check(number)


@pytest.mark.parametrize(("check", "number"), [pair for pair in GOOD if pair[0] is not checks.us_ssn])
def test_a_changed_digit_is_noticed(check: checks.Check, number: str) -> None:
    """Every single wrong digit makes the number wrong."""
    for place, sign in enumerate(number):
        if sign.isdigit():
            wrong = number[:place] + str((int(sign) + 1) % 10) + number[place + 1 :]
            assert not check(wrong), wrong


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (checks.card, "0000000000000000"),
        (checks.card, "9111111111111111"),
        (checks.card, "4111111111111"),
        (checks.cn_id, "110105194902310024"),
        (checks.cn_id, "990105194912310025"),
        (checks.cn_id_old, "110105491331002"),
        (checks.us_ssn, "078-05-1120"),
        (checks.us_ssn, "900-12-3456"),
        (checks.ipv4, "10.0.0.1"),
        (checks.ipv4, "172.20.1.1"),
        (checks.ipv4, "1.2.3.4"),
        (checks.ipv4, "256.1.1.1"),
        (checks.cn_company, "91350100M000100Y4"),
    ],
)
def test_what_nobody_gives_out(check: checks.Check, text: str) -> None:
    """Reserved numbers, impossible dates and unknown issuers."""
    assert not check(text)


@given(st.text("0123456789ABXYZ -.", max_size=24))
def test_iban_never_raises(text: str) -> None:
    """Any text of the signs of an account is answered."""
    assert 0 <= checks.iban_length(text) <= len(text)


def test_entropy() -> None:
    """In bits: one sign tells nothing, sixteen different ones four bits each."""
    assert checks.entropy("") == 0
    assert checks.entropy("aaaa") == 0
    assert checks.entropy("0123456789abcdef") == 4
