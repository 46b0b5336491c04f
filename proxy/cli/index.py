"""``sluicegate index build | show``.

May import: every room, inside functions. The rule that must stay true: nothing is
skipped in silence, and nothing of a record's text is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.cli import console, free_elsewhere, index_add, index_selftest, index_similar
from proxy.cli.options import Subparsers, command, group, json_option, option, policy_option, state_option
from proxy.cli.progress import progress, size
from proxy.cli.training import TrainingSet, data_arguments, data_options
from proxy.cli.values import rate, tell_pace, tell_values, value_finder
from proxy.errors import IndexFormatError
from proxy.types import NOBODY, Noted, Skipped

if TYPE_CHECKING:
    from proxy.datasets import Tally
    from proxy.grams import GramKey
    from proxy.index import Manifest
    from proxy.index.overlap import Freed
    from proxy.recognizers.values import ValueFinder
    from proxy.selftest import Report

_SHOWN_SKIPS = 20
_SHOWN_ROWS = 10

_GROUP = """\
  sluicegate index build chats.jsonl --out chats.idx --audience staff
  sluicegate index show chats.idx
"""
_BUILD = """\
  sluicegate index build chats.jsonl --out chats.idx --audience staff
  sluicegate index build public=faq/ admin=runbooks/ --out all.idx --workers 2
  sluicegate index build data/dataset_info.json:alpaca_en_demo --out alpaca.idx
  sluicegate index build users.json orders.json --out shop.idx --audience admin --no-ner
"""


def add(commands: Subparsers) -> None:
    inner = group(commands, "index", "Fingerprint a training set, look at an index.", _GROUP)
    build = command(inner, "build", "Fingerprint a training set into an index.", run_build, _BUILD)
    data_arguments(build)
    option(build, "--out", type=Path, required=True, metavar="DIR", help="Folder of the new index")
    data_options(build)
    policy_option(build)
    state_option(build)
    json_option(build)
    show = command(
        inner, "show", "Show what an index holds.", run_show, "  sluicegate index show chats.idx\n"
    )
    show.add_argument("index", type=Path, metavar="DIR", help="Index to show")
    option(show, "--verify", action="store_true", help="Read every file and check its sha256", default=False)
    json_option(show)
    index_similar.subcommand(inner)
    index_add.subcommand(inner)
    index_selftest.subcommand(inner)


def run_build(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.index import BuildOptions, build_index, has_index_key, index_key, key_file
    from proxy.policy import load_policy

    began = time.monotonic()
    reports: list[Report] = []
    with ExitStack() as opened:
        bar = opened.enter_context(progress())
        bar.stage("preparing")
        policy = load_policy(options.policy)
        training = TrainingSet(options, policy)
        finder = opened.enter_context(
            value_finder(options.entities, ner=not options.no_ner, workers=options.workers)
        )
        key_existed = has_index_key(options.out, environment)
        build_options = BuildOptions(
            key=index_key(options.out, environment, create=True),
            acts={name: each.act for name, each in policy.thresholds.items() if name != "default"},
            default_act=policy.thresholds["default"].act,
            exempt_run=policy.exempt_run,
            default_audience=options.audience or NOBODY,
            workers=options.workers,
        )
        tell_pace(finder, training.size)
        check = index_selftest.tester(
            options,
            policy,
            build_options.key,
            reports.append,
            reported=training.reported,
            encodings=lambda: training.tally.encodings,
        )
        manifest = training.into(
            partial(build_index, out=options.out, options=build_options, check=check), finder, bar
        )
        bar.stage("comparing audiences")
        freed = free_elsewhere.find(options.out, manifest, build_options.key, policy, options, environment)
    _tell(options, manifest, training, finder, time.monotonic() - began, reports[-1], freed)
    if not key_existed:
        console.note(f"The key of this index was made: {key_file(options.out)} (mode 0600).")
        console.note("Keep it apart from the index: the two together equal the text.")
    return 0


def _tell(
    options: argparse.Namespace,
    manifest: Manifest,
    training: TrainingSet,
    finder: ValueFinder | None,
    seconds: float,
    report: Report,
    freed: Sequence[Freed],
) -> None:
    """The summary: documents, characters, audiences, known values, what was skipped and why."""
    if options.json:
        print(json.dumps(_summary(options.out, manifest) | {
            "seconds": round(seconds, 3),
            "finding": rate(finder),
            "without_audience": training.without_audience,
            "reading": training.report(),
            "skipped": [asdict(skip) for skip in training.skipped],
            "self_test": index_selftest.summary(report),
            "free_elsewhere": free_elsewhere.summary(freed),
        }, ensure_ascii=False))  # fmt: skip
    else:
        _table(options.out, manifest)
        tell_values(manifest.values, finder)
        pace = manifest.text_bytes / max(seconds, 1e-6) / 1e6
        console.note(f"built in {seconds:.1f} s ({pace:.2f} MB/s of text)")
        _tell_audiences(training.tally)
        _tell_skipped(training.left_out, "left out")
        _tell_skipped([each for each in training.skipped if isinstance(each, Noted)], "to look at")
        console.note(index_selftest.told(report))
    free_elsewhere.warn(freed, manifest.exempt_run, added=False)
    if training.without_audience:
        console.warn(
            f"{training.without_audience} documents have no audience and count as '{NOBODY}': under the "
            f"default policy no role but admin gets their text back verbatim. "
            f"Say --audience or AUDIENCE=PATH to change it."
        )


def _tell_audiences(tally: Tally) -> None:
    """Who decided for whom the documents are."""
    counts = (
        (tally.record, "by their records"),
        (tally.source, "by AUDIENCE=PATH"),
        (tally.default, "by --audience"),
        (tally.unmarked, "by nothing, and so for nobody"),
    )
    decided = ", ".join(f"{count} {how}" for count, how in counts if count)
    console.note(f"audiences: {decided}")


def _tell_skipped(skipped: list[Skipped], what: str) -> None:
    if not skipped:
        return
    console.note(f"{what}: {len(skipped)}")
    for reason, count in Counter(skip.reason for skip in skipped).most_common():
        console.note(f"  {count} x {reason}")
    for skip in skipped[:_SHOWN_SKIPS]:
        console.note(f"  {skip.where}: {skip.reason}")
    if len(skipped) > _SHOWN_SKIPS:
        console.note(f"  … and {len(skipped) - _SHOWN_SKIPS} more; --json lists them all")


def _summary(folder: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "index": str(folder),
        "documents": manifest.documents,
        "characters": manifest.characters,
        "text_bytes": manifest.text_bytes,
        "index_bytes": manifest.index_bytes,
        "key_id": manifest.key_id,
        "built": manifest.built,
        "minhash": dict(manifest.minhash),
        "audiences": [asdict(counts) for counts in manifest.audiences],
        "values": dict(manifest.values),
        "structures": dict(manifest.structures),
    }


def _table(folder: Path, manifest: Manifest) -> None:
    rows = [
        (a.name, a.documents, a.characters, a.units, a.act, a.clusters, a.common_seeds)
        for a in manifest.audiences
    ]
    console.table(
        f"index {folder}",
        ("audience", "documents", "characters", "units", "acts at", "clusters", "common seeds"),
        rows,
    )
    ratio = manifest.index_bytes / max(1, manifest.text_bytes)
    console.note(
        f"{manifest.documents} documents, {manifest.characters} characters; "
        f"{size(manifest.index_bytes)} of index, {ratio:.1f} bytes a byte of text; "
        f"key {manifest.key_id}"
    )


def run_show(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.grams import GramKey
    from proxy.index import check_key, index_key, read_manifest, verify

    manifest = read_manifest(options.index)
    key: GramKey | None = None
    try:
        key = GramKey(index_key(options.index, environment))
    except IndexFormatError as error:
        console.note(f"without its key an index names neither sources nor documents: {error}")
    if key is not None:
        check_key(options.index, manifest, key)
    if options.verify:
        with progress() as bar:
            bar.stage("verifying", manifest.index_bytes)
            verify(options.index, manifest, bar.advance)
    private = _private(options.index, manifest, key)
    if options.json:
        told = _summary(options.index, manifest) | {"verified": options.verify} | private
        print(json.dumps(told | _reports(options.index, manifest, key), ensure_ascii=False))
        return 0
    _table(options.index, manifest)
    tell_values(manifest.values, None)
    built = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(manifest.built))
    sources = f" from {len(private['sources'])} files" if private else ""
    console.note(f"built {built} UTC{sources} by sluicegate {manifest.sluicegate}, build {manifest.serial}")
    for reading in private.get("reading", ()):
        _show_reading(reading)
    _show_reports(_reports(options.index, manifest, key))
    if options.verify:
        console.note("every file has the sha256 that the manifest says")
    return 0


def _private(folder: Path, manifest: Manifest, key: GramKey | None) -> dict[str, Any]:
    """What only the holder of the key may read: the names of the sources, and how they were read."""
    from proxy.index import parts_of

    if key is None:
        return {}
    parts = [files.private() for files in parts_of(folder, manifest, key)]
    return {
        "sources": [source for part in parts for source in part.sources],
        "reading": [dict(part.reading) for part in parts],
    }


def _reports(folder: Path, manifest: Manifest, key: GramKey | None) -> dict[str, list[dict[str, Any]]]:
    """Passages under two audiences, clusters of near-duplicates, template families; none without the key."""
    from proxy.index import report

    if key is None:
        return {}
    return {
        "conflicts": [asdict(each) for each in report.conflicts(folder, manifest, key)],
        "near_duplicates": [asdict(each) for each in report.clusters(folder, manifest, key)],
        "families": [asdict(each) for each in report.families(folder, manifest, key)],
    }


_TITLES = {
    "conflicts": "passages under two audiences (free for whoever may read one of the two)",
    "near_duplicates": "clusters of near-duplicate documents",
    "families": "template families",
}


def _show_reading(reading: Mapping[str, Any]) -> None:
    """How one build or addition read its files: counts, encodings, and what was left out or narrowed."""
    console.note(f"read {reading.get('documents', 0)} documents, left out {reading.get('left_out', 0)}")
    for name, encoding in reading.get("encodings", {}).items():
        console.note(f"  {name}: read as {encoding}")
    for reason, count in reading.get("reasons", {}).items():
        if not reason.startswith("read as "):
            console.note(f"  {count} x {reason}")


def _show_reports(reports: Mapping[str, list[dict[str, Any]]]) -> None:
    for name, rows in reports.items():
        console.note(f"{_TITLES[name]}: {len(rows)}")
        if rows:
            console.table(name, tuple(rows[0]), [tuple(row.values()) for row in rows[:_SHOWN_ROWS]])
        if len(rows) > _SHOWN_ROWS:
            console.note(f"  … and {len(rows) - _SHOWN_ROWS} more; --json lists them all")
