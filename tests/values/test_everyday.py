"""The list of what is too common to point at anyone alone."""

from __future__ import annotations

from importlib import resources

import pytest

from proxy.values.everyday import is_common, is_never
from proxy.values.reading import letters_of


@pytest.mark.parametrize("day", ["20240229", "31121999", "12311999", "199912312359", "20240101120000"])
def test_dates_are_common(day: str) -> None:
    """Digits that read as a day, in any usual order, with or without a time."""
    assert is_common("order", day, [day])


@pytest.mark.parametrize("number", ["20241301", "18991231", "2024010", "99999998", "202401012"])
def test_other_numbers_are_not(number: str) -> None:
    """A month of 13 or a year of 1899 is no date."""
    assert not is_common("order", number, [number])


def test_function_words_alone_are_common_and_names_of_two_words_are_not() -> None:
    """Only a value made of nothing but function words is common for its words."""
    assert is_common("person", "maywill", ["may", "will"])
    assert not is_common("person", "maybrown", ["may", "brown"])
    assert is_common("person", "brown", ["brown"])


def test_what_is_never_kept() -> None:
    """Words of every other sentence, in both languages; no name is among them."""
    assert is_never("the") and is_never("我们")
    assert not any(map(is_never, ("will", "may", "grace", "mark", "rose", "高兴")))


def test_the_list_is_written_as_values_are_read() -> None:
    """Every entry is letters as a stream is read: an entry that is not could never be met."""
    text = (resources.files("proxy.values") / "everyday.txt").read_text("utf-8")
    words = [
        word.replace("'", "") for line in text.splitlines() if line[:1] not in "#[" for word in line.split()
    ]
    assert len(words) > 1500
    assert [word for word in words if letters_of(word) != word] == []
