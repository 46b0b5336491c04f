"""What help and documents say of commands and options is what the parser does."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from proxy.cli import parser
from proxy.cli.parsing import CommandParser, levels
from proxy.cli.serve import settings_of
from proxy.server.settings import DEFAULTS, Settings
from tests.cli.running import ROOT

DOCUMENTS = ("README.md", "deploy/README.md", "policies/README.md", "docs/security.md")

WORDS: Mapping[tuple[str, str], str] = {
    ("--policy", "default"): "the packaged default policy",
    ("--trail", "beside the state"): "its name follows that of the state",
    ("--metrics-port", "9464, or any free port where that is taken"): "chosen at the start",
    ("--audience", "nobody"): "applied where a document has none",
    ("--audience-field", "audience"): "whatever its case",
    ("--entities", "all"): "no list",
    ("--encoding", "what their bytes tell"): "none",
}
"""Defaults that are documented in words; the parser has None for them."""


def commands() -> Iterator[tuple[str, CommandParser]]:
    """Every command and group, with its name."""
    return ((level.prog, level) for level in levels(parser()))


LEAVES = [name for name, level in commands() if level._subparsers is None]


def command(name: str) -> CommandParser:
    return dict(commands())[name]


def actions() -> Iterator[tuple[str, argparse.Action]]:
    for name, level in commands():
        for action in level._actions:
            if not isinstance(action, argparse._SubParsersAction):
                yield name, action


# --- help


def test_every_option_line_has_one_form() -> None:
    """A capital letter first, no full stop at the end; every argument is explained."""
    wrong = [
        f"{name}: {action.option_strings or action.dest}: {action.help}"
        for name, action in actions()
        if not action.help or not (action.help[0].isupper() and action.help[-1] not in ".,;")
    ]
    assert not wrong, "\n".join(wrong)
    summaries = [
        choice.help or ""
        for _, level in commands()
        for group in level._actions
        if isinstance(group, argparse._SubParsersAction)
        for choice in group._choices_actions
    ]
    assert len(summaries) > 20
    assert [each for each in summaries if not each[0].isupper() or each.endswith(".")] == []


def test_every_documented_default_is_the_parsers() -> None:
    """`(default: X)` is what the parser takes, and every default is documented."""
    wrong = []
    for name, action in actions():
        told = re.search(r"\(default: (.+)\)$", action.help or "")
        option = action.option_strings[0] if action.option_strings else action.dest
        if told is None:
            if action.default not in (None, False, "", [], argparse.SUPPRESS):
                wrong.append(f"{name} {option}: {action.default!r} is not documented")
        elif action.default is None:
            if (option, told[1]) not in WORDS:
                wrong.append(f"{name} {option}: {told[1]!r} is documented, the parser has none")
        elif told[1] != str(action.default) and (told[1], action.default) != ("standard input", "-"):
            wrong.append(f"{name} {option}: {told[1]!r} is documented, {action.default!r} is taken")
    assert not wrong, "\n".join(wrong)


def test_the_defaults_of_serve_are_those_of_the_settings() -> None:
    """A server started with two options has the settings of their defaults, all of them."""
    options = parser().parse_args(["serve", "--index", "x.idx", "--upstream", "http://127.0.0.1:9/v1"])
    expected = Settings(
        index=Path("x.idx"), upstream="http://127.0.0.1:9/v1", state=Path("sluicegate.sqlite")
    )
    assert settings_of(options) == expected
    assert len(DEFAULTS) > 15


def test_the_demo_listens_where_the_server_does() -> None:
    """One default for both."""
    options = parser().parse_args(["demo"])
    assert (options.host, options.port) == (DEFAULTS["host"], DEFAULTS["port"])


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_help_ends_with_examples_that_parse(name: str) -> None:
    """Every command and every group shows how it is used, in commands that the parser takes."""
    told = command(name).format_help()
    _, mark, examples = told.rpartition("examples:\n")
    assert mark, f"{name} has no examples"
    found = list(in_shell(examples.partition("\n\n")[0]))
    assert found
    for words in found:
        parser().parse_args(words)
    if name in LEAVES:
        own = name.split()[1:]
        assert any(words[: len(own)] == own for words in found), f"no example is of {name}"


@pytest.mark.parametrize("columns", ["1", "10", "20", "40", "80", "200"])
def test_help_fits_any_terminal(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """However narrow it is, nothing is raised and every option is listed."""
    monkeypatch.setenv("COLUMNS", columns)
    for _, level in commands():
        told = level.format_help()
        level.format_usage()
        for action in level._actions:
            assert all(option in told for option in action.option_strings)


# --- documents


def in_shell(text: str) -> Iterator[list[str]]:
    """The words behind each ``sluicegate`` of some lines of shell, up to a pipe or the next command."""
    for line in text.replace("\\\n", " ").splitlines():
        for found in re.finditer(r"(?<!-n )(?:^|(?<=[\s/]))sluicegate(?= |$)", line):
            # An example may be followed by what it does, behind some blanks.
            rest = re.split(r"\s{4,}(?!-)", line[found.end() :])[0]
            lexer = shlex.shlex(rest, posix=True, punctuation_chars="|&;")
            lexer.whitespace_split = True
            words = list(lexer)
            ends = [at for at, word in enumerate(words) if word[0] in "|&;"]
            yield words[: ends[0]] if ends else words


def blocks(text: str) -> Iterator[str]:
    """The fenced blocks of a document; of a console, the lines that are typed."""
    for language, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.M | re.S):
        if language == "console":
            yield "\n".join(line for line in block.splitlines() if line.startswith("$ "))
        elif language in ("", "sh", "bash"):
            yield block


def test_commands_in_blocks_parse() -> None:
    """What a reader would paste is taken by the parser that runs it."""
    seen = []
    for document in DOCUMENTS:
        for block in blocks((ROOT / document).read_text("utf-8")):
            for words in in_shell(block):
                if words and words[-1] == "...":  # more options are up to the reader
                    words[-1:] = ["--index", "x.idx"]
                if not words or "…" in "".join(words):
                    continue
                assert parser().parse_args(words), words
                seen.append(" ".join(words[:2]))
    assert {"index build", "keys create", "serve --index", "audit show", "policy check"} <= set(seen)


def test_commands_in_sentences_exist() -> None:
    """A command that is named between words exists, and so do its options."""
    known = {name.removeprefix("sluicegate").strip(): level for name, level in commands()}
    seen = 0
    for document in DOCUMENTS:
        for code in re.findall(r"`([^`\n]+)`", (ROOT / document).read_text("utf-8")):
            words = re.split(r"[\s=]+", code)
            starts = [at for at, word in enumerate(words) if word == "sluicegate" and words[at - 1] != "-n"]
            ours = bool(starts)
            if ours:
                words = words[starts[-1] + 1 :]
            if not words or words[0] not in known:
                assert not ours or not words or words[0].isupper() or words[0].startswith("-"), code
                continue
            name = next(" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known)
            if known[name]._subparsers is not None and len(words) > 1:
                assert words[1].isupper() or words[1].startswith("-"), f"{document}: {code}"
            for word in words:
                if word.startswith("--"):
                    assert word in known[name]._option_string_actions, f"{document}: {code}"
            seen += 1
    assert seen > 20


def test_the_documents_say_where_the_server_listens() -> None:
    """The address in README and deploy/README is that of the settings, and no other port is ours."""
    address = f"http://{DEFAULTS['host']}:{DEFAULTS['port']}/v1"
    for document in ("README.md", "deploy/README.md"):
        assert address in (ROOT / document).read_text("utf-8")
    assert f"port {DEFAULTS['port']}" in (ROOT / "deploy/README.md").read_text("utf-8")
