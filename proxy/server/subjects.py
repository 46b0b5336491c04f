"""Find whom a request is counted for: the key or its owner, or the end user that a trusted caller names.

The invariant: a name a caller sends can give it neither another person's share (names count per key or owner)
nor a share without an end (all names of a key count against the key's own limit, see ``admission``). Names
leave this module as keyed hashes of bounded length only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Protocol

from proxy.grams import GramKey
from proxy.policy import Role
from proxy.types import Caller

_PURPOSE = b"sg-subjects"
_USER_FIELDS = ("safety_identifier", "user")
"""OpenAI's names for the end user in a request, the newer one first."""


class Headers(Protocol):
    """The headers of a request, as Starlette has them."""

    def getlist(self, key: str) -> Sequence[str]: ...


def named(role: Role, headers: Headers, body: object) -> str | None:
    """The end user that a request names; None where it names none, or does not say it clearly.

    A header that comes twice names none: which of the two a trusted proxy wrote cannot be known.
    """
    if role.subject == "user":
        return user_of(body)
    values = headers.getlist(role.subject.removeprefix("header:"))
    return _name(values[0]) if len(values) == 1 else None


def user_of(body: object) -> str | None:
    """The end user that a body names, in the fields that OpenAI has for it."""
    if not isinstance(body, Mapping):
        return None
    found = (_name(body.get(field)) for field in _USER_FIELDS)
    return next((name for name in found if name is not None), None)


def for_request(caller: Caller, role: Role, key: GramKey, headers: Headers, body: object) -> Caller:
    """The caller with the subject that the role's policy asks for."""
    if role.subject == "key":
        return caller
    return with_user(caller, role.subject, named(role, headers, body), key)


def with_user(caller: Caller, kind: str, name: str | None, key: GramKey) -> Caller:
    """The caller with an end user as its subject. All requests without a name (None) are one subject."""
    tag = b"named" if name is not None else b"unnamed"
    parts = (tag, kind.encode(), caller.subject.encode(), (name or "").encode("utf-8", "surrogatepass"))
    hashed = blake2b(key=key.derived(_PURPOSE), digest_size=8)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return replace(caller, subject=f"usr_{hashed.hexdigest()}")


def _name(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
