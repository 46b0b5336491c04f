"""``sluicegate index selftest``: scan passages of the training files against their index.

A build and an addition run the same test before the new index takes the old one's place.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.cli import console
from proxy.cli.options import Subparsers, command, json_option, policy_option
from proxy.cli.training import data_arguments, reading_options
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.index import StoredIndex
    from proxy.policy import Policy
    from proxy.selftest import Report

_SHOWN = 20

_EXAMPLES = """\
  sluicegate index selftest chats.idx chats.jsonl --audience staff
  sluicegate index selftest all.idx public=faq/ admin=runbooks/ --json
"""


def subcommand(commands: Subparsers) -> None:
    """Add the subcommand to ``sluicegate index``."""
    test = command(
        commands,
        "selftest",
        "Scan passages of the training files against their index; exit 2 when some are not protected.",
        run,
        _EXAMPLES,
    )
    test.add_argument("index", type=Path, metavar="DIR", help="Index that was built from the files")
    data_arguments(test)
    reading_options(test)
    policy_option(test)
    json_option(test)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.index import index_key, open_index
    from proxy.policy import load_policy

    policy = load_policy(options.policy)
    index = open_index(options.index, index_key(options.index, environment))
    from proxy.selftest import self_test

    report = self_test(index, encodings=_stored(options.index, index), **_arguments(options, policy))
    if options.json:
        print(json.dumps(summary(report) | {"failures": failures(report)}, ensure_ascii=False))
    else:
        _table(report)
    if not report.ok:
        raise ConfigError(*_faults(report))
    return 0


def tester(
    options: argparse.Namespace,
    policy: Policy,
    key: str,
    keep: Callable[[Report], None],
    before: Path | None = None,
    reported: Callable[[str], bool] = lambda _file: False,
    encodings: Callable[[], Mapping[Path, str]] = dict,
) -> Callable[[Path], None]:
    """Return the check of a new index: it raises ConfigError where the self-test fails.

    ``keep`` receives the report. ``before``: the index that documents are added to. ``reported``: whether
    the dataset reader has said of a file that some of its records are for fewer than they say.
    ``encodings``: in what the dataset reader read files that are not UTF-8.
    """

    def check(folder: Path) -> None:
        from proxy.index import open_index
        from proxy.selftest import self_test

        index = open_index(folder, key)
        old = open_index(before, key) if before is not None else None
        arguments = _arguments(options, policy)
        named = {str(path): name for path, name in encodings().items()}
        report = self_test(index, before=old, reported=reported, encodings=named, **arguments)
        keep(report)
        if not report.ok:
            raise ConfigError(*_faults(report))

    return check


def told(report: Report) -> str:
    """Return the result in one line."""
    from proxy.selftest import Outcome

    passages = sum(len(each.judged) for each in report.sources)
    free = sum(each.count(Outcome.FREE) for each in report.sources)
    unread = sum(len(each.unread) for each in report.sources)
    line = f"self-test: {passages - free} of {passages - free} passages are protected"
    if not report.ok:
        return "self-test failed"
    missing = sum(each.count(Outcome.MISSING) for each in report.sources)
    if missing:
        line = f"self-test: {passages - free - missing} of {passages - free} passages are protected"
    if free:
        line += f"; {free} more are free in texts for wider audiences"
    if unread:
        line += f"; {unread} files were left out (see --json)"
    return line


def summary(report: Report) -> dict[str, Any]:
    """Return the counts of each source, for scripts."""
    from proxy.selftest import Outcome

    return {
        "ok": report.ok,
        "sources": [
            {
                "source": each.source,
                "ok": each.ok,
                "passages": len(each.judged),
                **{outcome.name.lower(): each.count(outcome) for outcome in Outcome},
                "too_short": each.short,
                "no_prose": each.codes,
                "unread": [{"file": file, "reason": reason} for file, reason in each.unread],
            }
            for each in report.sources
        ],
    }


def failures(report: Report) -> list[dict[str, str]]:
    """Return where passages are not protected: places, never text."""
    return [
        {
            "source": source.source,
            "file": each.passage.file,
            "record": each.passage.record,
            "field": each.passage.field,
            "written_for": each.passage.audience,
            "outcome": each.outcome.value,
        }
        for source in report.sources
        for each in source.failures
    ]


def _faults(report: Report) -> list[str]:
    listed = [
        f"{each['file']}: record {each['record']}, field {each['field']}: "
        f"text for '{each['written_for']}' is {each['outcome']}"
        for each in failures(report)
    ]
    distinct = list(dict.fromkeys(listed))
    more = [f"… and {len(distinct) - _SHOWN} more places"] if len(distinct) > _SHOWN else []
    return [
        "self-test failed: the index does not protect its training files as they are written",
        *distinct[:_SHOWN],
        *more,
        "Correct the records, or say how to read them (--audience-field, --format); then build again",
    ]


def _table(report: Report) -> None:
    from proxy.selftest import Outcome

    columns = ("source", "passages", *(outcome.name.lower() for outcome in Outcome), "too short", "no prose")
    rows = [
        (each.source, len(each.judged), *map(each.count, Outcome), each.short, each.codes)
        for each in report.sources
    ]
    console.table("self-test", columns, rows)
    for each in report.sources:
        for file, reason in each.unread:
            console.note(f"{each.source}: {file}: not tested: {reason}")


def _stored(folder: Path, index: StoredIndex) -> dict[str, str]:
    """The encodings that the index remembers of its files, by their names."""
    from proxy.index import parts_of

    found: dict[str, str] = {}
    for files in parts_of(folder, index.manifest, index.key):
        encodings = files.private().reading.get("encodings", {})
        found |= encodings if isinstance(encodings, dict) else {}
    return found


def _arguments(options: argparse.Namespace, policy: Policy) -> dict[str, Any]:
    from proxy.selftest import Readers, source_named

    return {
        "sources": [source_named(argument) for argument in options.data],
        "readers": Readers.of(
            {name: role.clearance for name, role in policy.roles.items()}, policy.audiences
        ),
        "threshold": partial(_threshold, policy),
        "default_audience": options.audience,
        "audience_field": options.audience_field,
        "ignore_audience": options.ignore_audience_field,
        "form": options.format,
        "encoding": options.encoding,
    }


def _threshold(policy: Policy, audience: str) -> Any:
    return policy.thresholds.get(audience, policy.thresholds["default"])
