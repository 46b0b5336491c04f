"""Options that several commands share, and the values that options take."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.cli.parsing import CommandParser

Subparsers = Any  # argparse keeps its type private

STATE = "sluicegate.sqlite"


def command(
    commands: Subparsers, name: str, summary: str, run: Callable[..., int], examples: str
) -> CommandParser:
    """Add a command. ``summary``: a sentence; ``examples``: indented lines that its help ends with."""
    made: CommandParser = commands.add_parser(
        name,
        help=summary.removesuffix("."),
        description=summary,
        epilog=f"examples:\n{examples}",
    )
    made.set_defaults(run=run)
    return made


def group(commands: Subparsers, name: str, summary: str, examples: str) -> Subparsers:
    """Add a group of commands and return what they are added to."""
    made: CommandParser = commands.add_parser(
        name,
        help=summary.removesuffix("."),
        description=summary,
        epilog=f"examples:\n{examples}",
    )
    return made.add_subparsers(title="commands", metavar="COMMAND", required=True)


def option(
    parser: argparse.ArgumentParser,
    *names: str,
    help: str,
    default: object = None,
    shown: str | None = None,
    **settings: Any,
) -> None:
    """Add an option whose help ends with its default. ``shown``: how the help names the default."""
    told = shown if shown is not None else None if default in (None, False, "") else str(default)
    text = help if told is None else f"{help} (default: {told})"
    parser.add_argument(*names, default=default, help=text.replace("%", "%%"), **settings)


def index_option(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    option(parser, "--index", type=Path, required=required, metavar="DIR", help="Index to use")


def policy_option(parser: argparse.ArgumentParser) -> None:
    option(
        parser,
        "--policy",
        type=Path,
        metavar="FILE",
        help="Policy file, or the packaged 'default' or 'strict'",
        shown="default",
    )


def state_option(parser: argparse.ArgumentParser) -> None:
    option(
        parser,
        "--state",
        type=_state,
        default=Path(STATE),
        metavar="PATH|URL",
        help="State with the keys: a file, or redis://HOST:PORT/NUMBER",
    )


def trail_option(parser: argparse.ArgumentParser) -> None:
    option(
        parser,
        "--trail",
        type=Path,
        metavar="FILE",
        help="File of the decision trail",
        shown="beside the state",
    )


def _state(text: str) -> Path | str:
    """The state of one machine is a file, that of several an address."""
    return text if "://" in text else Path(text)


def state_file(options: argparse.Namespace) -> Path:
    """The state's file; where it has none, the name that the files beside it have."""
    return options.state if isinstance(options.state, Path) else Path(STATE)


def trail_path(options: argparse.Namespace) -> Path:
    """Where the trail is: ``--trail``, or beside the state."""
    state = state_file(options)
    trail: Path = options.trail or state.with_name(state.stem + ".trail.jsonl")
    return trail


def json_option(parser: argparse.ArgumentParser) -> None:
    option(parser, "--json", action="store_true", help="Print JSON, for scripts", default=False)


def port(text: str) -> int:
    """A TCP port; 0 takes any that is free."""
    return _whole(text, 0, 65535, "a port is a whole number from 0 to 65535")


def milliseconds(text: str) -> int:
    return _whole(text, 0, 1000, "give a whole number of milliseconds from 0 to 1000")


def positive(text: str) -> int:
    return _whole(text, 1, None, "give a whole number, 1 or more")


def share(text: str) -> float:
    wanted = "give a share from 0 to 1, such as 0.1"
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: {wanted}") from None
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise argparse.ArgumentTypeError(f"{text!r}: {wanted}")
    return value


def _whole(text: str, least: int, most: int | None, wanted: str) -> int:
    """Read a whole number in digits. Raises ArgumentTypeError with ``wanted``."""
    plain = text.strip()
    # Python refuses to convert more than some thousand digits, and takes underscores.
    if not plain.isascii() or not plain.isdigit() or len(plain) > 18:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: {wanted}")
    value = int(plain)
    if value < least or (most is not None and value > most):
        raise argparse.ArgumentTypeError(f"{text!r}: {wanted}")
    return value
