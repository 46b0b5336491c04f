"""proxy/audit/trail.py: lines are written whole, by any number of writers, and rotated."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import threading
from pathlib import Path

import pytest

from proxy.audit import Trail, find, verify
from proxy.audit.chain import Chain
from proxy.audit.lines import decided
from proxy.errors import ConfigError
from tests.audit.material import decision, incidents, read, verdict


def test_lines_are_appended(tmp_path: Path) -> None:
    """Each decision adds one line; a second trail on the same file goes on behind it; mode 0600."""
    path = tmp_path / "trail.jsonl"
    before = os.umask(0)
    try:
        first = Trail(path)
    finally:
        os.umask(before)
    first.record(decision(incident="inc_0000000000000001"))
    second = Trail(path, sync=True)
    second.record(decision(incident="inc_0000000000000002"))
    first.record(decision(incident="inc_0000000000000003"))
    first.close()
    second.close()
    assert [each[-1] for each in incidents(path)] == ["1", "2", "3"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_path_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path a decision is taken and nothing is written."""
    monkeypatch.chdir(tmp_path)
    trail = Trail(None)
    trail.record(decision())
    trail.close()
    assert list(tmp_path.iterdir()) == []


def _write(path: str, who: int) -> None:
    trail = Trail(Path(path))
    for number in range(50):
        trail.record(decision(incident=f"inc_{who:08x}{number:08x}", verdicts=(verdict(),) * 20))
    trail.close()


def test_workers_do_not_break_each_others_lines(tmp_path: Path) -> None:
    """Processes and threads that write long lines at once lose none and mix none."""
    path = tmp_path / "trail.jsonl"
    context = multiprocessing.get_context("spawn")
    shared = Trail(path)

    def share(who: int) -> None:
        for number in range(50):
            shared.record(decision(incident=f"inc_{who:08x}{number:08x}"))

    workers = [context.Process(target=_write, args=(str(path), who)) for who in range(2)]
    threads = [threading.Thread(target=share, args=(who,)) for who in range(2, 6)]
    for worker in workers:
        worker.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for worker in workers:
        worker.join(60)
    shared.close()
    assert sorted(incidents(path)) == [
        f"inc_{who:08x}{number:08x}" for who in range(6) for number in range(50)
    ]


def test_a_file_moved_away_is_replaced(tmp_path: Path) -> None:
    """After a rotation the next line begins a new file, mode 0600."""
    path = tmp_path / "trail.jsonl"
    trail = Trail(path)
    trail.record(decision())
    path.rename(tmp_path / "trail.jsonl.1")
    trail.record(decision(incident="inc_0000000000000002"))
    trail.close()
    assert incidents(tmp_path / "trail.jsonl.1") == ["inc_0123456789abcdef"]
    assert incidents(path) == ["inc_0000000000000002"]
    assert not verify(path).faults
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_trail_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """A wrong path is reported when the server starts, not at the first request."""
    with pytest.raises(ConfigError, match="the trail cannot be written: Is a directory"):
        Trail(tmp_path)
    with pytest.raises(ConfigError, match="the trail cannot be written: No such file"):
        Trail(tmp_path / "no" / "trail.jsonl")


def test_a_full_disk_is_an_error_each_time(tmp_path: Path) -> None:
    """A line that does not get on the disk raises, and so does the next; nothing is lost in silence."""
    trail = Trail(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(ConfigError, match="the trail cannot be written: No space left on device"):
            trail.record(decision())
    trail.close()


def test_a_line_written_in_part_does_not_swallow_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk takes only half of a line there is an error, and the next line stands on its own."""
    path = tmp_path / "trail.jsonl"
    trail = Trail(path)
    write = os.write
    trail.opened(decision(incident="inc_0000000000000001"))
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[: len(data) // 2]))
    with pytest.raises(ConfigError, match=r"only \d+ of \d+ bytes"):
        trail.record(decision(incident="inc_0000000000000001"))
    monkeypatch.undo()
    trail.record(decision(incident="inc_0000000000000002"))
    trail.close()
    assert find(path, "inc_0000000000000002")
    with pytest.raises(ConfigError, match=r"trail\.jsonl:3: a line about this incident is damaged"):
        find(path, "inc_0000000000000001")


def test_a_torn_end_from_an_earlier_run_is_closed_off(tmp_path: Path) -> None:
    """A file whose last line was cut short by a crash gets a new line before the next."""
    path = tmp_path / "trail.jsonl"
    path.write_bytes(Chain().line("decision", decided(decision()))[0][:40])
    trail = Trail(path)
    trail.record(decision(incident="inc_0000000000000002"))
    trail.close()
    first, *rest = path.read_bytes().splitlines()
    assert len(first) == 40
    assert [json.loads(line)["kind"] for line in rest] == ["begun", "decision", "closed"]


def test_a_closed_trail_takes_nothing(tmp_path: Path) -> None:
    """After close, recording is an error rather than a loss."""
    trail = Trail(tmp_path / "trail.jsonl")
    trail.close()
    with pytest.raises(ConfigError, match="the trail is closed"):
        trail.record(decision())


def filled(path: Path, number: int, **settings: int) -> Trail:
    """A trail with so many decisions; each rotation has ended before the next line is written."""
    trail = Trail(path, **settings)
    for n in range(number):
        trail.record(decision(incident=f"inc_{n:016x}"))
        if trail._rotation is not None:
            trail._rotation.join()
    return trail


def test_a_file_that_is_full_is_rotated(tmp_path: Path) -> None:
    """Files are renamed at a size, the newest is .1, no line is lost, and every incident is still found."""
    path = tmp_path / "trail.jsonl"
    filled(path, 40, size=4000, files=100).close()
    names = sorted(each.name for each in tmp_path.glob("trail.jsonl.[0-9]*"))
    assert len(names) > 3
    kept = [path.with_name(f"trail.jsonl.{n}") for n in range(len(names), 0, -1)] + [path]
    assert [each for file in kept for each in incidents(file)] == [f"inc_{n:016x}" for n in range(40)]
    assert find(path, "inc_0000000000000000")
    assert find(path, "inc_0000000000000027")
    assert not verify(path).faults
    assert stat.S_IMODE(kept[0].stat().st_mode) == 0o600


def test_what_is_dropped_is_written_down(tmp_path: Path) -> None:
    """Only so many files are kept, and the trail still verifies: a line says how far each chain went."""
    path = tmp_path / "trail.jsonl"
    idle = Trail(path, size=4000, files=3)
    idle.record(decision(incident="inc_00000000000000aa"))
    filled(path, 60, size=4000, files=3).close()
    assert {each.name for each in tmp_path.iterdir()} == {
        "trail.jsonl", "trail.jsonl.1", "trail.jsonl.2", "trail.jsonl.3", "trail.jsonl.lock",
    }  # fmt: skip
    assert find(path, "inc_0000000000000000") is None
    idle.record(decision(incident="inc_00000000000000bb"))  # its first lines were dropped long ago
    idle.close()
    report = verify(path)
    assert report.faults == []
    assert report.files == 4
    (path.with_name("trail.jsonl.3")).unlink()
    assert "what stood before was removed" in str(verify(path).faults[0])


def test_two_writers_rotate_one_trail(tmp_path: Path) -> None:
    """Whoever writes the line too many rotates; the other goes on in the new file, and no line is lost."""
    path = tmp_path / "trail.jsonl"
    trails = [Trail(path, size=6000, files=50) for _ in range(2)]

    def write(who: int) -> None:
        for number in range(100):
            trails[who].record(decision(incident=f"inc_{who:08x}{number:08x}"))
            rotation = trails[who]._rotation
            if number % 20 == 19 and rotation is not None:
                rotation.join(60)  # else all may be written before the first file has been moved away

    threads = [threading.Thread(target=write, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for trail in trails:
        trail.close()
    report = verify(path)
    assert report.faults == []
    assert (report.decisions, report.in_flight) == (200, [])
    assert report.files > 2


def test_a_pipe_is_never_rotated(tmp_path: Path) -> None:
    """A trail on the standard output, for a collector of logs, is a chain like any other."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    trail = filled(path, 5, size=100, files=1)
    trail.close()
    said = os.read(reading, 1 << 16)
    os.close(reading)
    (tmp_path / "collected").write_bytes(said)
    assert [line["kind"] for line in read(tmp_path / "collected")] == ["begun", *["decision"] * 5, "closed"]
    assert not verify(tmp_path / "collected").faults


def test_a_line_on_a_pipe_is_written_at_once(tmp_path: Path) -> None:
    """A pipe takes no more than 4096 bytes unmixed: of many verdicts those that did most are kept."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    trail = Trail(path)
    trail.record(decision(verdicts=(*[verdict("seen", enforced=False)] * 60, verdict("stop"))))
    lines = os.read(reading, 1 << 16).splitlines(keepends=True)
    os.close(reading)
    trail.close()
    assert max(map(len, lines)) <= 4096
    line = json.loads(lines[-1])
    assert line["verdicts"][-1]["rule"] == "stop"
    assert len(line["verdicts"]) + line["verdicts_left_out"] == 61


def test_a_chain_says_which_line_stood_before_it(tmp_path: Path) -> None:
    """The first line of a worker names the last one of another."""
    path = tmp_path / "trail.jsonl"
    filled(path, 1).close()
    filled(path, 1).close()
    lines = read(path)
    assert lines[0]["after"] is None
    assert lines[3]["after"] == [lines[2]["chain"], lines[2]["n"], lines[2]["mac"]]
    assert lines[3]["pid"] == os.getpid()


def test_changes_are_written_down(tmp_path: Path) -> None:
    """What decisions are made by has its lines too; they hold labels and numbers only."""
    path = tmp_path / "trail.jsonl"
    trail = Trail(path)
    trail.note("policy", version="abc", name="a name with blanks", number=3)
    trail.close()
    line = read(path)[1]
    assert (line["kind"], line["what"], line["version"], line["name"], line["number"]) == (
        "changed", "policy", "abc", "other", 3,
    )  # fmt: skip
