"""Options and the environment: every option reads its variable, and the command line wins."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.options import (
    Fault,
    command,
    index_option,
    json_option,
    policy_option,
    port,
    positive,
    state_option,
    use_environment,
)


def made() -> argparse.ArgumentParser:
    """A command line with one of each kind of option."""
    root = argparse.ArgumentParser(prog="x", exit_on_error=False)
    commands = root.add_subparsers(required=True)
    one = command(commands, "one", "Does one thing.", lambda *_: 0, "  x one\n")
    index_option(one)
    policy_option(one)
    state_option(one)
    json_option(one)
    one.add_argument("--port", type=port, default=8080)
    one.add_argument("--format", choices=("auto", "text"), default="auto")
    one.add_argument("--background", nargs="+", default=[])
    one.add_argument("--tag", action="append")
    one.add_argument("rest", nargs="*")
    return root


def parsed(arguments: Sequence[str] = (), **environment: str) -> Any:
    root = made()
    variables: Mapping[str, str] = {
        f"SLUICEGATE_{name.upper()}": value for name, value in environment.items()
    }
    use_environment(root, variables)
    return root.parse_args(["one", *arguments])


def test_defaults_without_an_environment() -> None:
    """What is not told has its default; what is needed must be told."""
    options = parsed(["--index", "x.idx"])
    assert (options.index, options.policy, options.state) == (Path("x.idx"), None, Path("sluicegate.sqlite"))
    assert (options.port, options.json, options.format, options.background) == (8080, False, "auto", [])
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parsed()


def test_the_environment_gives_defaults() -> None:
    """Each option takes its variable, converted as it would be on the command line."""
    options = parsed(
        index="y.idx",
        policy="strict",
        state="/s",
        port="0",
        json="yes",
        format="text",
        background="b",
        tag="t",
    )
    assert (options.index, options.policy, options.state) == (Path("y.idx"), Path("strict"), Path("/s"))
    assert (options.port, options.json, options.format) == (0, True, "text")
    assert (options.background, options.tag) == (["b"], ["t"])


def test_the_command_line_wins() -> None:
    """An option that is written goes before its variable; an empty variable is none."""
    options = parsed(["--index", "x.idx", "--port", "5"], index="y.idx", port="7", policy="")
    assert (options.index, options.port, options.policy) == (Path("x.idx"), 5, None)


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False)]
)
def test_switches(text: str, value: bool) -> None:
    """A switch is on or off in the usual words."""
    assert parsed(index="x", json=text).json is value


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"json": "maybe"}, "SLUICEGATE_JSON: 'maybe' is neither true nor false"),
        ({"port": "http"}, "SLUICEGATE_PORT: 'http' is not valid for --port"),
        ({"port": "65536"}, "SLUICEGATE_PORT: '65536' is not valid for --port"),
        ({"format": "yaml"}, "SLUICEGATE_FORMAT: 'yaml' is not one of auto, text"),
    ],
)
def test_variables_that_cannot_be_read(environment: dict[str, str], said: str) -> None:
    """A wrong variable is named, with what is wrong."""
    with pytest.raises(Fault) as fault:
        parsed(["--index", "x"], **environment)
    assert str(fault.value) == said


def test_ports_and_numbers() -> None:
    """A port is a number that TCP has; a number of things is at least one."""
    assert [port("0"), port("65535"), positive("1")] == [0, 65535, 1]
    for read, text in ((port, "-1"), (port, "70000"), (positive, "0")):
        with pytest.raises(argparse.ArgumentTypeError):
            read(text)
    for read in (port, positive):
        with pytest.raises(ValueError, match="invalid literal"):
            read("many")


def test_examples_stand_in_the_help() -> None:
    """A command shows how it is written."""
    root = argparse.ArgumentParser()
    one = command(root.add_subparsers(), "one", "Does one thing.", lambda *_: 0, "  x one\n")
    assert "examples:\n  x one" in one.format_help()
