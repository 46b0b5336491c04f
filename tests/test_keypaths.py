"""Key paths of the JSON in a text: whole, broken, nested, inside prose and strings, however it is cut."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.keypaths import KeyPathReader, Told, name_of, paths_of_fields
from tests.detectors.conformance import cut


def objects(text: str) -> list[set[str]]:
    """The paths of each object that was opened, those with none left out."""
    reader = KeyPathReader()
    told = reader.feed(text)
    return [found.paths for found in dict.fromkeys(each.object for each in told) if found.paths]


ORDER = {
    "order_id": "#W1",
    "address": {"zip": "80279", "city": 'Den"ver, CO'},
    "items": [{"name": "Water", "price": 47.84}, {"name": "Tea", "options": None}],
    "payment_methods": {"paypal_5727330": {"source": "paypal"}},
}
PATHS = {
    "orderid",
    "address",
    "address/zip",
    "address/city",
    "items",
    "items/*/name",
    "items/*/price",
    "items/*/options",
    "paymentmethods",
    "paymentmethods/*/source",
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ORDER),
        json.dumps(ORDER, indent=4),
        f"Here it is: ```json\n{json.dumps(ORDER, indent=1)}\n``` That's all.",
        repr(ORDER),
        json.dumps(ORDER) + json.dumps(ORDER),
        "[1, 2] " + json.dumps(ORDER),
        "{" + json.dumps(ORDER),
        "It's {not} JSON. But: " + json.dumps(ORDER),
        json.dumps(ORDER).replace('"order_id"', "orderId").replace('"items"', "items"),
        json.dumps({"result": json.dumps(ORDER)}),
        json.dumps({"result": json.dumps(ORDER, indent=2)}),
        json.dumps(ORDER)[:-1] + ",}",
    ],
)
def test_the_paths_of_an_object(text: str) -> None:
    """Found in prose, in a code fence, in a string, after broken JSON, with any quotes and any indent."""
    assert PATHS in objects(text)


def test_an_envelope_has_longer_paths_and_the_record_its_own() -> None:
    """A key tells one path of each object around it."""
    found = objects(json.dumps({"data": {"order": ORDER}}))
    assert PATHS in found
    assert {"data", "data/order"} | {f"data/order/{path}" for path in PATHS} in found


def test_keys_that_are_data_are_one() -> None:
    """Ids, numbers and very long keys are a star; other spellings of a name are the same name."""
    assert [name_of(key) for key in ("order_id", "orderId", "Order-ID", "ORDER ID", "订单号")] == [
        "orderid"
    ] * 4 + ["订单号"]
    assert [name_of(key) for key in ("#W2611340", "17", "2024-01-02", "", "—", "x" * 65)] == ["*"] * 6
    assert name_of("sha256") == "sha256"
    assert name_of("a.b") == "a/b"


def test_the_fields_of_a_record_give_the_same_paths() -> None:
    """A record read from a file and one that is written as JSON have one structure."""
    fields = [
        ("order_id", "#W1"),
        ("address.zip", "80279"),
        ("address.city", "Denver"),
        ("items.0.name", "Water"),
        ("items.0.price", "47.84"),
        ("items.1.name", "Tea"),
        ("items.1.options", "x"),
        ("payment_methods.paypal_5727330.source", "paypal"),
    ]
    assert paths_of_fields(fields) == PATHS


def values(depth: int = 3) -> st.SearchStrategy[Any]:
    keys = st.text(st.sampled_from("abcxyz_ \"'\\{}[]:,\n1"), min_size=1, max_size=6)
    leaves = (
        st.none() | st.booleans() | st.integers() | st.text(st.sampled_from("ab\"'\\{}[]:, \n"), max_size=12)
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


def events(text: str, sizes: list[int]) -> list[tuple[int, int, str | None]]:
    reader = KeyPathReader()
    told: list[Told] = []
    for piece in cut(text, sizes):
        told += reader.feed(piece)
    numbers = {found: number for number, found in enumerate(dict.fromkeys(each.object for each in told))}
    return [(each.at, numbers[each.object], each.path) for each in told]


@settings(max_examples=300, deadline=None)
@given(values(), st.integers(0, 3), st.integers(0, 200), st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_the_cutting_changes_nothing(value: Any, indent: int, end: int, sizes: list[int]) -> None:
    """Of any JSON, whole or cut short, and of what is no JSON."""
    text = json.dumps(value, indent=indent or None)
    for each in (text, text[:end], text.replace('"', "'"), "x {" + text):
        assert events(each, sizes) == events(each, [1])


def expected(value: Any) -> list[set[str]]:
    """The paths of every object of a value, by walking it."""
    found: list[set[str]] = []

    def walk(node: Any) -> set[str]:
        paths: set[str] = set()
        if isinstance(node, dict):
            for key, inner in node.items():
                paths |= {key} | {f"{key}/{path}" for path in walk(inner)}
            found.append(set(paths))
        elif isinstance(node, list):
            for inner in node:
                paths |= {f"*/{path}" for path in walk(inner)}
        return paths

    walk(value)
    return [paths for paths in found if paths]


def plain(dice: random.Random, depth: int) -> Any:
    kind = dice.randrange(4) if depth else 0
    if kind == 1:
        return [plain(dice, depth - 1) for _ in range(dice.randrange(3))]
    if kind > 1:
        return {f"k{dice.choice('abcdefgh')}": plain(dice, depth - 1) for _ in range(dice.randrange(5))}
    return dice.choice(
        [1, None, "text, with {braces}: and [more]", 'a "quoted" word', "it's", "\\n \n", "", True]
    )


def test_paths_are_those_of_the_parsed_value() -> None:
    """Of 500 random values whose strings are full of JSON's signs, as JSON writes them."""
    for seed in range(500):
        value = plain(random.Random(seed), 5)
        text = json.dumps(value, indent=seed % 3 or None)
        assert sorted(map(sorted, objects(text))) == sorted(map(sorted, expected(value))), seed


def test_nothing_is_too_deep_or_too_large() -> None:
    """A thousand brackets, an object of 100,000 keys and a key of a megabyte are read through, in bounds."""
    reader = KeyPathReader()
    reader.feed('{"a":' * 1000 + "1" + "}" * 1000)
    assert reader.idle
    reader = KeyPathReader()
    told = reader.feed(
        "{" + ",".join(f'"key{chr(97 + n % 26)}{chr(97 + n // 26)}": 1' for n in range(5000)) + "}"
    )
    assert len({each.path for each in told}) < 3000
    assert objects('{"' + "k" * 1_000_000 + '": 1, "b": 2}') == [{"b"}]


def test_text_without_braces_is_passed_over() -> None:
    """It costs nothing and tells nothing, and offsets go on counting."""
    reader = KeyPathReader()
    assert not reader.feed('no "JSON": here, [at] all')
    reader.pass_over(100)
    assert reader.idle
    assert [each.at for each in reader.feed('{"a": 1}')] == [129, 132]
