"""``sluicegate audit list`` and ``audit tail``: decisions without text, for people and for scripts."""

from __future__ import annotations

import argparse
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from proxy.audit import Trail
from proxy.cli import main
from proxy.cli.audit_list import limit, since
from proxy.types import Action
from tests.audit.material import decision, verdict


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    """The trail beside a state; twelve decisions by three roles in it."""
    made = Trail(tmp_path / "state.trail.jsonl")
    for number in range(12):
        record(made, number)
    yield made
    made.close()


def record(trail: Trail, number: int, **changes: Any) -> None:
    role = ("public", "staff", "admin")[number % 3]
    verdicts = (verdict("memorised-restricted", Action.BLOCK, enforced=True),) if number % 2 else ()
    trail.record(
        decision(
            incident=f"inc_{number:016x}",
            role=role,
            outcome="blocked" if verdicts else "passed",
            verdicts=verdicts,
            time=1767323045.0 + 60 * number,
            **changes,
        )
    )


def listing(tmp_path: Path, *arguments: str) -> int:
    return main(["audit", "list", "--state", str(tmp_path / "state.sqlite"), *arguments], {})


def test_a_pipe_gets_a_line_a_decision_newest_last(
    trail: Trail, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names first, then as many as asked for; it is said that there are more."""
    assert listing(tmp_path, "--limit", "2") == 0
    shown = capsys.readouterr()
    lines = [line.split("\t") for line in shown.out.splitlines()]
    assert lines[0] == [
        "time", "outcome", "role", "key", "model", "rules", "released", "seconds", "incident",
    ]  # fmt: skip
    assert [line[-1] for line in lines[1:]] == [f"inc_{number:016x}" for number in (10, 11)]
    assert [line[5] for line in lines[1:]] == ["-", "memorised-restricted"]
    assert "--limit 0 lists all" in shown.err


def test_scripts_get_json_lines_and_filters_add_up(
    trail: Trail, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Blocked decisions of one role since a minute, judged by which numbers these are."""
    arguments = ("--limit", "0", "--json", "--role", "staff", "--role", "admin", "--outcome", "blocked")
    assert listing(tmp_path, *arguments, "--since", "2026-01-02T03:07") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    wanted = [n for n in range(12) if n % 3 in (1, 2) and n % 2 and 1767323045 + 60 * n >= 1767323220]
    assert [int(row["incident"][4:], 16) for row in rows] == wanted
    assert all(row["rules"] == ["memorised-restricted"] for row in rows)


def test_no_field_shows_what_was_matched(
    trail: Trail, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the document nor the fingerprint of a finding is in either form."""
    assert listing(tmp_path) == 0
    assert listing(tmp_path, "--json") == 0
    shown = capsys.readouterr()
    for word in ("people.jsonl", "a1b2c3", "0.98"):
        assert word not in shown.out + shown.err


def test_a_name_from_outside_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model's name with an escape sequence, a tab and a line end stays one cell."""
    trail = Trail(tmp_path / "state.trail.jsonl")
    record(trail, 1, model="a\x1b[31m\tb\nc\u202ed")
    trail.close()
    assert listing(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "\x1b" not in lines[1]
    assert lines[1].split("\t")[4] == "a\\x1b[31m\\tb\\nc\\u202ed"


def test_broken_lines_are_named_and_the_exit_code_says_so(
    trail: Trail, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, file and line; the decisions are listed all the same."""
    path = tmp_path / "state.trail.jsonl"
    with path.open("ab") as file:
        file.write(b"rubbish\n" * 25)
    assert listing(tmp_path) == 2
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 13
    first = len(path.read_bytes().splitlines()) - 24
    assert f"{path}:{first}: damaged" in shown.err
    assert "5 more lines are broken" in shown.err


def test_an_outcome_that_does_not_exist_is_corrected(
    trail: Trail, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A filter with a slip lists nothing, so the slip is named."""
    assert listing(tmp_path, "--outcome", "blokced") == 0
    shown = capsys.readouterr()
    assert "blocked" in shown.err
    assert "no decision fits" in shown.err


def test_a_missing_trail_is_an_error_and_no_file_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2; the folder stays empty."""
    assert listing(tmp_path) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "yesterday", "5", "5y", "-1h", "9" * 40 + "d", "2026-13-01", "ah"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """The message shows what can be given."""
    with pytest.raises(argparse.ArgumentTypeError, match="2h"):
        since(text)


def test_times_are_read_as_utc_or_as_so_long_ago() -> None:
    """A zone in the time counts."""
    assert since("1970-01-01T00:01") == 60
    assert since("1970-01-01T01:00:30+01:00") == 30
    assert abs(time.time() - 7200 - since("2h")) < 60
    assert limit("0") == 0
    with pytest.raises(argparse.ArgumentTypeError):
        limit("-1")


def tail(tmp_path: Path, *arguments: str) -> tuple[subprocess.Popen[str], queue.Queue[str]]:
    """A real `audit tail` and the lines that it prints, each as soon as it is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "audit", "tail", "--state", str(tmp_path / "state.sqlite"),
         *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()

    def read(stream: IO[str]) -> None:
        for line in stream:
            lines.put(line.rstrip("\n"))

    assert process.stdout is not None
    threading.Thread(target=read, args=(process.stdout,), daemon=True).start()
    return process, lines


def test_tail_shows_decisions_while_they_are_made(trail: Trail, tmp_path: Path) -> None:
    """The last ones first, each new one once, only those that fit; Ctrl-C ends it."""
    process, lines = tail(tmp_path, "-n", "2", "--json", "--outcome", "blocked")
    try:
        assert [json.loads(lines.get(timeout=30))["incident"] for _ in range(2)] == [
            f"inc_{number:016x}" for number in (9, 11)
        ]
        for number in (12, 13, 14, 15):
            record(trail, number)
        assert [json.loads(lines.get(timeout=30))["incident"] for _ in range(2)] == [
            f"inc_{number:016x}" for number in (13, 15)
        ]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert lines.empty()


def test_tail_waits_for_a_trail_that_no_server_wrote_yet(tmp_path: Path) -> None:
    """It says so, and shows the first decision."""
    process, lines = tail(tmp_path)
    try:
        assert process.stderr is not None
        assert "waiting for this file" in process.stderr.readline()
        assert lines.get(timeout=30).startswith("time\toutcome")
        trail = Trail(tmp_path / "state.trail.jsonl")
        record(trail, 3)
        trail.close()
        assert lines.get(timeout=30).endswith(f"inc_{3:016x}")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
