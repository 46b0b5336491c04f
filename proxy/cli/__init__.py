"""The command ``sluicegate``: one file a subcommand, each with ``add`` (its arguments) and ``run``.

Heavy rooms are imported inside ``run`` only, so that ``--help`` is instant. The invariant: bad input ends
in a sentence and exit code 2, never in a traceback.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from proxy import __version__, secrecy
from proxy.cli import allow, audit, console, demo, index, keys, policy, reload, scan, serve, streams
from proxy.cli.parsing import CommandParser, Fault, unknown_variables, use_environment
from proxy.errors import ProxyError

COMMANDS = (demo, index, serve, keys, scan, audit, allow, reload, policy)
"""Every subcommand, in the order in which a newcomer meets them."""

FINE, ACT, LEAK = 0, 2, 3
"""Exit codes: fine; the operator must act; a leak was found."""

BUG = 1
"""Exit code of an error that nobody foresaw."""

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
"""Exit code of a command that SIGTERM ended before it was done; a server is done then."""

_EPILOG = """\
examples:
  sluicegate demo
  sluicegate index build training.jsonl --out training.idx --audience staff
  sluicegate keys create --role public
  sluicegate serve --index training.idx --upstream http://127.0.0.1:8000/v1

Every option can also be given as SLUICEGATE_<NAME> in the environment.
Exit codes: 0 fine, 2 something must be done, 3 a leak was found.
"""

INDEX_KEY = "SLUICEGATE_INDEX_KEY"

_MOST_WARNINGS = 5


def parser() -> CommandParser:
    """Return the parser of the whole command line."""
    root = CommandParser(
        prog="sluicegate",
        description="A leakage firewall in front of a fine-tuned model.",
        epilog=_EPILOG,
    )
    root.add_argument(
        "--version",
        action="version",
        version=f"sluicegate {__version__}",
        help="Show the version and exit",
    )
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return root


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Run one command; returns its exit code."""
    own = environment is None
    environment = os.environ if environment is None else environment
    if own:
        secrecy.forbid_dumps()
    streams.prepare()
    root = parser()
    try:
        use_environment(root, environment)
        chosen = root.parse_args(arguments)
        streams.check(needed=chosen.run is not serve.run)
        _warn_of_unknown(root, chosen, environment)
        environment = _without_key(environment, own=own)
        with _ended_cleanly(FINE if chosen.run in (serve.run, demo.run) else TERMINATED):
            code: int = chosen.run(chosen, environment)
            streams.flush()
        return code
    except (ProxyError, Fault) as error:
        _report(*str(error).splitlines())
        return ACT
    except KeyboardInterrupt:
        _report("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        streams.drop_output()  # the reader of the output has gone (head, less)
        return FINE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _report(f"{place}{error.strerror or error}{_remedy(error)}")
        return ACT
    except Exception as error:
        # Only the kind and the places: a message could repeat what was read.
        _report(f"internal error ({type(error).__name__}); please report it with these lines")
        _report(*streams.places(error))
        return BUG
    finally:
        streams.end()


def _without_key(environment: Mapping[str, str], *, own: bool) -> Mapping[str, str]:
    """Take the index key out of the environment, so that no process that is started inherits it."""
    if not any(name.startswith(INDEX_KEY) for name in environment):
        return environment
    from proxy.index import take_index_key

    taken = take_index_key(environment)
    if own:
        for name in (INDEX_KEY, f"{INDEX_KEY}_FD"):
            secrecy.forget_variable(name)
    return taken


def _warn_of_unknown(
    root: CommandParser, chosen: argparse.Namespace, environment: Mapping[str, str]
) -> None:
    unknown = unknown_variables(root, environment)
    chosen.unknown_variables = unknown
    if getattr(chosen, "log_format", "text") == "json":
        return  # the error stream holds JSON alone: the server logs them
    for line in unknown[:_MOST_WARNINGS]:
        console.warn(line)
    if len(unknown) > _MOST_WARNINGS:
        console.warn(f"{len(unknown) - _MOST_WARNINGS} more SLUICEGATE_* variables that no command reads")


def _report(*lines: str) -> None:
    for line in lines:
        print(f"sluicegate: {line}", file=sys.stderr)


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "; free some space, or choose another place"
    if error.errno == errno.EFBIG:
        return "; raise the limit on the size of files (ulimit -f), or choose another place"
    return ""


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
