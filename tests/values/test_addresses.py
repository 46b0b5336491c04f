"""Addresses: the whole, its street alone, long and short words, and Chinese regions left out."""

from __future__ import annotations

import pytest

from proxy.values.addresses import address_forms
from proxy.values.reading import GlyphTable


def forms(text: str) -> list[str]:
    return list(dict.fromkeys(address_forms(text, GlyphTable())))


def test_the_street_is_looked_for_alone() -> None:
    """So are its short and long words; not a suite or a postal code."""
    found = forms("986 Sunset Drive, Suite 259, Denver, CO 80279")
    assert found[0] == "986sunsetdrivesuite259denverco80279"
    assert {"986sunsetdrste259denverco80279", "986sunsetdrive", "986sunsetdr"} <= set(found)
    assert not {"suite259", "co80279", "denver"} & set(found)


@pytest.mark.parametrize("text", ["12 North Elm St.", "12 north elm street"])
def test_short_and_long_words(text: str) -> None:
    """An address is found whichever way its words were written in the training set."""
    assert {"12northelmstreet", "12nelmst"} <= set(forms(text))


def test_chinese_regions_may_be_left_out() -> None:
    """What follows a province, a city or a district is looked for alone where it has a number."""
    assert forms("北京市朝阳区建国路88号") == ["北京市朝阳区建国路88号", "朝阳区建国路88号", "建国路88号"]
    assert forms("北京市朝阳区") == ["北京市朝阳区"]
