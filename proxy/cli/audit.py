"""``sluicegate audit show INCIDENT`` and ``audit verify``; ``audit list`` and ``tail`` have their own file.

May import: the room ``audit``, inside functions. The rule
that must stay true: what it prints was in the trail, which
holds no text.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.cli import audit_list, console
from proxy.cli.options import (
    Subparsers,
    command,
    group,
    json_option,
    option,
    state_option,
    trail_option,
    trail_path,
)
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.audit import Place, Report

_GROUP = """\
  sluicegate audit list --since 1h --outcome blocked
  sluicegate audit show inc_0123456789abcdef
"""
_BROKEN = 2
_SHOWN = 20


def add(commands: Subparsers) -> None:
    inner = group(
        commands, "audit", "Look up decisions in the trail, or verify that it is whole.", _GROUP
    )
    audit_list.subcommands(inner)
    show = command(
        inner,
        "show",
        "Show what was decided about one request: rules, documents, offsets, never text.",
        run_show,
        "  sluicegate audit show inc_0123456789abcdef\n",
    )
    show.add_argument("incident", metavar="INCIDENT", help="Incident id, as the refusal shows it")
    check = command(
        inner,
        "verify",
        "Verify that no line of the trail was changed or removed; exit 2 where one was.",
        run_verify,
        "  sluicegate audit verify\n"
        "  sluicegate audit verify --heads heads.json     compares with what it wrote there the last time\n",
    )
    option(
        check,
        "--heads",
        type=Path,
        metavar="FILE",
        help="Compare with how far each chain went the last time, and note it in FILE; kept on another "
        "machine, it also shows lines cut off at the end",
    )
    for each in (show, check):
        trail_option(each)
        state_option(each)
        json_option(each)


def run_show(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.audit import find

    path = trail_path(options)
    found = find(path, options.incident)
    if found is None:
        raise ConfigError(f"{path}: no decision with the incident {options.incident}")
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    outcome = found.get("outcome", "in flight: begun, not decided")
    parts = (f"{name} {console.plain(found.get(name, '-'))}" for name in ("role", "key", "model"))
    console.note("  ".join((console.plain(found.get("time", "-")), console.plain(outcome), *parts)))
    columns = ("rule", "action", "enforced", "entity", "start", "end", "document", "audience", "channel")
    verdicts = found.get("verdicts")
    rows = [
        tuple(verdict.get(column) for column in columns)
        for verdict in (verdicts if isinstance(verdicts, list) else ())
        if isinstance(verdict, dict)
    ]
    console.table(f"incident {options.incident}", columns, rows)
    return 0


def run_verify(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.audit import trail_key, verify

    path = trail_path(options)
    expected = _heads(options.heads) if options.heads is not None and options.heads.exists() else {}
    report = verify(path, trail_key(environment), expected)
    if options.json:
        faults = [{"file": str(each.file), "line": each.line, "what": each.what} for each in report.faults]
        print(json.dumps(_summary(report) | {"faults": faults}))
    else:
        _tell(path, report)
    if report.faults:
        return _BROKEN
    if options.heads is not None:
        options.heads.write_text(json.dumps(_summary(report)["heads"]) + "\n", "utf-8")
    return 0


def _tell(path: Path, report: Report) -> None:
    for fault in report.faults[:_SHOWN]:
        print(fault)
    more = len(report.faults) - _SHOWN + report.more_faults
    if more > 0:
        print(f"… and {more} more")
    console.note(
        f"{path}: {report.files} files, {report.lines} lines, {report.decisions} decisions, "
        f"{len(report.heads)} chains: {'BROKEN' if report.faults else 'whole'}"
    )
    if report.in_flight:
        console.note(f"in flight, or cut off when a worker was killed: {len(report.in_flight)}")
        for incident in report.in_flight[:_SHOWN]:
            console.note(f"  {incident}")
    if report.torn:
        console.note(f"cut short when a worker was killed or a disk was full: {report.torn} lines")
    if report.plain:
        console.note(f"from before there were chains, and not verified: {report.plain} lines")


def _summary(report: Report) -> dict[str, Any]:
    return {
        "whole": not report.faults,
        "files": report.files,
        "lines": report.lines,
        "decisions": report.decisions,
        "torn": report.torn,
        "plain": report.plain,
        "in_flight": report.in_flight,
        "heads": [asdict(head) for head in report.heads.values()],
    }


def _heads(path: Path) -> dict[str, Place]:
    from proxy.audit import Place

    try:
        heads = [Place(**each) for each in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        raise ConfigError(f"{path}: not the heads that `audit verify --heads` writes") from None
    return {head.chain: head for head in heads}
