"""``sluicegate index add``: new documents for an index, without a rebuild.

May import: the rooms ``index`` and ``policy``, inside functions. The rule that must stay true:
nothing is skipped in silence, and nothing of a record's text is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli import console, free_elsewhere, index_selftest
from proxy.cli.options import Subparsers, command, json_option, policy_option, state_option
from proxy.cli.progress import progress
from proxy.cli.training import TrainingSet, data_arguments, data_options
from proxy.cli.values import tell_values, value_finder
from proxy.types import NOBODY

if TYPE_CHECKING:
    from proxy.selftest import Report

_EXAMPLES = """\
  sluicegate index add chats.idx new-chats.jsonl --audience staff
  sluicegate index add all.idx public=faq/new.jsonl admin=runbooks/2031/
"""


def subcommand(commands: Subparsers) -> None:
    """The subcommand of ``sluicegate index``."""
    add = command(
        commands,
        "add",
        "Add new documents to an index without a rebuild; running servers load them.",
        run,
        _EXAMPLES,
    )
    add.add_argument("index", type=Path, metavar="DIR", help="Index that the documents are added to")
    data_arguments(add)
    data_options(add)
    policy_option(add)
    state_option(add)
    json_option(add)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.index import AddOptions, add_documents, index_key, read_manifest
    from proxy.policy import load_policy

    began = time.monotonic()
    reports: list[Report] = []
    with ExitStack() as opened:
        bar = opened.enter_context(progress())
        bar.stage("preparing")
        policy = load_policy(options.policy)
        training = TrainingSet(options, policy)
        read_manifest(options.index)
        add_options = AddOptions(
            key=index_key(options.index, environment),
            acts={name: each.act for name, each in policy.thresholds.items() if name != "default"},
            default_act=policy.thresholds["default"].act,
            default_audience=options.audience or NOBODY,
            workers=options.workers,
        )
        check = index_selftest.tester(
            options,
            policy,
            add_options.key,
            reports.append,
            before=options.index,
            reported=training.reported,
            encodings=lambda: training.tally.encodings,
        )
        finder = opened.enter_context(
            value_finder(options.entities, ner=not options.no_ner, workers=options.workers)
        )
        manifest = training.into(
            partial(add_documents, folder=options.index, options=add_options, check=check), finder, bar
        )
        bar.stage("comparing audiences")
        freed = free_elsewhere.find(
            options.index,
            manifest,
            add_options.key,
            policy,
            options,
            environment,
            since=len(manifest.parts),
        )
    part = manifest.parts[-1]
    added = manifest.audiences[-int(part["audiences"]) :]
    if options.json:
        told = {
            "index": str(options.index),
            "added": part["documents"],
            "documents": manifest.documents,
            "parts": len(manifest.parts) + 1,
            "version": manifest.version,
            "audiences": [{"name": each.name, "documents": each.documents} for each in added],
            "skipped": [{"where": skip.where, "reason": skip.reason} for skip in training.skipped],
            "self_test": index_selftest.summary(reports[-1]),
            "free_elsewhere": free_elsewhere.summary(freed),
            "seconds": round(time.monotonic() - began, 3),
        }
        print(json.dumps(told, ensure_ascii=False))
        free_elsewhere.warn(freed, manifest.exempt_run, added=True)
        return 0
    rows = [(each.name, each.documents, each.characters, each.units, each.act) for each in added]
    console.table("added", ("audience", "documents", "characters", "units", "acts at"), rows)
    tell_values(part["values"], finder)
    for reason, count in Counter(skip.reason for skip in training.skipped).most_common():
        console.note(f"skipped: {count} x {reason}")
    console.note(index_selftest.told(reports[-1]))
    console.note(
        f"{options.index}: {manifest.documents} documents in {len(manifest.parts) + 1} parts, "
        f"version {manifest.version}; running servers load it within seconds"
    )
    free_elsewhere.warn(freed, manifest.exempt_run, added=True)
    return 0
