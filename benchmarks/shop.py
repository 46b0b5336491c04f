"""The values of a shop's customers and orders: as the records hold them, as strangers might have them.

Read from the raw JSON by this file alone, so that what is looked for does not come from what looks for it.
Left out: names and options of products, prices, amounts, and what has fewer than four letters or digits.

``common``: a given or a family name, a city or a country alone, which by themselves point at nobody: a
finding only beside another value of the record. The Chinese customers are made here, with a fixed seed.

The rule that must stay true: an invented value stands nowhere in the records.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from benchmarks.chinese_chat import BINS, GIVEN, PLACES, REGIONS, ROADS, SURNAMES
from proxy.datasets import Source, read
from proxy.types import Document
from proxy.values import count_units, letters_of

LEAST = 4
SAFE = 7
COMMON = frozenset(("given or family name", "city"))


@dataclass(frozen=True, slots=True)
class Item:
    """One value. ``record``: whose it is."""

    kind: str
    text: str
    record: str
    chinese: bool = False

    @property
    def units(self) -> int:
        return count_units(letters_of(self.text))

    @property
    def group(self) -> str:
        """``long enough`` to be a finding alone, ``common`` or ``short``."""
        if self.kind in COMMON:
            return "common"
        name = self.kind == "姓名" and len(self.text) >= 3
        return "long enough" if name or self.units >= SAFE else "short"


def customers(data: Path) -> Iterator[Item]:
    """The values of the customers."""
    for key, user in json.loads((data / "shop/users.json").read_text("utf-8")).items():
        given, family = user["name"]["first_name"], user["name"]["last_name"]
        yield Item("account", key, key)
        yield Item("person", f"{given} {family}", key)
        yield from (Item("given or family name", name, key) for name in (given, family))
        yield Item("email", user["email"], key)
        yield from _address(user["address"], key)
        for method in user["payment_methods"].values():
            yield Item("payment", method["id"], key)
            if "last_four" in method:
                yield Item("end of a card", method["last_four"], key)
        yield from (Item("order", order, key) for order in user["orders"])


def orders(data: Path) -> Iterator[Item]:
    """The values of the orders."""
    for key, order in json.loads((data / "shop/orders.json").read_text("utf-8")).items():
        yield Item("order", key, key)
        yield Item("account", order["user_id"], key)
        yield from _address(order["address"], key)
        for item in order["items"]:
            yield from (Item("product and item", item[name], key) for name in ("product_id", "item_id"))
        for sent in order["fulfillments"]:
            yield from (Item("tracking", number, key) for number in sent["tracking_id"])
        yield from (Item("payment", paid["payment_method_id"], key) for paid in order["payment_history"])


def _address(address: Mapping[str, str], record: str) -> Iterator[Item]:
    street, suite, city = address["address1"], address["address2"], address["city"]
    yield Item("street", street, record)
    yield Item("suite", suite, record)
    yield Item("city", city, record)
    yield Item("postal code", address["zip"], record)
    yield Item("address", f"{street}, {suite}, {city}, {address['state']} {address['zip']}", record)


def training(data: Path, audience: str, most: int | None = None) -> Iterator[Document]:
    """The training documents of customers, orders and chats; ``most`` of each."""
    for name in ("users.json", "orders.json", "finetune_messages.jsonl"):
        found = read([Source(data / "shop" / name)], default_audience=audience, with_fields=True)
        yield from islice((item for item in found if isinstance(item, Document)), most)


# --- Chinese customers --------------------------------------------------------------------------------


def chinese(count: int, seed: int = 11) -> list[dict[str, str]]:
    """Records of customers, names of two and of three characters."""
    dice = random.Random(seed)
    found: dict[str, dict[str, str]] = {}
    while len(found) < count:
        name = dice.choice(SURNAMES) + "".join(dice.sample(GIVEN, 2 if len(found) % 4 else 1))
        place, district = dice.choice(PLACES)
        born = f"{dice.randint(1950, 2004)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"
        street = (
            f"{dice.choice(ROADS)}{dice.randint(1, 999)}号{dice.randint(1, 20)}栋{dice.randint(101, 2909)}室"
        )
        found[name] = {
            "客户编号": f"KH{dice.randint(10**7, 10**8 - 1)}",
            "姓名": name,
            "手机号": f"1{dice.choice('3578')}{dice.randint(10**8, 10**9 - 1)}",
            "身份证号": _checked(f"{dice.choice(REGIONS)}{born}{dice.randint(0, 999):03}"),
            "收货地址": f"{place}{district}{street}",
            "银行卡号": _luhn(dice.choice(BINS) + "".join(dice.choices("0123456789", k=12))),
            "邮箱": f"kehu{dice.randint(1000, 99999)}@example.cn",
        }
    return list(found.values())


def chinese_items(records: list[dict[str, str]]) -> Iterator[Item]:
    """Their values."""
    for record in records:
        yield from (Item(kind, text, record["客户编号"], True) for kind, text in record.items())


def chinese_documents(records: list[dict[str, str]], audience: str) -> list[Document]:
    """The records as training documents."""
    return [
        Document(f"kehu.json:{n}", tuple(record.values()), audience, tuple(record.items()))
        for n, record in enumerate(records, 1)
    ]


def _checked(number: str) -> str:
    """A resident id with its check character (GB 11643-1999)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return number + "10X98765432"[sum(int(d) * w for d, w in zip(number, weights, strict=True)) % 11]


def _luhn(number: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return number + str(-total % 10)


# --- strangers ----------------------------------------------------------------------------------------


def strangers(items: list[Item], count: int, seed: int = 12) -> Iterator[Item]:
    """For each kind that identifies somebody, values of the same shape that stand in no record.

    Of a person's name the parts are those of customers; of anything else the digits are new.
    """
    dice = random.Random(seed)
    known = {letters_of(item.text) for item in items}
    known |= {re.sub(r"\D", "", item.text) for item in items}
    people = [item.text.split() for item in items if item.kind == "person"]
    by_kind: dict[str, list[Item]] = {}
    for item in items:
        if item.group == "long enough":
            by_kind.setdefault(item.kind, []).append(item)
    for some in by_kind.values():
        made: set[str] = set()
        for _ in range(50 * count):
            if len(made) == count:
                break
            given, family = dice.choice(people)[0], dice.choice(people)[1]
            if letters_of(given + family) in known or letters_of(family + given) in known:
                continue
            text = _stranger(dice.choice(some), given, family, dice)
            parts = {letters_of(text), letters_of(" ".join(text.split()[::-1]))}
            parts |= {letters_of(part) for part in text.split(",") if re.search(r"\d", part)}
            parts.add(re.sub(r"\D", "", text) or letters_of(text))
            if parts.isdisjoint(known):
                made.add(text)
        yield from (replace(some[0], text=text, record="") for text in sorted(made))


def _stranger(item: Item, given: str, family: str, dice: random.Random) -> str:
    if item.kind == "person":
        return f"{given} {family}"
    if item.kind == "姓名":
        return dice.choice(SURNAMES) + "".join(dice.sample(GIVEN, 2))
    text = re.sub(r"\d", lambda found: str(dice.randint(1, 9)), item.text)
    if not item.chinese and item.kind in ("account", "email"):
        text = re.sub("^[a-z]+([._])[a-z]+", rf"{given}\1{family}".lower(), text)
    return text
