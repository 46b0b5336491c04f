"""proxy/policy/speaking.py: who may guard for whom, and whom limits are counted for."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.policy import load_policy, packaged_policies, parse_policy
from tests.policy.small import DROP, SMALL, changed, faults, parsed

GATEWAY: dict[str, Any] = {
    "guard": True,
    "clearance": [],
    "speaks_for": ["guest", "member"],
    "default_role": "guest",
}


def with_gateway(**changes: Any) -> dict[str, Any]:
    """The small policy with a role that guards for others."""
    fields = {name: value for name, value in (GATEWAY | changes).items() if value is not DROP}
    return changed("roles.gateway", fields)


def test_a_guard_role_reads_nothing_and_uses_no_model() -> None:
    """It judges for the roles it names; models are used only where the policy names some."""
    role = parsed(with_gateway()).role("gateway")
    assert (role.guard, role.speaks_for, role.default_role) == (True, ("guest", "member"), "guest")
    assert (role.clearance, role.models, role.may_use("m")) == ((), (), False)
    assert parsed(with_gateway(models=["m"])).role("gateway").may_use("m")


def test_other_roles_have_no_right_to_guard() -> None:
    """The right has to be written down."""
    for role in parsed(SMALL).roles.values():
        assert (role.guard, role.speaks_for, role.default_role) == (False, (), "")


@pytest.mark.parametrize("order", list(itertools.permutations(("guest", "member", "gateway"))))
def test_roles_may_stand_in_any_order(order: tuple[str, ...]) -> None:
    """A guard role may come before the roles it speaks for."""
    policy = with_gateway()
    policy["roles"] = {name: policy["roles"][name] for name in order}
    assert parsed(policy).role("gateway").speaks_for == ("guest", "member")


@pytest.mark.parametrize(
    ("changes", "path", "part"),
    [
        ({"guard": "yes, please"}, "guard", "expected true or false"),
        ({"guard": False}, "speaks_for", "has no effect without `guard: true`"),
        ({"guard": DROP}, "default_role", "has no effect without `guard: true`"),
        ({"clearance": ["open"]}, "clearance", "reads nothing itself; write `clearance: []`"),
        ({"clearance": "none"}, "clearance", "expected an empty list, []"),
        ({"clearance": DROP}, "clearance", "is missing"),
        ({"speaks_for": DROP}, "", "needs `speaks_for`"),
        ({"default_role": DROP}, "", "needs `default_role`"),
        ({"speaks_for": []}, "speaks_for", "is an empty list"),
        ({"speaks_for": ["gest"]}, "speaks_for", '"gest" is no role; did you mean "guest"?'),
        ({"speaks_for": ["guest", "gateway"]}, "speaks_for", '"gateway" has `guard: true` itself'),
        ({"speaks_for": ["guest", "guest"]}, "speaks_for[1]", "twice"),
        ({"speaks_for": ["guest", 5]}, "speaks_for[1]", "expected text"),
        ({"default_role": "membr"}, "default_role", "not among the roles of `speaks_for`; did you mean"),
        ({"default_role": "member"}, "default_role", '"member" may read what "guest" may not'),
        ({"default_role": 7}, "default_role", "expected text"),
        ({"subject": "user"}, "subject", "has no effect with `guard: true`"),
        ({"concurrent": 2, "key_concurrent": 5}, "key_concurrent", "has no effect: with `subject: key`"),
    ],
)
def test_a_fault_of_a_guard_role_is_named(changes: dict[str, Any], path: str, part: str) -> None:
    """Each with its path and what to do."""
    where = f"roles.gateway.{path}".rstrip(".")
    found = faults(with_gateway(**changes))
    assert any(at == where and part in message for at, message in found), found


def test_the_default_role_lies_within_every_other() -> None:
    """Two roles of which each reads something of its own have no least one."""
    policy = with_gateway(speaks_for=["guest", "clerk"])
    policy["roles"]["clerk"] = {"clearance": ["team"]}
    for default in ("guest", "clerk"):
        policy["roles"]["gateway"]["default_role"] = default
        assert [path for path, _ in faults(policy)] == ["roles.gateway.default_role"]
    policy["roles"]["clerk"] = {"clearance": ["open"]}
    assert parsed(policy).role("gateway").default_role == "clerk"


def test_subjects() -> None:
    """`key`, `user` or a header, whose name is kept in lower case."""
    assert parsed(SMALL).role("guest").subject == "key"
    for written, read in (("key", "key"), ("user", "user"), ("header:X-End-User", "header:x-end-user")):
        assert parsed(changed("roles.guest.subject", written)).role("guest").subject == read


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("usr", 'is no subject; did you mean "user"?'),
        ("header:", "is no subject"),
        ("header:two words", "is no subject"),
        ("header:a\nb", "is no subject"),
        ("header:" + "x" * 65, "is no subject"),
        ("header:Authorization", "holds credentials"),
        ("header:x-api-key", "holds credentials"),
        (7, "expected text"),
        (["key"], "expected text"),
    ],
)
def test_a_wrong_subject_is_named(written: object, part: str) -> None:
    """Also one that would count for a secret."""
    ((path, message),) = faults(changed("roles.guest.subject", written))
    assert path == "roles.guest.subject"
    assert part in message


def limited(**fields: object) -> dict[str, Any]:
    policy = copy.deepcopy(SMALL)
    policy["roles"]["guest"] |= fields
    return policy


def test_a_key_with_many_subjects_has_a_limit_of_its_own() -> None:
    """Written or not: without it a caller that changes its name with each request would have none."""
    role = parsed(limited(subject="user", requests_per_minute=60, concurrent=4)).role("guest")
    assert (role.key_requests_per_minute, role.key_concurrent) == (1200, 80)
    written = limited(subject="header:X", requests_per_minute=60, key_requests_per_minute=90)
    role = parsed(written).role("guest")
    assert (role.key_requests_per_minute, role.key_concurrent) == (90, None)
    role = parsed(limited(requests_per_minute=60, concurrent=4)).role("guest")
    assert (role.key_requests_per_minute, role.key_concurrent) == (None, None)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"key_concurrent": 5}, "has no effect: with `subject: key`"),
        ({"subject": "user", "concurrent": 6, "key_concurrent": 5}, "5 for the key is less than 6"),
        ({"subject": "user", "key_concurrent": 0}, "must be from 1"),
    ],
)
def test_a_limit_of_the_key_that_cannot_be_meant(fields: dict[str, Any], part: str) -> None:
    """It would do nothing, or undo the limit of the subject."""
    ((path, message),) = faults(limited(**fields))
    assert path == "roles.guest.key_concurrent"
    assert part in message


@pytest.mark.parametrize("name", packaged_policies())
def test_the_packaged_gateway(name: str) -> None:
    """It guards for the three roles, by the least of them, and nothing more."""
    policy = load_policy(Path(name))
    role = policy.role("gateway")
    assert (role.guard, role.clearance, role.models) == (True, (), ())
    assert (role.speaks_for, role.default_role) == (("public", "staff", "admin"), "public")
    assert [each.name for each in policy.roles.values() if each.guard] == ["gateway"]


def test_the_order_of_fields_does_not_matter() -> None:
    """A role that says `clearance: []` before `guard: true` is the same."""
    text = yaml.safe_dump(with_gateway(), sort_keys=True)
    assert text.index("clearance: []") < text.index("guard: true")
    assert parse_policy(text, "p").role("gateway").guard
