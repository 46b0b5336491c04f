"""The parser of every command: short faults, the name that was meant, defaults from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.cli import parser as whole
from proxy.cli.options import command, index_option, json_option, option, policy_option, port, state_option
from proxy.cli.parsing import (
    OTHER_VARIABLES,
    CommandParser,
    Fault,
    unknown_variables,
    use_environment,
)
from tests.cli.running import ROOT


def small() -> CommandParser:
    """A command line with one of each kind of option."""
    root = CommandParser(prog="x")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    one = command(commands, "one", "Does one thing.", lambda *_: 0, "  x one\n")
    index_option(one)
    policy_option(one)
    state_option(one)
    json_option(one)
    option(one, "--port", type=port, default=8080, help="Port")
    option(one, "--format", choices=("auto", "text"), default="auto", help="Format")
    option(one, "--name", "-n", help="Name")
    one.add_argument("--background", nargs="+", default=[])
    one.add_argument("--tag", action="append")
    one.add_argument("rest", nargs="*")
    command(commands, "two", "Does nothing.", lambda *_: 0, "  x two\n")
    return root


def parsed(arguments: Sequence[str] = (), **environment: str) -> Any:
    root = small()
    variables: Mapping[str, str] = {
        f"SLUICEGATE_{name.upper()}": value for name, value in environment.items()
    }
    use_environment(root, variables)
    return root.parse_args(["one", *arguments])


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the parser says of wrong arguments."""
    with pytest.raises(SystemExit) as ended:
        small().parse_args(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


# --- the environment


def test_defaults_without_an_environment(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not given has its default; what is required must be given."""
    options = parsed(["--index", "x.idx"])
    assert (options.index, options.policy, options.state) == (Path("x.idx"), None, Path("sluicegate.sqlite"))
    assert (options.port, options.json, options.format, options.background) == (8080, False, "auto", [])
    with pytest.raises(SystemExit):
        parsed()
    assert "required: --index" in capsys.readouterr().err


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
    ("environment", "fault"),
    [
        ({"json": "maybe"}, "SLUICEGATE_JSON: 'maybe' is neither true nor false"),
        ({"port": "http"}, "SLUICEGATE_PORT: 'http': a port is a whole number from 0 to 65535"),
        ({"port": "65536"}, "SLUICEGATE_PORT: '65536': a port is a whole number from 0 to 65535"),
        ({"format": "txt"}, "SLUICEGATE_FORMAT: 'txt' is not one of auto, text; did you mean 'text'?"),
    ],
)
def test_variables_that_cannot_be_read(environment: dict[str, str], fault: str) -> None:
    """A wrong variable is named, with what is wrong and what would be right."""
    with pytest.raises(Fault) as raised:
        parsed(["--index", "x"], **environment)
    assert str(raised.value) == fault


def test_a_wrong_variable_of_another_command_is_no_fault() -> None:
    """Variables are read for the command that runs; its help is shown whatever they are."""
    root = small()
    use_environment(root, {"SLUICEGATE_PORT": "http"})
    assert root.parse_args(["two"]).run is not None
    with pytest.raises(SystemExit) as ended:
        root.parse_args(["one", "--help"])
    assert ended.value.code == 0


def test_unknown_variables_are_named_with_what_was_meant() -> None:
    """A variable with the prefix that no command reads; those of any command, and of the code, are known."""
    root = small()
    environment = {"SLUICEGATE_POLCY": "x", "SLUICEGATE_QQQ": "x", "SLUICEGATE_PORT": "1", "PATH": "/"}
    environment |= dict.fromkeys(OTHER_VARIABLES, "x")
    assert unknown_variables(root, environment) == [
        "SLUICEGATE_POLCY: no command reads this variable; did you mean SLUICEGATE_POLICY?",
        "SLUICEGATE_QQQ: no command reads this variable",
    ]


def test_every_variable_that_the_code_names_is_known() -> None:
    """Source, compose files and Dockerfile read no variable that would be warned of."""
    text = "".join(
        path.read_text("utf-8")
        for pattern in ("proxy/**/*.py", "deploy/**/*.y*ml", "Dockerfile")
        for path in ROOT.glob(pattern)
    )
    named = dict.fromkeys(re.findall(r"SLUICEGATE_[A-Z][A-Z_]*[A-Z]\b", text), "x")
    assert len(named) > 10
    assert unknown_variables(whole(), named) == []


def test_unknown_variables_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command runs; of very many only some are named, and no value is printed."""
    monkeypatch.chdir(tmp_path)
    unknown = {f"SLUICEGATE_PORT_{n}_TCP": "a secret" for n in range(9)}
    assert main(["policy", "check", "strict"], unknown) == 0
    err = capsys.readouterr().err
    assert err.count("no command reads this variable") == 5
    assert "4 more SLUICEGATE_* variables" in err
    assert "a secret" not in err


# --- faults


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["on"], "x: error: unknown command 'on'; did you mean 'one'?\nSee: x --help\n"),
        (["zzz"], "x: error: unknown command 'zzz'; commands: one, two\nSee: x --help\n"),
        (["one", "--polcy", "x"], "x one: error: unknown option '--polcy'; did you mean '--policy'?\n"),
        (["one", "--polcy=x"], "unknown option '--polcy'; did you mean '--policy'?"),
        (["one", "-x"], "unknown option '-x'"),
        (["--index", "x", "one"], "x: error: unknown option '--index'; options follow the command"),
        (["one", "--index", "x", "--format", "txt"], "--format: 'txt' is not one of auto, text; did you"),
        (["one", "--index", "x", "--port", "y"], "x one: error: --port: 'y': a port is a whole number"),
        (["two", "more"], "x two: error: unexpected argument: 'more'\nSee: x two --help\n"),
        (["one"], "x one: error: the following arguments are required: --index\nSee: x one --help\n"),
        ([], "x: error: the following arguments are required: COMMAND\nSee: x --help\n"),
    ],
)
def test_faults_of_the_command_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], fault: str
) -> None:
    """One sentence that names what was meant, one line that says where help is, and no list of options."""
    told = said(capsys, *arguments)
    assert fault in told
    assert len(told.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--name", "-"], "name", "-"),
        (["--name", "-5"], "name", "-5"),
        (["-nshop"], "name", "shop"),
        (["--name", "--my shop"], "name", "--my shop"),
        (["--pol", "strict"], "policy", Path("strict")),
        (["--", "--polcy"], "rest", ["--polcy"]),
        (["-"], "rest", ["-"]),
        (["a", "--json", "b"], "rest", ["a", "b"]),
        (["a", "--name", "shop", "-"], "rest", ["a", "-"]),
    ],
)
def test_words_that_are_no_options(arguments: list[str], name: str, value: object) -> None:
    """Dashes, numbers, words with blanks, what follows ``--``, and the beginning of an option pass."""
    assert getattr(parsed(["--index", "x", *arguments]), name) == value
