"""``sluicegate keys create | list | revoke``.

May import: the rooms ``keys`` and ``policy``, inside functions. The rule
that must stay true: a key is shown once,
alone on the output, and never again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict

from proxy.cli import console
from proxy.cli.options import Subparsers, command, json_option, policy_option, state_option


def add(commands: Subparsers) -> None:
    group = commands.add_parser("keys", help="hand out and revoke role keys")
    inner = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = command(
        inner,
        "create",
        "Make a key for a role; it is printed once, alone on the output.",
        run_create,
        "  sluicegate keys create --role public --name 'web shop'\n",
    )
    create.add_argument("--role", required=True, help="a role of the policy")
    create.add_argument("--name", default="", help="Name of the key, for the list")
    create.add_argument(
        "--owner", default="", metavar="NAME", help="Person or service that limits count the key for"
    )
    state_option(create)
    policy_option(create)
    listing = command(inner, "list", "List the keys: ids, names, roles, never the keys.", run_list)
    state_option(listing)
    json_option(listing)
    revoke = command(
        inner, "revoke", "Revoke a key.", run_revoke, "  sluicegate keys revoke key_0123456789ab\n"
    )
    revoke.add_argument("which", metavar="ID|NAME", help="its id, the beginning of it, or its name")
    state_option(revoke)


def run_create(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.keys import open_state
    from proxy.policy import load_policy

    load_policy(options.policy).role(options.role)  # a key of no role could do nothing
    store = open_state(options.state, environment)
    try:
        made = store.create(options.role, options.name, options.owner)
    finally:
        store.close()
    console.note(f"{made.key.id} for role {made.key.role}; the key is shown this once:")
    print(made.secret)
    return 0


def run_list(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.keys import open_state

    store = open_state(options.state, environment)
    try:
        keys, unread = store.list(), store.unread
    finally:
        store.close()
    for line in unread:
        console.warn(f"{store.where}: {line}; the record is not used: restore it, or make another key")
    if options.json:
        print(json.dumps([asdict(key) for key in keys], ensure_ascii=False))
        return 0
    rows = [
        (
            *(key.id, key.name or "-", key.owner or "-", key.role, _day(key.created)),
            _day(key.revoked) if key.revoked else "-",
        )
        for key in keys
    ]
    console.table("keys", ("id", "name", "owner", "role", "created", "revoked"), rows)
    return 0


def run_revoke(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.keys import open_state

    store = open_state(options.state, environment)
    try:
        key = store.revoke(options.which)
    finally:
        store.close()
    console.note(f"{key.id} ({key.name or 'no name'}, role {key.role}) is revoked")
    return 0


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
