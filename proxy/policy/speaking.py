"""Read the fields of a role that say for whom it guards, and whom its limits are counted for.

A role with ``guard: true`` judges text for other roles and reads nothing itself. The invariant: a call that
names no role is judged by one whose clearance lies within that of every role the call could have named.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from proxy.policy.cursor import Cursor, meant
from proxy.policy.model import Role
from proxy.policy.tree import Items, shown

_HEADER = re.compile(r"header:([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64})")
_SECRET_HEADERS = frozenset({"authorization", "api-key", "x-api-key", "cookie", "proxy-authorization"})
_SUBJECTS = ("key", "user", "header:NAME")


def guards(at: Mapping[str, Cursor]) -> bool:
    """Return whether the role may guard for others; report rights without ``guard: true``."""
    right = "guard" in at and bool(at["guard"].truth())
    if right and "subject" in at:
        at["subject"].fault("has no effect with `guard: true`: a call names the end user as `user`")
    for name in ("speaks_for", "default_role"):
        if name in at and not right:
            at[name].fault("has no effect without `guard: true`; add it, or drop this field")
    return right


def clearance(here: Cursor, audiences: Collection[str] | None, guard: bool) -> tuple[str, ...]:
    """Read a role's audiences; those of a guard role are the empty list."""
    if guard:
        if not isinstance(here.tree, Items):
            here.expected("an empty list, []")
        elif here.tree.members:
            here.fault(
                "a role with `guard: true` reads nothing itself; write `clearance: []` and list the roles "
                "it judges for under `speaks_for`"
            )
        return ()
    return tuple(here.choices(audiences, "audience"))


def subject(here: Cursor) -> str:
    """Read whom limits are counted for: ``key``, ``user`` or ``header:`` and a name in lower case."""
    value = here.text(80)
    if value is None or value in ("key", "user"):
        return value or "key"
    header = _HEADER.fullmatch(value)
    if header is None:
        here.fault(f"{shown(value)} is no subject" + meant(value, _SUBJECTS))
        return "key"
    if header[1].lower() in _SECRET_HEADERS:
        here.fault(f"the header {shown(header[1])} holds credentials; name one that holds an end user's id")
    return f"header:{header[1].lower()}"


def speaks_for(here: Cursor) -> tuple[str, ...]:
    """Read the names of the roles a guard role judges for; :func:`check` looks whether they exist."""
    return tuple(here.choices(None, "role"))


def check(roles: Mapping[str, Role], places: Mapping[str, tuple[Cursor, Mapping[str, Cursor]]]) -> None:
    """Report faults of guard roles, once all roles are read, so that their order does not matter.

    ``places``: for each role where it is, and where its fields are.
    """
    for name, role in roles.items():
        if not role.guard:
            continue
        here, at = places[name]
        missing = [field for field in ("speaks_for", "default_role") if field not in at]
        for field in missing:
            here.fault(f"a role with `guard: true` needs `{field}`")
        if not missing:
            _check_one(role, roles, at)


def _check_one(role: Role, roles: Mapping[str, Role], at: Mapping[str, Cursor]) -> None:
    before = len(at["speaks_for"].faults.found)
    ordinary = [each for each, found in roles.items() if not found.guard]
    for named in role.speaks_for:
        if named not in roles:
            at["speaks_for"].fault(f"{shown(named)} is no role" + meant(named, ordinary))
        elif roles[named].guard:
            at["speaks_for"].fault(
                f"{shown(named)} has `guard: true` itself; list only roles that read with a clearance"
            )
    if len(at["speaks_for"].faults.found) > before or not (role.speaks_for and role.default_role):
        return
    if role.default_role not in role.speaks_for:
        at["default_role"].fault(
            f"{shown(role.default_role)} is not among the roles of `speaks_for`"
            + meant(role.default_role, role.speaks_for)
        )
        return
    least = set(roles[role.default_role].clearance)
    wider = [each for each in role.speaks_for if not least <= set(roles[each].clearance)]
    if wider:
        at["default_role"].fault(
            f"{shown(role.default_role)} may read what {', '.join(map(shown, wider))} may not; a call that "
            "names no role must be judged by the role with the least clearance"
        )
