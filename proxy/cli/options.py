"""Options that several commands share, and their defaults from the environment.

May import: the ground floor. The rule that must stay true: every option reads ``SLUICEGATE_<NAME>``, and what
stands on the command line wins.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Subparsers = Any  # argparse keeps its type private

PREFIX = "SLUICEGATE_"


class Fault(Exception):
    """Something on the command line or in the environment is wrong."""


def command(
    commands: Subparsers, name: str, summary: str, run: Callable[..., int], examples: str = ""
) -> argparse.ArgumentParser:
    """A subcommand with its help and examples."""
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    return made


def index_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="the index to use")


def policy_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="a policy file, or 'default' or 'strict' (default: default)",
    )


def state_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        type=_state,
        default=Path("sluicegate.sqlite"),
        metavar="PATH|URL",
        help="where keys are kept: a file, or redis://HOST:PORT/NUMBER (default: sluicegate.sqlite)",
    )


def _state(text: str) -> Path | str:
    """The state of one machine is a file, that of several an address."""
    return text if "://" in text else Path(text)


def state_file(options: argparse.Namespace) -> Path:
    """The state's file; where it has none, the name that the files beside it have."""
    return options.state if isinstance(options.state, Path) else Path("sluicegate.sqlite")


def trail_path(options: argparse.Namespace) -> Path:
    """Where the trail is: ``--trail``, or beside the state."""
    state = state_file(options)
    trail: Path = options.trail or state.with_name(state.stem + ".trail.jsonl")
    return trail


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def use_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Let every option of every command take its default from ``SLUICEGATE_<NAME>``."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                use_environment(inner, environment)
            continue
        name = _variable(action)
        if name is None or name not in environment or environment[name] == "":
            continue
        action.default = _value(action, name, environment[name])
        action.required = False


def _variable(action: argparse.Action) -> str | None:
    longest = [option for option in action.option_strings if option.startswith("--")]
    if not longest or action.dest in ("help", "version"):
        return None
    return PREFIX + longest[0][2:].upper().replace("-", "_")


def _value(action: argparse.Action, name: str, text: str) -> Any:
    if isinstance(action, argparse._StoreTrueAction):
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise Fault(f"{name}: {text!r} is neither true nor false")
    try:
        value = action.type(text) if callable(action.type) else text
    except (ValueError, argparse.ArgumentTypeError):
        raise Fault(f"{name}: {text!r} is not valid for {action.option_strings[0]}") from None
    if action.choices is not None and value not in action.choices:
        raise Fault(f"{name}: {text!r} is not one of {', '.join(map(str, action.choices))}")
    return [value] if action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction) else value


def port(text: str) -> int:
    """A TCP port; 0 takes any that is free."""
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return value


def milliseconds(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError("must be 0 to 1000 milliseconds")
    return value


def share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be a share from 0 to 1")
    return value


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value
