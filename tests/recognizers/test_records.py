"""proxy/recognizers/records.py: values are known from the names of their fields, alone and together."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.recognizers.records import goods_of, json_fields, leaves, plausible, values_of
from proxy.types import Value

USER = {
    "name": {"first_name": "Noah", "last_name": "Brown"},
    "address": {
        "address1": "98 Sunset Drive",
        "address2": "Suite 25",
        "city": "Denver",
        "state": "CO",
        "zip": "80279",
    },
    "email": "noah.b@example.com",
    "payment_methods": {"card_7815826": {"source": "card", "last_four": "9212", "id": "card_7815826"}},
    "orders": ["#W7678072"],
    "active": True,
}


def values(record: object) -> set[tuple[str, str]]:
    return {(value.entity, value.text) for value in values_of(leaves(record))}


def test_a_record_of_a_shop() -> None:
    """Every value of the customer, and name and address put together."""
    assert values(USER) == {
        ("person", "Noah"),
        ("person", "Brown"),
        ("person", "Noah Brown"),
        ("address", "98 Sunset Drive"),
        ("address", "Suite 25"),
        ("place", "Denver"),
        ("place", "CO"),
        ("address", "80279"),
        ("address", "98 Sunset Drive, Suite 25"),
        ("address", "98 Sunset Drive, Suite 25, Denver, CO 80279"),
        ("email", "noah.b@example.com"),
        ("card", "9212"),
        ("account", "card_7815826"),
        ("order", "#W7678072"),
    }


def test_a_chinese_record() -> None:
    """Names without a blank between, addresses from the large to the small."""
    record = {
        "姓": "x",
        "联系人": {"surname": "王", "given_name": "小明"},
        "地址": {"省": "浙江省", "市": "杭州市", "区": "西湖区", "详细地址": "文三路478号"},
        "手机号": 13812345678,
        "身份证号": "11010519491231002X",
    }
    found = values(record)
    assert {("person", "王小明"), ("address", "浙江省杭州市西湖区文三路478号")} <= found
    assert {("phone", "13812345678"), ("cn_id", "11010519491231002X")} <= found


def test_a_name_beside_personal_fields() -> None:
    """The name of a customer is a person's, the name of a ware is not."""
    assert ("person", "Mia Smith") in values({"name": "Mia Smith", "email": "mia@example.com"})
    assert values({"name": "Water Bottle", "price": 47.84}) == set()


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("email", "n/a"),
        ("email", "on request"),
        ("phone", "yes"),
        ("phone", "n.a."),
        ("person", "Agent 007"),
        ("person", "-"),
        ("card", "visa"),
        ("order", "open"),
        ("tracking", "pending"),
        ("place", "pending"),
        ("api_key", "enabled"),
        ("password", "null"),
        ("cn_id", "0000"),
        ("identifier", "xx"),
        ("address", "无"),
    ],
)
def test_what_is_no_value(entity: str, text: str) -> None:
    """Placeholders, states and what has too few digits for its kind."""
    assert plausible(entity, text) == ""


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(USER),
        f"The tool answered:\n```json\n{json.dumps(USER, indent=2)}\n```\nDone.",
        f"[{json.dumps(USER)}, 3] and so on",
        json.dumps({"role": "tool", "content": json.dumps(USER)}),
        json.dumps({"result": [USER]}, ensure_ascii=True),
    ],
)
def test_json_in_texts(text: str) -> None:
    """Whole, inside prose, inside a code fence, and as a string in other JSON."""
    assert values(USER) <= {(v.entity, v.text) for v in values_of(json_fields(text))}


def test_text_that_is_no_json() -> None:
    """Braces alone are nothing, and what cannot be read is left to the other recognizers."""
    for text in (
        '{"email": "a@',
        "{ not json }",
        "[[[[",
        "{}" * 500,
        "{'email': 'a@example.com'}",
        "no braces",
    ):
        assert list(values_of(json_fields(text))) == []


def test_depth_and_size_do_not_matter() -> None:
    """JSON 1,000 levels deep, and a field of megabytes, break nothing."""
    deep = "[" * 1000 + '{"email": "a@example.com"}' + "]" * 1000
    list(values_of(json_fields(deep)))
    list(values_of(json_fields(f"see {deep}")))
    tree: object = {"email": "a@example.com"}
    for _ in range(5000):
        tree = [tree]
    assert list(values_of(leaves(tree))) == [Value("email", "a@example.com")]
    assert list(values_of([("email", "a@example.com" * 1_000_000)])) == []


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_read(value: object) -> None:
    """No value of JSON's types makes it fail, and every value comes from the record."""
    found = list(values_of(leaves(value)))
    assert all(isinstance(one, Value) and one.text for one in found)


def test_what_things_are_called() -> None:
    """The names of what has a price or a number of its kind; the name of a customer is none."""
    order = {
        "customer": {"name": "Bo Li"},
        "items": [{"name": "Tea Kettle", "product_id": "98"}, {"title": "Garden Hose", "price": 3.5}],
        "商品": [{"名称": "不锈钢水壶", "单价": 12}],
    }
    assert list(goods_of(leaves(order))) == ["Tea Kettle", "Garden Hose", "不锈钢水壶"]
