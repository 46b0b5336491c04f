"""Progress: what a person sees of long work, and what a pipe gets."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.cli import progress as shown
from proxy.cli.progress import Lines, Step, duration, size
from tests.cli.running import environment, run

BUILD = ("index", "build", "set.txt", "--out", "x.idx")
TEXT = "Nothing in this text is worth a word, and it goes on and on for a while. "


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_are_few() -> None:
    """The first one comes half a second after the start; then one in ten, however much is reported."""
    clock, lines = Hands(), list[str]()
    told = Lines(lines.append, 0.5, clock=clock)
    told.stage("reading", 1000, "characters")
    assert lines == []
    for _ in range(100):
        clock.now += 0.25
        told.advance(5)
    assert lines == [
        "reading, 1 % of 1000 characters",
        "reading, 21 % of 1000 characters, 20 characters/s, about 40 s left",
        "reading, 41 % of 1000 characters, 20 characters/s, about 30 s left",
    ]
    clock.now += 4
    told.stage("testing")
    assert lines[3:] == []
    clock.now += 6
    told.tick()
    assert lines[3:] == ["testing, 6 s"]


def test_a_whole_is_never_claimed_too_early() -> None:
    """One character before the end is 99 %; more than was expected is 100 %, and no time is left."""
    step = Step("s", 100_000, "characters", 0.0, done=99_999)
    assert step.amount() == "99 % of 100000 characters"
    step.done = 120_000
    assert step.amount() == "100 % of 100000 characters"
    assert step.left(10.0) == 0.0
    assert Step("s", 0, "bytes", 0.0).amount() == "100 % of 0 B"


def test_an_estimate_needs_something_to_go_by() -> None:
    """There is none in the first two seconds, before anything is done, and where the whole is unknown."""
    assert Step("s", 100, "bytes", 0.0, done=50).left(1.9) is None
    assert Step("s", 100, "bytes", 0.0).left(60.0) is None
    assert Step("s", None, "bytes", 0.0, done=50).left(60.0) is None
    assert Step("s", 100, "bytes", 0.0, done=25).left(60.0) == 180.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7800, "2 h 10 min")]
)
def test_durations(seconds: float, text: str) -> None:
    """Seconds, then minutes, then hours."""
    assert duration(seconds) == text


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
    assert size(number) == text


def test_a_dumb_terminal_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the cursor cannot be moved, lines are written as in a pipe; the watcher ends with the body."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(shown, "FIRST", 0.0)
    with shown.progress() as bar:
        bar.stage("reading", 100)
        bar.advance(60)
    assert capsys.readouterr().err == "reading, 0 % of 100 B\n"
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def material(folder: Path) -> None:
    (folder / "set.txt").write_text(TEXT * 40, "utf-8")


def test_a_build_in_a_pipe_has_no_control_characters(tmp_path: Path) -> None:
    """Neither in its notes nor in its lines of progress."""
    material(tmp_path)
    done = run("index", "build", "set.txt", "--out", "x.idx", "--no-ner", cwd=tmp_path)
    assert done.returncode == 0
    assert re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.stderr + done.stdout.replace(b"\t", b"")) is None


def test_a_build_tells_its_steps_in_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With no limit on the lines: every step, and the characters of the documents and of the free text."""
    material(tmp_path)
    (tmp_path / "free.txt").write_text("Free for everybody to read, now and later. " * 20, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shown, "FIRST", 0.0)
    monkeypatch.setattr(shown, "EVERY", 0.0)
    assert main([*BUILD, "--no-ner", "--background", "free.txt"], {}) == 0
    err = capsys.readouterr().err
    whole, free = len(TEXT) * 40, 43 * 20
    steps = [
        "preparing",
        "learning the shapes of numbers, 0 % of",
        "learning the shapes of numbers, 100 % of",
        f"looking for known values, 0 % of {whole} characters",
        f"looking for known values, 100 % of {whole} characters",
        "indexing nobody",
        f"looking for known values in free text, 0 % of {free} characters",
        f"looking for known values in free text, 100 % of {free} characters",
        "testing",
        "comparing audiences",
    ]
    places = [err.find(step) for step in steps]
    assert -1 not in places, steps[places.index(-1)]
    assert places == sorted(places)


def test_a_build_on_a_terminal(tmp_path: Path) -> None:
    """A bar of characters looked at, with the steps by name."""
    material(tmp_path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "index", "build", "set.txt", "--out", "x.idx", "--no-ner"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=tmp_path,
        env=environment(TERM="xterm", COLUMNS="100"),
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # the other side is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(120) == 0
    assert b"\x1b[" in seen
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen).decode("utf-8")
    for part in ("preparing", "looking for known values", f"% of {len(TEXT) * 40} characters"):
        assert part in text, part
    assert text.index("preparing") < text.index("looking for known values") < text.index("known values: 0")
