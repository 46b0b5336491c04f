"""proxy/recognizers/field_names.py: the name of a field says what it holds."""

from __future__ import annotations

import pytest

from proxy.policy.model import MASKS
from proxy.recognizers.field_names import _names, entity_of, plain_name
from proxy.recognizers.values import FINDS

HOLDS = {
    "email": "email",
    "customer.emailAddress": "email",
    "phone_number": "phone",
    "Shipping Address 1": "address",
    "address.zip": "address",
    "billingZipCode": "address",
    "address.city": "place",
    "name.first_name": "person",
    "customer.name": "person",
    "customers.3.name": "person",
    "users.0.id": "account",
    "order_id": "order",
    "orders.0": "order",
    "fulfillments.0.tracking_id.0": "tracking",
    "payment_methods.credit_card_7815826.last_four": "card",
    "payment_methods.credit_card_7815826.id": "account",
    "employee.no": "employee",
    "items.0.product_id": "identifier",
    "id_card": "cn_id",
    "身份证号": "cn_id",
    "客户.姓名": "person",
    "收货人手机号": "phone",
    "收货地址": "address",
    "订单编号": "order",
    "快递单号": "tracking",
    "工号": "employee",
    "登录密码": "password",
    "车牌号": "cn_plate",
    "统一社会信用代码": "cn_company",
    "dob": "date_of_birth",
    "client_ip": "ip",
    "ssn": "us_ssn",
    "AWS_SECRET_ACCESS_KEY": "api_key",
    "_key": "identifier",
}
HOLDS_NOTHING = (
    *(
        "email_count",
        "phone_verified",
        "items.0.name",
        "product.name",
        "price",
        "status",
        "name",
        "0",
        "",
        "id",
    ),
    *(
        "order_status",
        "address_type",
        "is_customer",
        "created_at",
        "description",
        "messages.0.content",
        "价格",
        "备注",
    ),
)


@pytest.mark.parametrize(("path", "entity"), HOLDS.items())
def test_what_a_field_holds(path: str, entity: str) -> None:
    """English and Chinese, in any way of joining words, deep in an object."""
    assert entity_of(path.split(".")) == entity


@pytest.mark.parametrize("path", HOLDS_NOTHING)
def test_fields_that_tell_of_nobody(path: str) -> None:
    """Counts, states and the names of things are no values."""
    assert entity_of(path.split(".")) is None


def test_a_bare_name_is_a_persons_beside_personal_fields() -> None:
    """What stands beside it decides, and what the object is called."""
    assert entity_of(["name"], personal=True) == "person"
    assert entity_of(["data", "6680a37184", "name"], personal=True) == "person"
    assert entity_of(["store", "name"], personal=True) is None


def test_the_table_names_known_entities() -> None:
    """Every kind in the table can be asked for and has a mask, and no name is there twice for two kinds."""
    assert set(_names().values()) <= FINDS
    assert set(_names().values()) <= MASKS.keys()
    assert all(plain_name(name) == name or plain_name(name) in _names() or name for name in _names())
