"""``sluicegate index add``: new documents for an index, without building it anew.

May import: the rooms ``datasets``, ``index`` and ``policy``, inside functions. The rule that must stay true:
nothing is skipped in silence, and nothing of a record's text is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from proxy.cli import console
from proxy.cli.options import Subparsers, command, json_option, policy_option, positive
from proxy.cli.values import tell_values, value_finder, value_options
from proxy.types import NOBODY, Document, Skipped

_EXAMPLES = """\
  sluicegate index add chats.idx new-chats.jsonl --audience staff
  sluicegate index add all.idx public=faq/new.jsonl admin=runbooks/2031/
"""


def subcommand(commands: Subparsers, forms: tuple[str, ...]) -> None:
    """The subcommand of ``sluicegate index``. ``forms``: the shapes that records can have."""
    add = command(
        commands,
        "add",
        "Add new documents to an index without building it anew; servers take it up by themselves.",
        run,
        _EXAMPLES,
    )
    add.add_argument("index", type=Path, metavar="DIR")
    add.add_argument(
        "data", nargs="+", metavar="DATA", help="file, folder or dataset_info.json[:NAME]; AUDIENCE=PATH"
    )
    add.add_argument("--audience", metavar="NAME", help="audience of documents that name none")
    add.add_argument("--audience-field", metavar="FIELD", help="field with a record's audience")
    add.add_argument("--format", choices=forms, default="auto", help="shape of the records")
    add.add_argument(
        "--background", nargs="+", default=[], metavar="FILE", help="text that is free for everyone"
    )
    add.add_argument("--workers", type=positive, default=1, metavar="N", help="processes")
    add.add_argument("--strict", action="store_true", help="stop at the first record that cannot be read")
    value_options(add)
    policy_option(add)
    json_option(add)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.datasets import parse_source, read, total_bytes
    from proxy.index import AddOptions, add_documents, index_key, read_manifest
    from proxy.policy import load_policy

    sources = [parse_source(argument) for argument in options.data]
    background = [parse_source(argument) for argument in options.background]
    policy = load_policy(options.policy)
    read_manifest(options.index)
    add_options = AddOptions(
        key=index_key(options.index, environment),
        acts={name: each.act for name, each in policy.thresholds.items() if name != "default"},
        default_act=policy.thresholds["default"].act,
        default_audience=options.audience or NOBODY,
        workers=options.workers,
    )
    skipped: list[Skipped] = []
    began = time.monotonic()
    with value_finder(options.entities, ner=not options.no_ner, workers=options.workers) as finder:
        passes = 1 if finder is None else 2
        with console.progress(passes * total_bytes(sources) + total_bytes(background), "reading") as bar:
            items = partial(
                read,
                sources,
                form=options.format,
                audience_field=options.audience_field,
                default_audience=options.audience,
                strict=options.strict,
                with_fields=True,
                progress=bar.advance,
            )
            if finder is not None:
                bar.stage("learning the shapes of numbers")
                finder.learn(item for item in items() if isinstance(item, Document))
            documents = _read(items(), skipped)
            free = _read(read(background, with_fields=True, progress=bar.advance), skipped)
            manifest = add_documents(
                documents if finder is None else finder.ahead(documents),
                options.index,
                add_options,
                background=free if finder is None else finder.ahead(free),
                values=None if finder is None else finder.of,
                stage=bar.stage,
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
            "skipped": [{"where": skip.where, "reason": skip.reason} for skip in skipped],
            "seconds": round(time.monotonic() - began, 3),
        }
        print(json.dumps(told, ensure_ascii=False))
        return 0
    rows = [(each.name, each.documents, each.characters, each.units, each.act) for each in added]
    console.table("added", ("audience", "documents", "characters", "units", "acts at"), rows)
    tell_values(part["values"], finder)
    for reason, count in Counter(skip.reason for skip in skipped).most_common():
        console.note(f"skipped: {count} x {reason}")
    console.note(
        f"{options.index}: {manifest.documents} documents in {len(manifest.parts) + 1} parts, "
        f"version {manifest.version}; servers take it up within seconds"
    )
    return 0


def _read(items: Iterable[Document | Skipped], skipped: list[Skipped]) -> Iterator[Document]:
    for item in items:
        if isinstance(item, Skipped):
            skipped.append(item)
        else:
            yield item
