"""Names of audiences: how they are spelled, and which of several is the narrowest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.datasets.audience import Order, is_alike, same_key, spelled
from proxy.types import NOBODY

ORDER = Order()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("admin", "admin"),
        (" Admin ", "admin"),
        ("ADMIN", "admin"),
        ("ａｄｍｉｎ", "admin"),
        ("'admin'", "admin"),
        ('"admin"', "admin"),
        ("[admin]", "admin"),
        ("**admin**", "admin"),
        ("ad\u200bmin", "admin"),
        ("adm\x00in", "admin"),
        ("hr.de-2", "hr.de-2"),
        ("员工", "员工"),
        ("\u0430dmin", "\u0430dmin"),
    ],
)
def test_an_audience_is_spelled_as_the_policy_spells_it(text: str, name: str) -> None:
    """Case, width, blanks, quotes and invisible characters do not matter; look-alikes are another name."""
    assert ORDER.named(text) == name


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, []),
        ("", []),
        ("staff", ["staff"]),
        ("staff, admin", ["staff", "admin"]),
        ("staff|admin", ["staff", "admin"]),
        ("['staff', 'admin']", ["staff", "admin"]),
        (["staff", "Admin"], ["staff", "admin"]),
        (["staff", ["admin"]], ["staff", "admin"]),
        ("hr", ["hr"]),
        ("staff, hr", [NOBODY]),
        ("young people", [NOBODY]),
        (" ", [NOBODY]),
        ("*", [NOBODY]),
        ([], [NOBODY]),
        (["admin", None], ["admin", NOBODY]),
        (3, [NOBODY]),
        (False, [NOBODY]),
        ({"name": "admin"}, [NOBODY]),
        ("x" * 65, [NOBODY]),
    ],
)
def test_a_value_names_audiences_or_nobody(value: Any, names: list[str]) -> None:
    """What cannot be read is for nobody; only an empty value says nothing."""
    assert ORDER.read(value) == names


def test_the_order_is_that_of_the_policy() -> None:
    """Narrower: read by fewer roles; what cannot be compared is for nobody."""
    order = Order.of({"eu": ["common", "eu"], "us": ["common", "us"]}, ["common", "eu", "us"])
    assert order.narrowest(["common", "eu"]) == "eu"
    assert order.narrowest(["eu", "us"]) == NOBODY
    assert order.narrowest(["us"]) == "us"
    assert order.narrowest(["common", "new"]) == NOBODY
    assert order.meant("comon") == "common"
    assert order.meant("xyz") == ""
    assert order.is_wider("common", "eu") and not order.is_wider("eu", "common")
    assert order.is_wider("eu", "us") and not order.is_wider("new", "us")


NAMES = st.sampled_from(["public", "staff", "admin", NOBODY, "hr", "eu"])


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_no_role_reads_the_narrowest_unless_it_reads_all(names: list[str]) -> None:
    chosen = ORDER.readers.get(ORDER.narrowest(names), frozenset())
    assert all(chosen <= ORDER.readers.get(name, frozenset()) for name in names)


@pytest.mark.parametrize(
    "key",
    [
        "Audience",
        " AUDIENCE ",
        "ａｕｄｉｅｎｃｅ",
        "'audience'",
        "audience:",
        "_audience",
        "\ufeffaudience",
        "audience\u200b",
        "aud\x00ience",
        "аudience",
        "audi\xadence",
    ],
)
def test_a_key_is_the_same_in_every_spelling(key: str) -> None:
    """Case, width, signs, invisible and look-alike characters do not hide a mark."""
    assert same_key(key, "audience")


@pytest.mark.parametrize("key", ["", "audiences", "text", "audi ence x", "audience" * 40])
def test_other_keys_are_other_keys(key: str) -> None:
    assert not same_key(key, "audience")


@pytest.mark.parametrize(
    "key",
    [
        "audiance",
        "Audiences",
        "audience_level",
        "target_audience",
        "audienceType",
        "visibility",
        "Access",
        "access_level",
        "accessLevel",
        "受众",
        "密级",
        "權限",
    ],
)
def test_a_field_that_may_be_meant_is_found(key: str) -> None:
    assert is_alike(key)


@pytest.mark.parametrize("key", ["text", "audit", "author", "audio", "an audience with the king of Spain"])
def test_other_fields_are_left_alone(key: str) -> None:
    assert not is_alike(key)


def test_spellings_are_compared_without_their_looks() -> None:
    assert spelled(" “Ａdmin” ") == "admin"
