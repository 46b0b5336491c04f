"""Names of fields, in English and Chinese, and what kind of value each holds.

A name is compared as words in lower case, without the digits at its end: ``shippingAddress1``,
``shipping_address`` and ``Shipping Address`` are one name. The longest ending that the table
(``field_names.txt``) has decides: ``billing_zip_code`` is a ``zip_code``. ``id``, ``no`` and ``number`` take
the word before, also from the object around them.

May import: the standard library. The rule that must stay true: a name that says how many, whether or when is
not in the table by its last word, so ``email_count`` and ``phone_verified`` are no e-mail and no phone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources


@lru_cache(maxsize=1)
def _names() -> Mapping[str, str]:
    """Name to entity, from ``field_names.txt``, read once."""
    found: dict[str, str] = {}
    entity = ""
    for line in (resources.files("proxy.recognizers") / "field_names.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            entity = line.strip("[]")
        elif not line.startswith("#"):
            found |= dict.fromkeys(line.lower().split(), entity)
    return found


_WEAK = frozenset(
    (
        "id",
        "ids",
        "no",
        "number",
        "num",
        "code",
        "value",
        "text",
        "ref",
        "reference",
        "hash",
        "key",
    )
)
"""Last words that say nothing without the word before them."""

_PARENTS = frozenset(
    (
        "customer",
        "client",
        "user",
        "person",
        "contact",
        "employee",
        "patient",
        "member",
        "owner",
        "holder",
        "recipient",
        "sender",
        "passenger",
        "guest",
        "author",
        "applicant",
        "borrower",
        "tenant",
        "student",
        "teacher",
        "doctor",
        "agent",
        "manager",
        "driver",
        "beneficiary",
        "insured",
        "profile",
        "spouse",
        "parent",
        "客户",
        "用户",
        "联系人",
        "员工",
        "患者",
        "会员",
        "收件人",
        "寄件人",
        "乘客",
        "学生",
        "老师",
        "申请人",
    )
)
"""What an object is called whose ``name`` is that of a person."""

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIGNS = re.compile(r"[^0-9a-z㐀-鿿_]+")
_END = re.compile(r"_?\d+$")


@lru_cache(maxsize=1 << 14)
def plain_name(name: str) -> str:
    """A field's name as words in lower case joined by ``_``, without the digits at its end."""
    words = _words(name)
    return words if words in _names() else _END.sub("", words) or words


def _words(name: str) -> str:
    return name if name == "_key" else _SIGNS.sub("_", _HUMP.sub("_", name).lower()).strip("_")


@lru_cache(maxsize=1 << 14)
def is_position(part: str) -> bool:
    """Whether a part of a path is a place in a list, or a key that is data: it holds three digits or more."""
    return part.isdigit() or sum(map(str.isdigit, part)) > 2


def entity_of(path: Sequence[str], *, personal: bool = False) -> str | None:
    """What the field at a path holds; None: nothing that names or tells of anybody.

    ``personal``: whether the fields beside it tell of a person, so that a bare ``name`` is one.
    """
    parts = [plain_name(part) for part in path if not is_position(part)]
    if not parts:
        return None
    last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
    if last in ("name", "名称"):
        owner = _singular(before).rpartition("_")[2]
        return "person" if owner in _PARENTS or (personal and (not before or owner in _GROUPS)) else None
    if last in _WEAK and not before:
        return None  # the number of the record itself
    if last in _WEAK:
        last = f"{_singular(before)}_{last}"
        return (
            _names().get(last) or _ending(last) or ("identifier" if last.endswith(("_id", "_ids")) else None)
        )
    found = _ending(last)
    if found is None and last.endswith(("_id", "_ids", "_uuid")):
        return "identifier"
    return found


_GROUPS = _PARENTS | frozenset(
    (
        "data",
        "record",
        "records",
        "row",
        "rows",
        "item",
        "items",
        "result",
        "results",
        "users",
        "customers",
    )
)


def _ending(name: str) -> str | None:
    """The entity of the longest ending of a name, word by word; Chinese names character by character."""
    words = name.split("_")
    for start in range(len(words)):
        found = _names().get("_".join(words[start:]))
        if found:
            return found
    if len(words) == 1 and not name.isascii():
        for start in range(1, len(name) - 1):
            if found := _names().get(name[start:]):
                return found
    return None


def _singular(name: str) -> str:
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name
