"""``sluicegate index similar``: the documents that a whole text is like.

May import: every room, inside functions. The rule that must stay true: documents are named, never shown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from proxy.cli import console
from proxy.cli.options import Subparsers, command, json_option, option, share
from proxy.cli.scan import read_text, text_argument

_LEAST = 0.3


def subcommand(commands: Subparsers) -> None:
    """The subcommand of ``sluicegate index``."""
    similar = command(
        commands,
        "similar",
        "Name the training documents that a whole text is like (estimated Jaccard similarity).",
        run,
        "  sluicegate index similar chats.idx answer.txt\n"
        "  generate | sluicegate index similar chats.idx --least 0.5 --json -\n",
    )
    similar.add_argument("index", type=Path, metavar="DIR", help="Index to compare with")
    text_argument(similar)
    option(
        similar,
        "--least",
        type=share,
        default=_LEAST,
        metavar="SHARE",
        help="Least similarity that is shown, from 0 to 1",
    )
    json_option(similar)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.index import index_key, open_index
    from proxy.index.lsh import similar

    opened = open_index(options.index, index_key(options.index, environment))
    text = read_text(options.file)
    found = similar(options.index, opened.manifest, opened.key, text, options.least)
    if options.json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return 0
    if not found:
        console.note(
            "The text as a whole is like none of the documents; passages are found by: sluicegate scan"
        )
        return 0
    rows = [[one.document, one.audience, f"{one.similarity:.2f}"] for one in found]
    console.table("documents it is like", ("document", "audience", "similarity"), rows)
    return 0
