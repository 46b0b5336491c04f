"""proxy/audit/following.py: each line comes once and in order, over rotation, truncation and damage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.audit import Trail
from proxy.audit.following import Entry, Follower
from proxy.audit.listing import LONGEST
from proxy.errors import ConfigError
from tests.audit.material import decision


def numbers(entries: list[Entry]) -> list[int]:
    """The number in each line that is one; a trail's own lines of other kinds are left out."""
    return [int(line) for _, _, line in entries if line.strip().isdigit()]


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="ascii") as file:
        file.write(text)


def test_what_is_appended_comes_once_and_whole(tmp_path: Path) -> None:
    """A line is handed on when it has its end, not before."""
    path = tmp_path / "trail"
    append(path, "1\n2\n")
    follower = Follower(path)
    assert numbers(follower.begin()) == [1, 2]
    assert follower.poll() == []
    append(path, "3\n4")
    assert numbers(follower.poll()) == [3]
    append(path, "5\n")
    assert numbers(follower.poll()) == [45]
    follower.close()
    assert not follower.faults


def test_a_file_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    """Its first line is not missed, nor is a folder that is made later."""
    path = tmp_path / "later" / "trail"
    follower = Follower(path)
    assert follower.begin() == []
    assert follower.poll() == []
    path.parent.mkdir()
    append(path, "1\n")
    assert numbers(follower.poll()) == [1]
    follower.close()


def test_rotations_between_two_polls_lose_nothing(tmp_path: Path) -> None:
    """Lines written before and between several rotations come in their order."""
    path = tmp_path / "trail"
    append(path, "1\n")
    follower = Follower(path)
    assert numbers(follower.begin()) == [1]
    append(path, "2\n")
    path.rename(tmp_path / "trail.1")
    append(path, "3\n")
    (tmp_path / "trail.1").rename(tmp_path / "trail.2")
    path.rename(tmp_path / "trail.1")
    append(path, "4\n")
    assert numbers(follower.poll()) == [2, 3, 4]
    assert follower.poll() == []
    append(path, "5\n")
    assert numbers(follower.poll()) == [5]
    follower.close()


def test_a_real_trail_that_rotates_often_is_followed_whole(tmp_path: Path) -> None:
    """Every decision of a trail comes exactly once while it rotates by size."""
    path = tmp_path / "trail.jsonl"
    trail = Trail(path, size=3000, files=16)
    follower = Follower(path)
    lines = [line for _, _, line in follower.begin()]
    for number in range(40):
        trail.record(decision(incident=f"inc_{number:016x}"))
        if number % 3 == 0:
            lines += [line for _, _, line in follower.poll()]
    trail.close()
    lines += [line for _, _, line in follower.poll()]
    follower.close()
    found = [line.split(b'"incident":"')[1][:20] for line in lines if b'"kind":"decision"' in line]
    assert found == [f"inc_{number:016x}".encode() for number in range(40)]


def test_a_file_cut_to_nothing_in_place_is_read_from_its_start(tmp_path: Path) -> None:
    """As a rotation by copying leaves it; the half line that was cut away is a fault."""
    path = tmp_path / "trail"
    append(path, "1\n2\nhalf")
    follower = Follower(path)
    assert numbers(follower.begin()) == [1, 2]
    os.truncate(path, 0)
    append(path, "3\n")
    assert numbers(follower.poll()) == [3]
    assert [fault.line for fault in follower.faults] == [3]
    follower.close()


def test_a_half_line_at_the_end_of_a_rotated_file_is_a_fault(tmp_path: Path) -> None:
    """It is not glued to the first line of the next file."""
    path = tmp_path / "trail"
    append(path, "1\n99")
    follower = Follower(path)
    assert numbers(follower.begin()) == [1]
    path.rename(tmp_path / "trail.1")
    append(path, "2\n")
    assert numbers(follower.poll()) == [2]
    assert len(follower.faults) == 1
    follower.close()


def test_a_line_without_end_uses_bounded_memory(tmp_path: Path) -> None:
    """Beyond the longest line its start is dropped; it becomes a fault, and the next line is read."""
    path = tmp_path / "trail"
    append(path, "")
    follower = Follower(path)
    follower.begin()
    append(path, "x" * (2 * LONGEST + 10))
    assert follower.poll() == []
    assert len(follower._rest) <= LONGEST
    append(path, "x\n7\n")
    assert numbers(follower.poll()) == [7]
    assert len(follower.faults) == 1
    follower.close()


def test_following_a_large_trail_begins_near_its_end(tmp_path: Path) -> None:
    """The first line that is shown is a whole one."""
    path = tmp_path / "trail"
    append(path, "".join(f"{number:09d}\n" for number in range(300_000)))
    follower = Follower(path)
    found = numbers(follower.begin())
    follower.close()
    assert found == list(range(found[0], 300_000))
    assert 0 < len(found) < 110_000


def test_what_is_no_file_is_an_error_for_people(tmp_path: Path) -> None:
    """A folder and a pipe are refused at once; a pipe is not waited on."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError, match=r"give the file of a trail|cannot be read"):
            Follower(path).begin()
