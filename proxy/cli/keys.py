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
from proxy.cli.options import Subparsers, command, group, json_option, option, policy_option, state_option
from proxy.errors import ConfigError


def add(commands: Subparsers) -> None:
    inner = group(
        commands, "keys", "Hand out and revoke role keys.", "  sluicegate keys create --role public\n"
    )
    create = command(
        inner,
        "create",
        "Make a key for a role; it is printed once, alone on the output.",
        run_create,
        "  sluicegate keys create --role public --name 'web shop'\n",
    )
    option(create, "--role", required=True, help="Role of the policy")
    option(create, "--name", default="", help="Name of the key, for the list")
    option(
        create, "--owner", default="", metavar="NAME", help="Person or service that limits count the key for"
    )
    state_option(create)
    policy_option(create)
    json_option(create)
    listing = command(
        inner,
        "list",
        "List the keys: ids, names, roles, never the keys.",
        run_list,
        "  sluicegate keys list\n  sluicegate keys list --json\n",
    )
    state_option(listing)
    json_option(listing)
    revoke = command(
        inner, "revoke", "Revoke a key.", run_revoke, "  sluicegate keys revoke key_0123456789ab\n"
    )
    revoke.add_argument("which", metavar="ID|NAME", help="Id of the key, the beginning of it, or its name")
    state_option(revoke)
    json_option(revoke)


def run_create(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.keys import open_state
    from proxy.policy import load_policy

    load_policy(options.policy).role(options.role)  # a key of no role could do nothing
    store = open_state(options.state, environment)
    try:
        made = store.create(options.role, options.name, options.owner)
        if options.json:
            shown = json.dumps(asdict(made.key) | {"key": made.secret}, ensure_ascii=False)
        else:
            shown = made.secret
            console.note(f"{made.key.id} for role {made.key.role}; the key is shown this once:")
        try:
            print(shown, flush=True)
        except OSError as error:
            store.revoke(made.key.id)  # nobody has seen it
            raise ConfigError(
                f"the key could not be printed ({error.strerror or error}) and is revoked; make another one"
            ) from None
    finally:
        store.close()
    return 0


def run_list(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.keys import open_state

    store = open_state(options.state, environment, create=False)
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

    store = open_state(options.state, environment, create=False)
    try:
        key = store.revoke(options.which)
    finally:
        store.close()
    console.note(f"{key.id} ({key.name or 'no name'}, role {key.role}) is revoked")
    if options.json:
        print(json.dumps(asdict(key), ensure_ascii=False))
    return 0


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
