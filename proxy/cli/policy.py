"""``sluicegate policy check``.

The invariant: every fault is listed at once, each with its path; what is printed is computed from the policy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli import console
from proxy.cli.options import Subparsers, command, group, json_option
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.cli.policy_open import Later, Open
    from proxy.policy import Policy

_EXAMPLES = """\
  sluicegate policy check my-policy.yaml
  sluicegate policy check strict
  sluicegate policy check my-policy.yaml --json | jq '.open[] | select(.role == "public")'
"""


def add(commands: Subparsers) -> None:
    inner = group(commands, "policy", "Check a policy file.", "  sluicegate policy check my-policy.yaml\n")
    check = command(
        inner,
        "check",
        "Check a policy: every fault with its path, the rules' examples, and what the policy leaves open.",
        run_check,
        _EXAMPLES,
    )
    check.add_argument("file", type=Path, metavar="FILE", help="Policy file, or 'default' or 'strict'")
    json_option(check)


def run_check(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.cli.policy_examples import failing
    from proxy.cli.policy_open import later_entities, left_open
    from proxy.policy import load_policy

    policy = load_policy(options.file)
    if faults := failing(policy):
        raise ConfigError(*(f"{policy.source}: {each}" for each in faults))
    found, later = left_open(policy), later_entities(policy)
    if options.json:
        print(json.dumps(_summary(policy, found, later), ensure_ascii=False))
        return 0
    console.table(
        f"policy {policy.name} ({policy.version})",
        ("rule", "action", "mode"),
        [(rule["id"], rule["action"], rule["mode"]) for rule in _rules(policy)],
    )
    print()
    console.table(
        "What this policy leaves open",
        ("role", "open", "amount", "what it means"),
        [(each.role, each.what, _amount(each), each.text) for each in found],
    )
    if later:
        print()
        console.table(
            f"Entities that version {policy.format} does not know",
            ("role", "finding", "now", "rule under the newest version", "action"),
            [(each.role, f"{each.detector}/{each.entity}", each.now, each.rule, each.then) for each in later],
        )
    console.note(f"{policy.source}: {len(policy.roles)} roles, {len(policy.rules)} rules, no fault")
    if policy.observe:
        console.warn("mode: observe: every verdict is counted and nothing is stopped")
    return 0


def _rules(policy: Policy) -> list[dict[str, str]]:
    return [
        {
            "id": rule.id,
            "action": rule.action.name.lower(),
            "mode": "observe" if policy.observe or rule.observe else "enforce",
        }
        for rule in policy.rules
    ]


def _amount(each: Open) -> str:
    return "-" if each.amount is None else f"{each.amount} {each.unit}"


def _summary(policy: Policy, found: list[Open], later: list[Later]) -> dict[str, object]:
    return {
        "name": policy.name,
        "source": policy.source,
        "version": policy.format,
        "sha256": policy.version,
        "observe": policy.observe,
        "roles": list(policy.roles),
        "rules": _rules(policy),
        "open": [asdict(each) for each in found],
        "later_entities": [asdict(each) for each in later],
    }
