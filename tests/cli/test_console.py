"""What a person sees: plain lines in a pipe, tables and a bar on a terminal, notes beside the results."""

from __future__ import annotations

import io
import sys

import pytest

from proxy.cli import console


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_table_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Tab-separated lines, the names first: for ``cut`` and ``awk``."""
    console.table("title", ("a", "b"), [(1, "x y"), (None, "中")])
    assert capsys.readouterr().out == "a\tb\n1\tx y\nNone\t中\n"


def test_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A title and columns."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    console.table("my title", ("first", "second"), [(1, "x")])
    told = screen.getvalue()
    assert "my title" in told
    assert "first" in told
    assert "\t" not in told


def test_notes_and_warnings_are_no_results(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go to the error stream; a warning is yellow on a terminal alone."""
    console.note("a note")
    console.warn("take care")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "a note\nwarning: take care\n")
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    console.warn("take care")
    assert screen.getvalue() == "\033[33mwarning:\033[0m take care\n"


def test_a_cell_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters, line ends and characters that turn the direction are shown as escapes."""
    console.table("t", ("a",), [("\x1b[2J\tx\ny\u202ez",)])
    console.row(("\x1b]0;title\x07", "网店"))
    assert capsys.readouterr().out == "a\n\\x1b[2J\\tx\\ny\\u202ez\n\\x1b]0;title\\x07\t网店\n"


@pytest.mark.parametrize("name", ["[/x]", "[red]shop[/red]", "\x1b[2J", "[link=http://x]y"])
def test_names_are_no_markup_on_a_terminal(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A name in brackets is shown as it is, and raises nothing."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "dumb")
    console.table(name, ("name",), [(name,)])
    assert screen.getvalue().count(console.plain(name)) == 2
    assert "\x1b" not in screen.getvalue()
