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


def test_progress_in_a_pipe_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that reads the errors is not disturbed."""
    with console.progress(100, "reading") as bar:
        bar.advance(50)
        bar.stage("writing")
    told = capsys.readouterr()
    assert told.out == told.err == ""


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar with the name of the stage."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with console.progress(100, "reading") as bar:
        bar.advance(60)
        bar.stage("writing")
        bar.advance(40)
    assert "writing" in screen.getvalue()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_550_000, "1.6 MB"),
        (2e9, "2.0 GB"),
        (3e15, "3000000.0 GB"),
    ],
)
def test_sizes(number: float, text: str) -> None:
    """Bytes in units of a thousand."""
    assert console.size(number) == text
