"""``sluicegate audit list`` and ``audit tail``: recent decisions, and those that are being made.

The invariant: of a line only the fields of :class:`proxy.audit.listing.Row` are printed, never text.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.cli import console
from proxy.cli.options import (
    Subparsers,
    command,
    json_option,
    option,
    positive,
    state_option,
    trail_option,
    trail_path,
)
from proxy.cli.parsing import did_you_mean

if TYPE_CHECKING:
    from proxy.audit import Fault
    from proxy.audit.listing import Listing, Row, Wanted

_BROKEN = 2
_SHOWN = 20
_POLL = 0.5
_COLUMNS = ("time", "outcome", "role", "key", "model", "rules", "released", "seconds", "incident")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_ACTIONS = ("allow", "redact", "block")

_LIST = """\
  sluicegate audit list
  sluicegate audit list --since 1h --outcome blocked --role public
  sluicegate audit list --limit 0 --json | jq -r .incident
"""
_TAIL = """\
  sluicegate audit tail
  sluicegate audit tail --outcome blocked --outcome redacted --json
"""


def subcommands(commands: Subparsers) -> None:
    """Add the subcommands to ``sluicegate audit``."""
    listing = command(
        commands,
        "list",
        "List recent decisions; exit 2 where lines of the trail are broken.",
        run_list,
        _LIST,
    )
    option(
        listing,
        "--since",
        type=since,
        metavar="TIME",
        help="Only decisions since 90s, 30m, 2h or 7d ago, or since a time in UTC such as 2026-01-31T08:00",
    )
    option(
        listing,
        "--limit",
        type=limit,
        default=50,
        metavar="N",
        help="Most decisions that are listed, the newest ones; 0 lists all",
    )
    tail = command(commands, "tail", "Show decisions as they are made, until Ctrl-C.", run_tail, _TAIL)
    option(
        tail,
        "--lines",
        "-n",
        type=limit,
        default=10,
        metavar="N",
        help="Decisions before now that are shown first",
    )
    for each in (listing, tail):
        for name, metavar, what in (
            ("--role", "NAME", "of this role"),
            ("--outcome", "NAME", "with this outcome, such as blocked, redacted or passed"),
            ("--action", "NAME", "in which a rule did this: block, redact or allow"),
            ("--rule", "ID", "in which this rule was enforced"),
            ("--key", "ID", "of this key"),
        ):
            option(
                each,
                name,
                action="append",
                metavar=metavar,
                help=f"Only decisions {what}; may be given several times",
            )
        trail_option(each)
        state_option(each)
        json_option(each)


def since(text: str) -> float:
    """Seconds since the epoch of a time, or of so long ago. Raises ArgumentTypeError."""
    ago = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip())
    if ago is not None:
        return time.time() - int(ago[1]) * _UNITS[ago[2]]
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r}: give 90s, 30m, 2h or 7d, or a date and time such as 2026-01-31T08:00"
        ) from None


def limit(text: str) -> int:
    """A number of decisions, or 0. Raises ArgumentTypeError."""
    return 0 if text.strip() == "0" else positive(text)


def run_list(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.audit.listing import recent

    path = trail_path(options)
    listing = recent(path, _wanted(options), options.limit or None)
    rows = listing.rows
    if options.json:
        for row in rows:
            print(json.dumps(asdict(row), ensure_ascii=True))
    else:
        console.table(f"decisions in {path}", _COLUMNS, [_cells(row) for row in rows])
    if not rows:
        console.note(f"{path}: no decision fits")
    elif options.limit and len(rows) == options.limit:
        console.note(f"the newest {len(rows)} of those that fit; --limit 0 lists all")
    if listing.unfinished:
        console.note(f"{path}: the last line has no end; it is cut short, or is being written")
    return _BROKEN if _tell_faults(listing) else 0


def run_tail(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.audit.following import Follower
    from proxy.audit.listing import Listing, recent

    path, wanted = trail_path(options), _wanted(options)
    follower = Follower(path)
    listing = Listing()
    try:
        entries = follower.begin()
        if not options.json:
            console.header(_COLUMNS)
        before = _rows(entries, listing, wanted)
        if not path.exists():
            console.note(f"{path}: waiting for this file")
        elif len(before) < options.lines:
            before = recent(path, wanted, options.lines).rows  # of older files, too
        listing.faults.clear()  # of the past: `audit list` reports them
        follower.faults.clear()
        for row in before[-options.lines :] if options.lines else []:
            _show(options, row)
        shown = {row.incident for row in before}  # some may have been written since the file was opened
        while True:
            time.sleep(_POLL)
            for row in _rows(follower.poll(), listing, wanted):
                if row.incident not in shown:
                    _show(options, row)
            for fault in (*listing.faults, *follower.faults):
                console.warn(f"{fault}; the line is skipped")
            listing.faults.clear()
            follower.faults.clear()
    finally:
        follower.close()


def _rows(entries: list[tuple[Path, int, bytes]], listing: Listing, wanted: Wanted) -> list[Row]:
    from proxy.audit.listing import records

    return [
        row
        for name, number, line in entries
        for row in records(line, name, number, listing)
        if wanted.fits(row)
    ]


def _show(options: argparse.Namespace, row: Row) -> None:
    if options.json:
        print(json.dumps(asdict(row), ensure_ascii=True), flush=True)
    else:
        console.row(_cells(row))


def _cells(row: Row) -> tuple[object, ...]:
    """The cells of a row, in the order of the columns."""
    fields: dict[str, Any] = asdict(row) | {
        "rules": ",".join(row.rules) or "-",
        "seconds": f"{row.seconds:.3f}",
        "key": row.key or "-",
    }
    return tuple(fields[name] for name in _COLUMNS)


def _wanted(options: argparse.Namespace) -> Wanted:
    from proxy.audit.listing import Wanted
    from proxy.metrics import OUTCOMES

    for given, known, name in (
        (options.outcome, OUTCOMES, "--outcome"),
        (options.action, _ACTIONS, "--action"),
    ):
        for value in given or ():
            if value not in known:
                close = did_you_mean(value, known) or f"; known are {', '.join(known)}"
                console.warn(f"{name} {value}: no decision of this release has it{close}")
    return Wanted(
        since=getattr(options, "since", None),
        roles=frozenset(options.role or ()),
        outcomes=frozenset(options.outcome or ()),
        actions=frozenset(options.action or ()),
        rules=frozenset(options.rule or ()),
        keys=frozenset(options.key or ()),
    )


def _tell_faults(listing: Listing) -> int:
    """Report what could not be read; return how many lines that was."""
    faults: list[Fault] = listing.faults
    for fault in faults[:_SHOWN]:
        console.warn(f"{fault}; the line is skipped")
    more = len(faults) - _SHOWN + listing.more_faults
    if more > 0:
        console.warn(f"{more} more lines are broken; `sluicegate audit verify` lists them")
    return len(faults) + listing.more_faults
