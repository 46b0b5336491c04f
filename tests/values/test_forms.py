"""Forms: what of a value is looked for, and what is too short or too common to be a finding alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.types import Value
from proxy.values.forms import ACTS, LONGEST, Forms, forms_of, is_safe
from proxy.values.reading import count_units, letters_of

ENTITIES = ["person", "phone", "email", "address", "place", "order", "cn_id", "api_key", "whatever"]


def of(entity: str, text: str) -> Forms:
    forms = forms_of(Value(entity, text))
    assert forms is not None
    return forms


@given(st.sampled_from(ENTITIES), st.text(max_size=200))
def test_any_text_has_sound_forms(entity: str, text: str) -> None:
    """Forms are letters, all different; a value that is safe has no form that is not."""
    forms = forms_of(Value(entity, text))
    if forms is None:
        return
    assert len(set(forms.letters)) == len(forms.letters)
    for form in forms.letters:
        assert form == letters_of(form)
        assert count_units(form) >= 3
        assert forms.weak or forms.long or is_safe(entity, form)
    assert forms.long == (len(forms.letters[0]) >= ACTS)
    assert all(len(form) < ACTS for form in forms.letters[1:])


def test_an_identifier_is_found_without_its_prefix() -> None:
    """Of an order number with a letter before it, the number alone is looked for as well."""
    assert of("order", "#W7678072").letters == ("w7678072", "7678072")
    assert of("order", "AB-12-CD-34").letters == ("ab12cd34",)
    assert of("account", "credit_card_7815826").letters == ("creditcard7815826", "7815826")
    assert of("order", "W123").letters == ("w123",)


def test_a_number_in_chinese_numerals_is_a_number() -> None:
    """It is stored as digits, so that both spellings find it."""
    assert of("account", "一三八零零一三八").letters == ("13800138",)


def test_an_email_with_at_and_dot_spelt_out() -> None:
    """Dots and the at sign are dropped; spelt as words they are forms of their own."""
    assert of("email", "Noah.Brown7@Example.com").letters == (
        "noahbrown7examplecom",
        "noahbrown7atexamplecom",
        "noahbrown7atexampledotcom",
        "noahdotbrown7atexampledotcom",
    )
    assert of("email", "no at sign here").letters == ("noatsignhere",)


@pytest.mark.parametrize(
    ("entity", "text", "weak", "common"),
    [
        ("person", "Noah Brown", False, False),
        ("person", "Noah", True, True),
        ("person", "Ann Li", True, False),
        ("person", "王小明", False, False),
        ("person", "王芳", True, False),
        ("person", "张三", True, True),
        ("person", "Elizabeth", True, True),
        ("person", "Johansson", True, False),
        ("person", "김철수", False, False),
        ("person", "アリババ", False, False),
        ("person", "Featherstonehaugh", False, False),
        ("organisation", "Globexia", True, True),
        ("organisation", "Globexia Holdings", True, True),
        ("person", "May Will", True, True),
        ("person", "Grace Brown", False, False),
        ("place", "Denver", True, True),
        ("place", "Little Snoring on the Water", True, True),
        ("address", "80279", True, False),
        ("address", "Suite 259", False, False),
        ("address", "Suite 12B", True, True),
        ("address", "Floor 2, Room 12", True, True),
        ("address", "CO 80279", False, False),
        ("address", "986 Sunset Drive", False, False),
        ("address", "Denver, CO, USA", True, True),
        ("address", "朝阳区建国路88号", False, False),
        ("account", "12345", True, False),
        ("account", "1234567", True, True),
        ("account", "1234569", False, False),
        ("date_of_birth", "1985-03-12", True, True),
        ("order", "20231015", True, True),
        ("order", "20231015123456", True, True),
        ("order", "20231315", False, False),
        ("email", "info@example.com", True, True),
        ("email", "john.doe@example.com", True, True),
        ("card", "9212", True, False),
    ],
)
def test_weak_and_common(entity: str, text: str, weak: bool, common: bool) -> None:
    """Weak is what is short or common; what is common proves nothing about another value either."""
    forms = of(entity, text)
    assert (forms.weak, forms.common) == (weak, common)


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("person", "the"),
        ("person", "我们"),
        ("place", "CO"),
        ("account", "123"),
        ("person", "Bo"),
        ("order", "—"),
        ("x", ""),
    ],
)
def test_what_is_not_kept(entity: str, text: str) -> None:
    """Values without letters, shorter than any use, or in every other sentence have no forms."""
    assert forms_of(Value(entity, text)) is None


def test_a_long_value_has_one_form_and_an_end() -> None:
    """Of a value of a megabyte the beginning is kept, and it is said that it was cut."""
    forms = of("private_key", "MIIE" * 250_000)
    assert forms.letters == (("miie" * 1024)[:LONGEST],)
    assert forms.long and forms.cut and not forms.weak
    assert not of("private_key", "ab" * 100).cut
