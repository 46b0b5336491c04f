"""``sluicegate scan``: the verdicts on a text, offline.

May import: every room, inside functions. The rule
that must stay true: the guard of the proxy judges, and no other.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proxy.cli import console
from proxy.cli.options import Subparsers, command, index_option, json_option, option, policy_option
from proxy.errors import ConfigError
from proxy.types import Action, Verdict

_PIECE = 4096
_LEAK = 3
_COLUMNS = (
    "rule", "action", "enforced", "detector", "entity", "start", "end", "score", "document", "audience"
)  # fmt: skip


def add(commands: Subparsers) -> None:
    scan = command(
        commands,
        "scan",
        "Judge a text as an answer to a role; exit 3 when something would be stopped.",
        run,
        "  sluicegate scan --index chats.idx --role public answer.txt\n"
        "  generate | sluicegate scan --index chats.idx --role public --json -\n",
    )
    index_option(scan)
    policy_option(scan)
    option(scan, "--role", required=True, help="Role that would read the text")
    option(scan, "--text", action="store_true", help="Print what the role would get", default=False)
    text_argument(scan)
    json_option(scan)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.detectors import build
    from proxy.guard import StreamGuard
    from proxy.index import index_key, open_index
    from proxy.policy import load_policy
    from proxy.server.firewall import parts_of

    policy = load_policy(options.policy)
    role = policy.role(options.role)
    index = open_index(options.index, index_key(options.index, environment))
    view = policy.view(role.name, (), index.audiences)
    scanners = [detector.scanner(view) for detector in build(parts_of(policy, index), policy.enabled)]
    guard = StreamGuard(scanners, lambda finding: policy.decide(finding, role.name), ceiling=role.hold)
    text = read_text(options.file)
    out: list[str] = []
    for start in range(0, len(text), _PIECE):
        out.append(guard.feed(text[start : start + _PIECE]).text)
        if guard.stopped:
            break
    out.append(guard.finish().text)
    stopped = any(v.enforced and v.action is not Action.ALLOW for v in guard.verdicts) or guard.stopped
    if options.text:
        sys.stdout.write("".join(out))
    else:
        _tell(options, guard.verdicts, stopped, len(text))
    return _LEAK if stopped else 0


def text_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``FILE``: a file with a text, or the standard input."""
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE|-", help="File with the text (default: standard input)"
    )


def read_text(name: str) -> str:
    """Read a file, or the standard input for ``-``. Raises ConfigError for what is no UTF-8 text."""
    if name == "-" and sys.stdin is None:
        raise ConfigError("the standard input is closed; name a FILE")
    if name == "-" and sys.stdin.isatty():
        console.note("reading the text from the standard input; end it with Ctrl-D")
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 (byte {error.start})") from None


def _row(verdict: Verdict) -> dict[str, Any]:
    from proxy.audit import told

    fields = told(verdict)
    row = {name: fields[name] for name in _COLUMNS}
    return row if row["score"] is None else row | {"score": round(row["score"], 3)}


def _tell(options: argparse.Namespace, verdicts: Sequence[Verdict], stopped: bool, length: int) -> None:
    rows = [_row(verdict) for verdict in verdicts]
    if options.json:
        print(json.dumps({"stopped": stopped, "characters": length, "verdicts": rows}, ensure_ascii=False))
        return
    if rows:
        console.table("verdicts", tuple(rows[0]), [tuple(row.values()) for row in rows])
    console.note(f"{length} characters, {len(rows)} findings: {'stopped' if stopped else 'passes'}")
