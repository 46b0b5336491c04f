"""Values of options, and how an option tells its default."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from proxy.cli.options import command, milliseconds, option, port, positive, share
from proxy.cli.parsing import CommandParser


def test_ports_and_numbers() -> None:
    """A port is a number that TCP has; a number of things is at least one."""
    assert [port("0"), port("65535"), positive("1"), milliseconds(" 7 ")] == [0, 65535, 1, 7]
    assert [share("0"), share("0.25"), share("1")] == [0.0, 0.25, 1.0]


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (port, "-1", "'-1': a port is a whole number from 0 to 65535"),
        (port, "65536", "from 0 to 65535"),
        (port, "http", "'http': a port is a whole number"),
        (port, "tcp://10.0.0.1:8080", "a port is a whole number"),
        (positive, "0", "'0': give a whole number, 1 or more"),
        (positive, "1.5", "whole number"),
        (positive, "", "whole number"),
        (positive, "1_000", "whole number"),
        (positive, "9" * 5000, "whole number"),
        (positive, "²", "whole number"),
        (milliseconds, "1001", "milliseconds from 0 to 1000"),
        (share, "2", "'2': give a share from 0 to 1"),
        (share, "many", "'many': give a share from 0 to 1"),
        (share, "nan", "give a share"),
        (share, "inf", "give a share"),
        (share, "-0.1", "give a share"),
    ],
)
def test_values_that_cannot_be(read: Callable[[str], object], text: str, said: str) -> None:
    """What is wrong is repeated, with what would be right."""
    with pytest.raises(argparse.ArgumentTypeError) as error:
        read(text)
    assert said in str(error.value)
    assert len(str(error.value)) < 200


def test_an_option_tells_its_default() -> None:
    """The help ends with the default of the parser, or with the words for it; a switch has none."""
    parser = CommandParser(prog="x")
    option(parser, "--port", default=8080, help="Port, 100 % free")
    option(parser, "--trail", help="File", shown="beside the state")
    option(parser, "--json", action="store_true", default=False, help="Print JSON")
    told = parser.format_help()
    assert "Port, 100 % free (default: 8080)" in told
    assert "File (default: beside the state)" in told
    assert "Print JSON\n" in told


def test_examples_are_in_the_help() -> None:
    """A command shows how it is written; in the list of commands its summary has no full stop."""
    root = CommandParser(prog="x")
    one = command(root.add_subparsers(), "one", "Does one thing.", lambda *_: 0, "  x one\n")
    assert "examples:\n  x one" in one.format_help()
    assert "Does one thing.\n" in one.format_help()
    assert "Does one thing\n" in root.format_help()
