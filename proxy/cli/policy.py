"""``sluicegate policy check``.

May import: the rooms ``policy`` and ``detectors``, inside functions. The rule
that must stay true: every fault is
listed at once, each with its path.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from proxy.cli import console
from proxy.cli.options import Subparsers, command, group


def add(commands: Subparsers) -> None:
    inner = group(commands, "policy", "Check a policy file.", "  sluicegate policy check my-policy.yaml\n")
    check = command(
        inner,
        "check",
        "Check a policy: every fault at once, with its path; then each rule's own examples.",
        run_check,
        "  sluicegate policy check my-policy.yaml\n  sluicegate policy check strict\n",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="Policy file, or 'default' or 'strict'")


def run_check(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.policy import load_policy

    policy = load_policy(options.file)
    rows = [(rule.id, rule.action.name.lower(), "observe" if policy.observe or rule.observe else "enforce")
            for rule in policy.rules]  # fmt: skip
    console.table(f"policy {policy.name} ({policy.version})", ("rule", "action", "mode"), rows)
    console.note(f"{policy.source}: {len(policy.roles)} roles, {len(policy.rules)} rules, no fault")
    return 0
