"""Names of people: both orders, without titles."""

from __future__ import annotations

import pytest

from proxy.values.names import person_forms
from proxy.values.reading import GlyphTable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Noah Brown", ["noahbrown", "brownnoah"]),
        ("BROWN, Noah", ["noahbrown", "brownnoah"]),
        ("Dr. Noah Brown, PhD", ["noahbrown", "brownnoah"]),
        ("Mary Jane O'Brien Jr.", ["maryjaneobrien", "obrienmaryjane", "maryobrien", "obrienmary"]),
        ("Jan van der Berg", ["janvanderberg", "vanderbergjan"]),
        ("Noah", ["noah"]),
        ("Mr.", ["mr"]),
        ("王小明", ["王小明"]),
        ("王 小明", ["王小明"]),
        ("阿里·汗", ["阿里汗"]),
    ],
)
def test_forms(text: str, expected: list[str]) -> None:
    """The name as it is said comes first, however it was written."""
    assert list(person_forms(text, GlyphTable())) == expected
