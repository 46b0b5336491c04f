"""Which entities a policy file knows: those that existed when its version of the file format was defined.

Whoever wrote ``pii/*`` meant the entities of that time. What a later release finds as well is not in the
file's list, so :class:`proxy.policy.model.Policy` treats it as unknown until the file names it or moves to a
newer version. Invariant: the list of a released version never changes; a new entity goes into the newest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Entities = Mapping[str, frozenset[str]]
"""The entities of each detector."""

_PII = frozenset(
    {
        *("api_key", "card", "cn_company", "cn_id", "cn_passport", "cn_plate", "email", "iban", "ip", "jwt"),
        *("password", "phone", "private_key", "us_ssn"),
        *("address", "organisation", "person", "place"),
    }
)
_VALUES = _PII | {
    *("account", "bank_account", "date_of_birth", "employee", "identifier", "licence", "national_id"),
    *("order", "passport", "tracking"),
}

_PASSAGES = frozenset({"passage", "near_passage"})

_RELEASE_0_1: Entities = MappingProxyType(
    {
        "memorised": _PASSAGES,
        "known_values": _VALUES,
        "payload": frozenset({"structure"}),
        "encoded": _PASSAGES | _VALUES,
        "pii": _PII,
    }
)

KNOWN: Mapping[int, Entities] = MappingProxyType({1: _RELEASE_0_1, 2: _RELEASE_0_1})
"""By the ``version`` of a policy file. Version 1 is that of release 0.1; version 2 is not released yet."""

NEWEST = max(KNOWN)


def later(version: int) -> Entities:
    """Return the entities that the newest version knows and this one does not."""
    known = KNOWN[version]
    found = {name: each - known.get(name, frozenset()) for name, each in KNOWN[NEWEST].items()}
    return {name: each for name, each in found.items() if each}
