"""``sluicegate audit show INCIDENT``.

May import: the room ``audit``, inside functions. The rule
that must stay true: what it prints was in the trail, which
holds no text.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from proxy.cli import console
from proxy.cli.options import Subparsers, command, json_option, state_option
from proxy.errors import ConfigError


def add(commands: Subparsers) -> None:
    group = commands.add_parser("audit", help="look up a decision in the trail")
    inner = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = command(
        inner,
        "show",
        "Show what was decided about one request: rules, documents, offsets, never text.",
        run_show,
        "  sluicegate audit show inc_0123456789abcdef\n",
    )
    show.add_argument("incident", metavar="INCIDENT")
    show.add_argument("--trail", type=Path, metavar="FILE", help="the trail (default: beside the state)")
    state_option(show)
    json_option(show)


def run_show(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.audit import find

    path = options.trail or options.state.with_name(options.state.stem + ".trail.jsonl")
    found = find(path, options.incident)
    if found is None:
        raise ConfigError(f"{path}: no decision with the incident {options.incident}")
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    console.note(
        f"{found['time']}  {found['outcome']}  role {found['role']}  "
        f"key {found['key']}  model {found['model']}"
    )
    columns = ("rule", "action", "enforced", "entity", "start", "end", "document", "audience", "channel")
    rows = [tuple(verdict.get(column) for column in columns) for verdict in found["verdicts"]]
    console.table(f"incident {options.incident}", columns, rows)
    return 0
