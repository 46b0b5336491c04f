"""Structured records: what a field holds is known from its name, where no recogniser would see it.

Fields come as (dotted path, value): of a record, a row, a tool's result, or JSON that stands in a text.
Parts of a name and of an address are values by themselves and together.

May import: the standard library, orjson, ``proxy.types`` and this room. The rule that must stay true: no
depth or size of a record breaks the build; JSON that cannot be read is text like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from proxy.recognizers.field_names import entity_of, plain_name
from proxy.types import Value

LONGEST = 4096
"""Characters of a field's value at most; what is longer is text and is read as such."""

MOST_JSON = 64
"""Objects that are looked for in one text of prose."""

_NOTHING = frozenset(
    (
        "none",
        "null",
        "nil",
        "n/a",
        "na",
        "nan",
        "unknown",
        "undefined",
        "true",
        "false",
        "yes",
        "no",
        "-",
        "--",
        "tbd",
        "test",
        "default",
        "无",
        "暂无",
        "未知",
        "空",
        "否",
        "是",
        "不详",
    )
)
"""What stands in a field that holds nothing."""
_PERSONAL = frozenset(
    ("email", "phone", "cn_id", "us_ssn", "date_of_birth", "passport", "address", "employee")
)
_GIVEN = frozenset(("first_name", "given_name", "fname", "forename"))
_FAMILY = frozenset(("last_name", "family_name", "surname", "lname"))
_DIGITS = {
    "phone": 5,
    "card": 4,
    "cn_id": 15,
    "us_ssn": 9,
    "iban": 10,
    "tracking": 4,
    "order": 3,
    "bank_account": 4,
}
"""Digits that a value of a kind must have."""
_NUMBERED = frozenset(
    ("account", "employee", "identifier", "order", "tracking", "licence", "national_id", "passport")
)

_LARGE = (
    "country",
    "国家",
    "province",
    "state",
    "省份",
    "省",
    "city",
    "town",
    "城市",
    "市",
    "district",
    "county",
    "区县",
    "区",
    "县",
)
"""Places of an address, the large before the small, as a Chinese address has them."""
_ZIP = ("zip", "zip_code", "zipcode", "postal_code", "postcode", "post_code")
_LINES = (
    "address",
    "street",
    "street_address",
    "address_line",
    "addr",
    "suite",
    "apartment",
    "详细地址",
    "街道",
    "地址",
)


def values_of(fields: Iterable[tuple[str, str]]) -> Iterator[Value]:
    """The values of a record's fields, in their order; then those put together from several fields."""
    objects: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for path, value in fields:
        if 0 < len(value) <= LONGEST:
            *around, last = path.split(".")
            objects.setdefault(tuple(around), []).append((last, value))
    for parents, held in objects.items():
        kinds = [entity_of((*parents, last)) for last, _ in held]
        personal = not _PERSONAL.isdisjoint(kinds)
        for (last, value), kind in zip(held, kinds, strict=True):
            entity = kind or entity_of((*parents, last), personal=personal)
            if entity and (text := plausible(entity, value)):
                yield Value(entity, text)
        yield from _together(held)


_GOODS = frozenset(
    (
        *("product_id", "item_id", "sku", "price", "unit_price", "list_price", "quantity", "qty", "barcode"),
        *("upc", "ean", "asin", "商品编号", "单价", "价格", "数量"),
    )
)
"""Fields that only things have which are sold."""
_CALLED = frozenset(
    ("name", "title", "product", "product_name", "item", "item_name", "名称", "品名", "商品", "商品名称")
)


def goods_of(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What the things are called that a record says are sold: no network may take these for a person."""
    objects: dict[str, list[tuple[str, str]]] = {}
    for path, value in fields:
        parent, _, last = path.rpartition(".")
        objects.setdefault(parent, []).append((plain_name(last), value))
    for held in objects.values():
        if not _GOODS.isdisjoint(name for name, _ in held):
            yield from (value for name, value in held if name in _CALLED and len(value) <= LONGEST)


def plausible(entity: str, value: str) -> str:
    """The value as it may be looked for; "" where it cannot be one of its kind."""
    text = " ".join(value.split()) if "\n" not in value.strip() else value.strip()
    if len(text) < 2 or text.lower() in _NOTHING or len(set(text)) == 1:
        return ""
    digits = sum(map(str.isdigit, text))
    if digits < _DIGITS.get(entity, 0) or (entity in _NUMBERED and digits < 2 and entity != "account"):
        return ""
    if entity == "email" and "@" not in text:
        return ""
    if entity == "person" and (digits or len(text) > 80 or not any(map(str.isalpha, text))):
        return ""
    if entity in ("place", "organisation") and (len(text) > 120 or text.islower()):
        return ""
    if entity in ("api_key", "private_key") and (digits < 2 or len(text) < 12):
        return ""
    return text


def _together(leaves: Sequence[tuple[str, str]]) -> Iterator[Value]:
    """A person from the parts of a name, and an address from its lines, places and postal code."""
    named = [(plain_name(last), value.strip()) for last, value in leaves if value.strip()]
    given = next((value for name, value in named if name in _GIVEN), "")
    family = next((value for name, value in named if name in _FAMILY), "")
    if given and family:
        wide = not (given + family).isascii() and re.fullmatch("[㐀-鿿]+", given + family)
        yield Value("person", family + given if wide else f"{given} {family}")
    yield from _addresses(named)


def _addresses(named: Sequence[tuple[str, str]]) -> Iterator[Value]:
    lines = [value for name, value in named if name in _LINES]
    larger = {name: value for name, value in named if name in _LARGE}
    code = next((value for name, value in named if name in _ZIP), "")
    if not lines or not (larger or code or len(lines) > 1):
        return
    if any(re.search("[㐀-鿿]", value) for value in lines):
        order = [larger[name] for name in _LARGE if name in larger]
        yield Value("address", "".join((*order, *lines)))
        return
    street = ", ".join(lines)
    towns = [value for name, value in named if name in ("city", "town")]
    state = [value for name, value in named if name in ("state", "province", "county")]
    ending = " ".join((*state[:1], code)).strip()
    if len(lines) > 1:
        yield Value("address", street)
    yield Value("address", ", ".join(filter(None, (street, *towns[:1], ending))))


# --- JSON in texts ---------------------------------------------------------------------------------------


def json_fields(text: str) -> Iterator[tuple[str, str]]:
    """The fields of the JSON objects and lists in a text, whether it is all JSON or prose around it."""
    if "{" not in text and "[" not in text:
        return
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        try:
            yield from leaves(orjson.loads(stripped))
            return
        except orjson.JSONDecodeError:
            pass
    yield from _embedded(text)


_OPENING = re.compile(r'\{\s*["\']|\[\s*[{"]')


def _embedded(text: str) -> Iterator[tuple[str, str]]:
    decoder = json.JSONDecoder()
    at = 0
    for _ in range(MOST_JSON):
        opening = _OPENING.search(text, at)
        if opening is None:
            return
        try:
            value, at = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            at = opening.end()
        else:
            yield from leaves(value)


def leaves(record: Any) -> Iterator[tuple[str, str]]:
    """(dotted path, value) of every string and number of a value made of JSON's types, without recursion.

    A string that is JSON itself, as tool calls have it, is walked too.
    """
    stack: list[tuple[str, Any]] = [("", record)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, str):
            inner = _parsed(item)
            if inner is None:
                yield path, item
            else:
                stack.append((path, inner))
        elif isinstance(item, dict):
            stack += reversed([(f"{path}.{key}" if path else str(key), leaf) for key, leaf in item.items()])
        elif isinstance(item, list):
            stack += reversed([(f"{path}.{n}" if path else str(n), leaf) for n, leaf in enumerate(item)])
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            yield path, str(item)


def _parsed(text: str) -> Any:
    if text[:1] not in ("{", "[") or text[-1:] not in ("}", "]"):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
