"""``sluicegate allow INCIDENT|FILE|-``, ``allow list`` and ``allow remove``: answering a false alarm.

May import: every room, inside functions. The rule that must stay true: of an allowed text only keyed hashes
leave this command.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.cli import console
from proxy.cli.options import (
    Subparsers,
    command,
    index_option,
    json_option,
    option,
    state_option,
    trail_option,
    trail_path,
)
from proxy.cli.parsing import did_you_mean
from proxy.cli.scan import read_text
from proxy.errors import ConfigError
from proxy.types import Document

if TYPE_CHECKING:
    from proxy.detectors.value_walk import Ended, Track
    from proxy.index import StoredIndex
    from proxy.values.reading import Glyph

_INCIDENT = re.compile(r"inc_[0-9a-f]{16}")

_EXAMPLES = """\
  sluicegate allow --index chats.idx greeting.txt        its sentences are free for everyone
  generate | sluicegate allow --index chats.idx --name 'return policy' -
  sluicegate allow --index chats.idx inc_0123456789abcdef --data chats.jsonl
  sluicegate allow add list                              the text of a file called list
  sluicegate allow list
  sluicegate allow remove alw_0123456789ab
"""


def add(commands: Subparsers) -> None:
    allow = command(
        commands,
        "allow",
        "Answer a false alarm: let a text pass for everyone, everywhere within five seconds.",
        run,
        _EXAMPLES,
    )
    allow.add_argument(
        "what",
        nargs="+",
        metavar="INCIDENT|FILE|-",
        help="The text, or an incident together with --data; or: add FILE; or: list; or: remove ID; a file "
        "called list is ./list",
    )
    index_option(allow, required=False)
    option(allow, "--name", default="", help="Name of the text, for the list")
    allow.add_argument(
        "--data",
        nargs="+",
        default=[],
        metavar="DATA",
        help="Training data, as `index build` got it: the documents that the incident names are read "
        "from it, and become free as a whole",
    )
    trail_option(allow)
    state_option(allow)
    json_option(allow)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    first, *rest = options.what
    if first == "list" and not rest:
        if Path(first).exists():
            console.note("these are the allowed texts; for the file called list: sluicegate allow add list")
        return _list(options, environment)
    if first == "remove" and len(rest) == 1:
        return _remove(options, environment, rest[0])
    if first == "add" and len(rest) == 1:
        return _add(options, environment, rest[0])
    if rest:
        raise ConfigError(
            f"allow takes one INCIDENT, FILE or -; or `add FILE`; or `list`; or `remove ID`; not "
            f"{len(rest) + 1} words"
        )
    if not Path(first).exists() and (close := did_you_mean(first, ("list", "add", "remove"))):
        raise ConfigError(f"{first}: no such file{close}")
    return _add(options, environment, first)


def _add(options: argparse.Namespace, environment: Mapping[str, str], what: str) -> int:
    from proxy.index import hashes_of, index_key, open_index
    from proxy.keys import Allowed, open_state

    if options.index is None:
        raise ConfigError("--index is needed: the text is hashed with the key of an index")
    index = open_index(options.index, index_key(options.index, environment))
    incident = what if _INCIDENT.fullmatch(what) else ""
    texts = _documents(options, incident) if incident else [read_text(what)]
    if len(options.name) > 100 or not options.name.isprintable():
        raise ConfigError("--name: at most 100 plain characters")
    found = values_in(texts, index)
    hashes = hashes_of(texts, index.key, index.exempt_run, found)
    allowed = Allowed(
        f"alw_{secrets.token_hex(6)}", options.name, time.time(), index.key.id, hashes.to_bytes(), incident
    )
    store = open_state(options.state, environment)
    try:
        _note(
            options, environment, "allowed", id=allowed.id, incident=incident or None, runs=len(hashes.runs)
        )
        store.allow(allowed)
    finally:
        store.close()
    console.note(
        f"{allowed.id}: {len(hashes.runs)} runs and {len(hashes.values)} known values are free for everyone, "
        "on every worker in five seconds"
    )
    print(allowed.id)
    return 0


def values_in(texts: Sequence[str], index: StoredIndex) -> set[int]:
    """The places of the index's known values that stand in some texts."""
    from proxy.detectors.value_walk import Walk
    from proxy.values import GlyphTable

    heard = _Heard()
    for text in texts:
        walk = Walk(index.values(), GlyphTable())
        walk.feed(text, heard)
        heard.hear(ended.track[1] for ended in walk.finish())
    return heard.names


class _Heard:
    """Listens to a walk: where values ended."""

    busy = True

    def __init__(self) -> None:
        self.names: set[int] = set()
        self._tails: list[Any] = []

    def note(
        self, at: int, glyph: Glyph, ended: Sequence[Ended], acts: Sequence[Track], floor: int, units: int
    ) -> int:
        from proxy.detectors.value_walk import next_places

        if glyph.letters:
            self._tails = [place for node in self._tails for place in next_places(node, glyph)]
        self._tails += [node for _, node, _ in acts]
        self.hear([*(each.track[1] for each in ended), *self._tails])
        return floor

    def hear(self, nodes: Iterable[Any]) -> None:
        self.names.update(name for node in nodes if node.ends for name in node.names)


def _documents(options: argparse.Namespace, incident: str) -> Sequence[str]:
    """The texts of the documents that an incident names, from the training data."""
    from proxy.audit import find

    path = trail_path(options)
    found = find(path, incident)
    if found is None:
        raise ConfigError(f"{path}: no decision with the incident {incident}")
    stopped = [each for each in found.get("verdicts", ()) if each["enforced"] and each["action"] != "allow"]
    names = list(dict.fromkeys(each["document"] for each in stopped if each["document"]))
    if not names:
        raise ConfigError(
            f"{incident}: nothing of it was stopped because of a document; give the text in a FILE"
        )
    if not options.data:
        raise ConfigError(
            f"{incident}: the trail holds no text, and an index cannot give it back. What was stopped stands "
            f"in {', '.join(names)}. Write what may be said into a file: sluicegate allow FILE. Or, to free "
            "these documents as a whole, say where they are: --data DATA"
        )
    texts = _texts_of(set(names), options.data)
    console.warn(f"{', '.join(names)}: free for everyone as a whole; to free less, give the text in a FILE")
    return texts


def _texts_of(names: set[str], data: Sequence[str]) -> Sequence[str]:
    from proxy.datasets import parse_source, read

    texts: list[str] = []
    missing = set(names)
    for item in read([parse_source(argument) for argument in data]):
        if isinstance(item, Document) and item.id in missing:
            texts.extend(item.texts)
            missing.discard(item.id)
            if not missing:
                break
    if missing:
        raise ConfigError(f"not in that data: {', '.join(sorted(missing))}; give it as `index build` got it")
    return texts


def _list(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.index import Hashes
    from proxy.keys import open_state

    store = open_state(options.state, environment, create=False)
    try:
        texts = store.allowed()
    finally:
        store.close()
    rows = [
        {
            "id": text.id,
            "name": text.name,
            "created": time.strftime("%Y-%m-%d %H:%M", time.gmtime(text.created)),
            "runs": len(Hashes.from_bytes(text.hashes).runs),
            "values": len(Hashes.from_bytes(text.hashes).values),
            "index_key": text.index_key,
            "incident": text.about,
        }
        for text in texts
    ]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    columns = ("id", "name", "created", "runs", "values", "index_key", "incident")
    console.table("allowed texts", columns, [tuple(row[name] or "-" for name in columns) for row in rows])
    return 0


def _remove(options: argparse.Namespace, environment: Mapping[str, str], which: str) -> int:
    from proxy.keys import open_state

    store = open_state(options.state, environment, create=False)
    try:
        text = store.disallow(which)
        _note(options, environment, "disallowed", id=text.id)
    finally:
        store.close()
    console.note(f"{text.id} ({text.name or 'no name'}) is not allowed any more")
    return 0


def _note(options: argparse.Namespace, environment: Mapping[str, str], what: str, **fields: object) -> None:
    """Into the trail of this machine; every worker writes its own line when it takes the change up."""
    from proxy.audit import Trail, trail_key

    trail = Trail(trail_path(options), key=trail_key(environment))
    try:
        trail.note(what, **fields)
    finally:
        trail.close()
