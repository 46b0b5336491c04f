"""The command ``sluicegate``: one file a subcommand, each with ``add`` (its arguments) and ``run``.

May import: every room and ``proxy.server``; heavy ones inside ``run`` only, so that ``--help`` is instant.
The rule that must stay true: bad input ends in a sentence and exit code 2, never in a traceback.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from proxy import __version__
from proxy.cli import allow, audit, demo, index, keys, policy, reload, scan, serve
from proxy.cli.options import Fault, use_environment
from proxy.errors import ProxyError

COMMANDS = (demo, index, serve, keys, scan, audit, allow, reload, policy)
"""Every subcommand, in the order in which a newcomer meets them."""

FINE, ACT, LEAK = 0, 2, 3
"""Exit codes: fine; the operator must act; a leak was found."""

TERMINATED = 128 + signal.SIGTERM
"""Exit code of a command that was ended by SIGTERM before it was done; a server is done then."""

_EPILOG = """\
examples:
  sluicegate demo
  sluicegate index build training.jsonl --out training.idx --audience staff
  sluicegate keys create --role public
  sluicegate serve --index training.idx --upstream http://127.0.0.1:8000/v1

Every option can also be given as SLUICEGATE_<NAME> in the environment.
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="sluicegate",
        description="A leakage firewall in front of a fine-tuned model.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"sluicegate {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return root


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Run one command; returns its exit code."""
    environment = os.environ if environment is None else environment
    root = parser()
    try:
        use_environment(root, environment)
        chosen = root.parse_args(arguments)
        with _ended_cleanly(FINE if chosen.run in (serve.run, demo.run) else TERMINATED):
            code: int = chosen.run(chosen, environment)
        return code
    except (ProxyError, Fault) as error:
        for line in str(error).splitlines():
            print(f"sluicegate: {line}", file=sys.stderr)
        return ACT
    except KeyboardInterrupt:
        print("sluicegate: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone (head, less): no more is wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"sluicegate: {place}{error.strerror or error}", file=sys.stderr)
        return ACT


@contextmanager
def _ended_cleanly(code: int) -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does: temporary folders go, and half an index with them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: object) -> None:
        raise SystemExit(code)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
