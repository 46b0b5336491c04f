"""The parser of every command: short errors, the name that was meant, defaults from the environment.

The invariant: a fault of the command line is one sentence and one hint, and ends with exit code 2.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

PREFIX = "SLUICEGATE_"
OTHER_VARIABLES = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("INDEX_KEY", "INDEX_KEY_FILE", "INDEX_KEY_FD"),
        *("UPSTREAM_KEY", "TRAIL_KEY", "REDIS_PASSWORD", "SETTINGS"),
        *("INDEX_DIR", "KEY_DIR", "POLICY_FILE"),  # read by deploy/compose.production.yaml
    )
)
"""Variables with the prefix that are no options."""

_NUMBER = re.compile(r"-\d+(\.\d*)?|-\.\d+")
_CLOSE = 0.6
"""The least likeness (difflib's ratio) of a word to the one that was meant."""
_HELP = frozenset(("-h", "--help", "--version"))


class Fault(Exception):
    """Something on the command line or in the environment is wrong."""


class CommandParser(argparse.ArgumentParser):
    """A command or a group of commands."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**settings)
        self.environment: Mapping[str, str] = {}
        self._mixing = False
        for action in self._actions:
            if action.dest == "help":
                action.help = "Show this help and exit"

    def error(self, message: str) -> NoReturn:
        """Print the fault and where help is, and exit with code 2."""
        said = message.removeprefix("argument ")
        self.exit(2, f"{self.prog}: error: {said}\nSee: {self.prog} --help\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the words of this level. Unknown options and words too many are errors of this level.

        Raises Fault for a variable of the environment that cannot be read.
        """
        words = _arguments() if args is None else list(args)
        if self._mixing:
            return super().parse_known_args(words, namespace)
        self._check_options(words)
        if self._is_group or _HELP.intersection(words):
            found, rest = super().parse_known_args(words, namespace)
        else:
            self._take_defaults()
            found, rest = self._parse_mixed(words, namespace)
        if rest:
            self.error(f"unexpected argument: {' '.join(map(repr, rest))}")
        return found, []

    @property
    def _is_group(self) -> bool:
        return any(isinstance(action, argparse._SubParsersAction) for action in self._actions)

    def _parse_mixed(
        self, words: Sequence[str], namespace: argparse.Namespace | None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments and options in any order: ``a --json b`` as ``--json a b``."""
        if "--" in words:  # what follows are arguments, which argparse forgets when it mixes
            return super().parse_known_args(words, namespace)
        self._mixing = True  # argparse calls `parse_known_args` for each of the two
        try:
            return self.parse_known_intermixed_args(words, namespace)
        finally:
            self._mixing = False

    def _take_defaults(self) -> None:
        for action in self._actions:
            name = variable(action)
            if name is not None and self.environment.get(name):
                action.default = _value(action, name, self.environment[name])
                action.required = False

    def _check_options(self, words: Sequence[str]) -> None:
        """Name the option that was meant, before argparse reports one that is missing because of it."""
        for word in words:
            if word == "--":
                return
            if not word.startswith("-") or word == "-":
                if self._is_group:
                    return  # the words behind a command are the command's
                continue
            if " " in word or _NUMBER.fullmatch(word) or self._knows(word.partition("=")[0]):
                continue
            name = word.partition("=")[0]
            close = did_you_mean(name, self._option_string_actions)
            if not close and self._is_group:
                close = "; options follow the command they belong to"
            self.error(f"unknown option {name!r}{close}")

    def _knows(self, name: str) -> bool:
        """Return whether a word is an option, or the beginning of one."""
        known = self._option_string_actions
        if name.startswith("--"):
            return any(option.startswith(name) for option in known)
        return name[:2] in known

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        close = did_you_mean(str(value), names)
        if isinstance(action, argparse._SubParsersAction):
            raise argparse.ArgumentError(
                None, f"unknown command {value!r}{close or '; commands: ' + ', '.join(names)}"
            )
        raise argparse.ArgumentError(action, f"{value!r} is not one of {', '.join(names)}{close}")


def _arguments() -> list[str]:
    import sys

    return sys.argv[1:]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'X'?`` with the closest known word, or "" where none is close."""
    close = get_close_matches(word, list(known), 1, _CLOSE)
    return f"; did you mean {close[0]!r}?" if close else ""


def levels(parser: argparse.ArgumentParser) -> Iterable[CommandParser]:
    """Return a parser and those of all commands below it."""
    if isinstance(parser, CommandParser):
        yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from levels(inner)


def use_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Let the options of a command that is parsed take their defaults from ``SLUICEGATE_<NAME>``."""
    for level in levels(parser):
        level.environment = environment


def unknown_variables(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> list[str]:
    """Return one line for each ``SLUICEGATE_*`` variable that no command reads."""
    known = {name for level in levels(parser) for action in level._actions if (name := variable(action))}
    known |= OTHER_VARIABLES
    shorter = {name.removeprefix(PREFIX): name for name in known}
    lines = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name.removeprefix(PREFIX), shorter, 1, _CLOSE)
            meant = f"; did you mean {shorter[close[0]]}?" if close else ""
            lines.append(f"{name}: no command reads this variable{meant}")
    return lines


def variable(action: argparse.Action) -> str | None:
    """Return the variable of an option; None for what is no option."""
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
    except argparse.ArgumentTypeError as error:
        raise Fault(f"{name}: {error}") from None
    if action.choices is not None and value not in action.choices:
        names = [str(choice) for choice in action.choices]
        raise Fault(f"{name}: {text!r} is not one of {', '.join(names)}{did_you_mean(text, names)}")
    return [value] if action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction) else value
