"""proxy/policy/rules.py: the rules of a policy, each alone and beside the others."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.policy import RESERVED
from proxy.types import Action
from tests.policy.small import DROP, SMALL, changed, faults, parsed

FAULTS: list[tuple[str, Any, str, str]] = [
    ("rules", DROP, "rules", "is missing"),
    ("rules", [], "rules", "is an empty list"),
    ("rules", {}, "rules", "expected a list of rules, got a mapping"),
    ("rules[1]", "block", "rules[1]", "expected a mapping"),
    ("rules[1].idd", "x", "rules[1].idd", 'unknown key; did you mean "id"?'),
    ("rules[1].id", DROP, "rules[1].id", "is missing"),
    ("rules[1].id", "own", "rules[1].id", '"own" is the id of another rule too, in line'),
    ("rules[1].id", "Own Rule", "rules[1].id", "is no rule id"),
    ("rules[1].id", 5, "rules[1].id", "expected text"),
    ("rules[1].finding", DROP, "rules[1].finding", "is missing"),
    ("rules[1].finding", [], "rules[1].finding", "is an empty list"),
    ("rules[1].finding", "pii", "rules[1].finding", "write detector/entity"),
    ("rules[1].finding", "pii/E Mail", "rules[1].finding", "write detector/entity"),
    ("rules[1].finding", "pi/email", "rules[1].finding", '"pi" is no detector; did you mean "pii"?'),
    ("rules[1].finding", ["pii/x", "memorised/pasage"], "rules[1].finding[1]", 'did you mean "passage"?'),
    ("rules[1].finding", ["pii/x", "pii/x"], "rules[1].finding[1]", "stands in the list twice"),
    ("rules[1].finding", 5, "rules[1].finding", "expected text"),
    ("rules[1].audience", [], "rules[1].audience", "is an empty list"),
    ("rules[1].audience", "team", "rules[1].audience", "expected a list, such as [open]"),
    ("rules[1].audience", ["tema"], "rules[1].audience[0]", 'no audience; did you mean "team"?'),
    ("rules[1].roles", [], "rules[1].roles", "is an empty list"),
    ("rules[1].roles", ["gest"], "rules[1].roles[0]", 'no role; did you mean "guest"?'),
    ("rules[1].action", DROP, "rules[1].action", "is missing"),
    ("rules[1].action", "mask", "rules[1].action", "(known: allow, redact, block)"),
    ("rules[1].action", True, "rules[1].action", "which YAML reads as true"),
    ("rules[1].mask", "x" * 65, "rules[1].mask", "has 65 characters"),
    ("rules[1].mask", 'a "b"', "rules[1].mask", "without quotes or backslashes"),
    ("rules[1].mask", "a\\b", "rules[1].mask", "without quotes or backslashes"),
    ("rules[1].mask", "a\nb", "rules[1].mask", "one line"),
    ("rules[0].mask", "[X]", "rules[0].mask", "has no effect: the action is block"),
    ("rules[1].mode", "observed", "rules[1].mode", 'did you mean "observe"?'),
    ("rules[1].leaks", [], "rules[1].leaks", "is an empty list"),
    ("rules[1].leaks", "a@b.example", "rules[1].leaks", "expected a list of example texts"),
    ("rules[1].passes", ["a", ""], "rules[1].passes[1]", "is blank"),
    ("rules[1].leaks", ["a", 4111], "rules[1].leaks[1]", "expected text in quotes"),
    ("rules[0].leaks", ["a"], "rules[0].leaks", "tried without an index"),
    ("rules[0].passes", ["a"], "rules[0].passes", "tried without an index"),
    ("detectors", {"pii": {"enabled": False}}, "rules[1].finding", "`detectors` turns pii off"),
]


@pytest.mark.parametrize(("where", "value", "path", "part"), FAULTS, ids=lambda each: str(each)[:40])
def test_each_fault_has_its_path(where: str, value: Any, path: str, part: str) -> None:
    """A single mistake gives exactly one fault, at its place, with words that help."""
    found = faults(changed(where, value))
    assert [at for at, _ in found] == [path]
    assert part in found[0][1]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_ids_are_refused(name: str) -> None:
    """No rule can pass for a verdict that comes from no rule."""
    found = faults(changed("rules[1].id", name))
    assert found[0][0] == "rules[1].id"
    assert "reserved" in found[0][1]


def test_an_example_cannot_be_both() -> None:
    """A text under leaks and under passes is a contradiction, and the message does not show it."""
    rule = {**SMALL["rules"][1], "leaks": ["one", "ann@example.com"], "passes": ["ann@example.com"]}
    ((path, message),) = faults(changed("rules[1]", rule))
    assert path == "rules[1].passes"
    assert message == "example 0 stands under leaks too"


@pytest.mark.parametrize("value", [4111111111111111, 4.5, True, ["4111 1111"], {"a": "4111 1111"}])
def test_no_message_shows_an_example(value: Any) -> None:
    """An example that is not text is refused without repeating it."""
    ((path, message),) = faults(changed("rules[1].leaks", [value]))
    assert (path, message) == ("rules[1].leaks[0]", "expected text in quotes")


def test_enforcing_in_an_observing_policy_is_a_contradiction() -> None:
    """A policy that only counts cannot have a rule that stops."""
    policy = changed("rules[1].mode", "enforce")
    assert parsed(policy).rules[1].observe is False
    policy["mode"] = "observe"
    ((path, message),) = faults(policy)
    assert path == "rules[1].mode"
    assert "contradicts" in message


def rules(*given: dict[str, Any]) -> dict[str, Any]:
    named = [{"id": f"r{n}", "action": "block", **each} for n, each in enumerate(given)]
    return changed("rules", named)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"finding": "pii/email"}, {"finding": "pii/email"}),
        ({"finding": "pii/*"}, {"finding": "pii/email"}),
        ({"finding": "*/*"}, {"finding": "memorised/passage", "audience": ["team"], "roles": ["guest"]}),
        ({"finding": "*/email"}, {"finding": ["pii/email", "known_values/email"]}),
        (
            {"finding": "pii/*", "audience": ["team", "open"]},
            {"finding": "pii/x", "audience": ["open"], "action": "redact"},
        ),
        (
            {"finding": "pii/*", "roles": ["guest", "member"], "action": "allow"},
            {"finding": "pii/x", "roles": ["guest"], "action": "allow"},
        ),
        ({"finding": "pii/*", "action": "allow"}, {"finding": "pii/x", "audience": ["team"]}),
    ],
)
def test_a_rule_that_can_never_win_is_a_fault(first: dict[str, Any], second: dict[str, Any]) -> None:
    """A rule behind one that fits everything it fits is refused, and the other one named."""
    ((path, message),) = faults(rules(first, second))
    assert path == "rules[1]"
    assert '"r1" can never win: "r0" in line' in message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"finding": "pii/email"}, {"finding": "pii/*"}),
        ({"finding": "pii/email"}, {"finding": "*/email"}),
        ({"finding": "pii/*", "audience": ["team"]}, {"finding": "pii/email"}),
        ({"finding": "pii/*", "audience": ["team"]}, {"finding": "pii/email", "audience": ["team", "open"]}),
        ({"finding": "pii/*", "roles": ["guest"]}, {"finding": "pii/email"}),
        ({"finding": "pii/*", "roles": ["guest"]}, {"finding": "pii/email", "roles": ["member"]}),
        # an allow leaves text of unknown audiences to the next rule
        ({"finding": "pii/*", "action": "allow"}, {"finding": "pii/email"}),
    ],
)
def test_a_rule_that_can_win_is_not(first: dict[str, Any], second: dict[str, Any]) -> None:
    """A rule that still fits something beyond the earlier one stands."""
    assert len(parsed(rules(first, second)).rules) == 2


def test_a_rule_is_read_whole() -> None:
    """Every field of a rule arrives."""
    given = {
        "id": "full",
        "finding": ["pii/email", "*/phone", "memorised/*"],
        "audience": ["team", "open"],
        "roles": ["guest"],
        "action": "redact",
        "mask": "〔隐去〕",
        "mode": "observe",
        "leaks": ["mail ann@example.com"],
        "passes": ["no mail"],
    }
    (rule,) = parsed(changed("rules", [given])).rules
    assert rule.id == "full"
    assert rule.findings == (("pii", "email"), ("*", "phone"), ("memorised", "*"))
    assert rule.audience == frozenset({"team", "open"})
    assert rule.roles == frozenset({"guest"})
    assert (rule.action, rule.mask, rule.observe) == (Action.REDACT, "〔隐去〕", True)
    assert (rule.leaks, rule.passes) == (("mail ann@example.com",), ("no mail",))
