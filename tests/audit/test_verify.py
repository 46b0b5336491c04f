"""proxy/audit/verify.py: whatever is done to a trail shows, with file and line; a crash alone is no fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.audit import Trail, verify
from proxy.audit.chain import link
from tests.audit.material import decision, read, verdict

KEY = b"k" * 32


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """Two workers' chains in one file, two decisions each, lines mixed."""
    path = tmp_path / "trail.jsonl"
    one, other = Trail(path), Trail(path)
    for number in range(2):
        for who, worker in enumerate((one, other)):
            made = decision(incident=f"inc_{who:08x}{number:08x}", verdicts=(verdict(),))
            worker.opened(made)
            worker.record(made)
    one.close()
    other.close()
    return path


Lines = list[bytes]


def changed(path: Path, change: Callable[[Lines], Lines]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def test_a_whole_trail(trail: Path) -> None:
    """Everything is accounted for."""
    report = verify(trail)
    assert (report.faults, report.torn, report.plain, report.in_flight) == ([], 0, 0, [])
    assert (report.files, report.lines, report.decisions, len(report.heads)) == (1, 12, 4, 2)


def test_every_changed_character_shows(trail: Path) -> None:
    """Whichever line is changed and wherever, a fault names that line or the one after it in its chain."""
    lines = trail.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines):
        for at in range(0, len(line) - 1, 7):
            other = b"1" if line[at : at + 1] == b"0" else b"0"
            trail.write_bytes(
                b"".join([*lines[:number], line[:at] + other + line[at + 1 :], *lines[number + 1 :]])
            )
            faults = verify(trail).faults
            assert faults and faults[0].line >= number + 1, (number, at)


@pytest.mark.parametrize("number", range(12))
def test_a_removed_line_shows(trail: Path, number: int) -> None:
    """Any line but the last of a chain; that one shows as a chain that has not ended."""
    before = verify(trail)
    gone = read(trail)[number]
    changed(trail, lambda lines: lines[:number] + lines[number + 1 :])
    report = verify(trail)
    if gone["kind"] == "closed":
        assert report.faults == []
        told = verify(trail, expected=before.heads)
        assert "is shorter now" in str(told.faults[0])
    else:
        assert report.faults
        assert report.faults[0].file == trail


def test_lines_in_another_order_show(trail: Path) -> None:
    """Two lines of one chain, exchanged."""
    numbers = [n for n, line in enumerate(read(trail)) if line["chain"] == read(trail)[0]["chain"]]
    one, two = numbers[1], numbers[2]

    def exchange(lines: Lines) -> Lines:
        lines[one], lines[two] = lines[two], lines[one]
        return lines

    changed(trail, exchange)
    assert f"trail.jsonl:{one + 1}: chain" in str(verify(trail).faults[0])


def test_a_line_twice_shows(trail: Path) -> None:
    """A copy of a line, behind it or at the end."""
    lines = trail.read_bytes().splitlines(keepends=True)
    for at in (4, len(lines)):
        trail.write_bytes(b"".join([*lines[:at], lines[3], *lines[at:]]))
        assert "a line was added or moved" in str(verify(trail).faults[0])


@pytest.mark.parametrize("added", [b"\n", b"{}\n", b'{"v":1,"incident":"inc_0123456789abcdef"}\n', b"text\n"])
def test_a_strange_line_shows(trail: Path, added: bytes) -> None:
    """No line stands in a trail that no chain accounts for."""
    changed(trail, lambda lines: [*lines[:5], added, *lines[5:]])
    assert [fault.line for fault in verify(trail).faults] == [6]


def test_a_removed_chain_shows(trail: Path) -> None:
    """All lines of the worker that began first: the other one saw them."""
    first = read(trail)[0]["chain"]
    changed(trail, lambda lines: [line for line in lines if json.loads(line)["chain"] != first])
    assert f"chain {first}, which it followed" in str(verify(trail).faults[0])


def test_lines_from_before_there_were_chains(trail: Path) -> None:
    """They are counted, where they stand at the beginning."""
    changed(trail, lambda lines: [b'{"v":1,"incident":"inc_0123456789abcdef"}\n', *lines])
    report = verify(trail)
    assert (report.faults, report.plain) == ([], 1)


def test_a_killed_worker_leaves_a_whole_trail(tmp_path: Path) -> None:
    """No end, a line cut short, another worker's line behind it: what was in flight is told, no fault."""
    path = tmp_path / "trail.jsonl"
    killed, other = Trail(path), Trail(path)
    killed.opened(decision(incident="inc_00000000000000aa"))
    line, _ = killed._chain.line("decision", {"incident": "inc_00000000000000aa", "model": "m" * 50})
    with path.open("ab") as file:
        file.write(line[: len(line) // 2])
    other.record(decision(incident="inc_00000000000000bb"))
    other.close()
    report = verify(path)
    assert report.faults == []
    assert (report.torn, report.in_flight, report.decisions) == (1, ["inc_00000000000000aa"], 1)


def test_a_line_cut_short_by_hand_shows(trail: Path) -> None:
    """A chain that goes on behind a torn line has lost it."""
    changed(trail, lambda lines: [*lines[:2], lines[2][:60] + b"\n", *lines[3:]])
    assert verify(trail).faults


def test_who_has_no_key_cannot_write_a_line(tmp_path: Path) -> None:
    """A keyed chain does not take a line that was worked out without the key, nor a chain without one."""
    path = tmp_path / "trail.jsonl"
    worker = Trail(path, key=KEY)
    worker.record(decision())
    worker.record(decision())
    worker.close()
    assert verify(path, KEY).faults == []
    assert "set SLUICEGATE_TRAIL_KEY" in str(verify(path).faults[0])
    assert verify(path, b"l" * 32).faults
    forged, before = [], ""
    for line in path.read_bytes().splitlines():
        body = line.rpartition(b',"mac"')[0].replace(b'"role":"public"', b'"role":"admin"')
        before = link(b"", json.loads(line)["chain"], before, body)
        forged.append(body + b',"mac":"' + before.encode() + b'"}\n')
    path.write_bytes(b"".join(forged))
    assert "written without the key" in str(verify(path, KEY).faults[0])


def test_a_plain_chain_that_was_written_anew_shows_against_its_head(trail: Path) -> None:
    """Without a key all hashes can be worked out again; the heads of an earlier verification tell."""
    heads = verify(trail).heads
    befores: dict[str, str] = {}
    forged = []
    for line in trail.read_bytes().splitlines():
        chain = json.loads(line)["chain"]
        body = line.rpartition(b',"mac"')[0].replace(b'"role":"public"', b'"role":"admin"')
        befores[chain] = link(b"", chain, befores.get(chain, ""), body)
        forged.append(body + b',"mac":"' + befores[chain].encode() + b'"}\n')
    trail.write_bytes(b"".join(forged))
    assert verify(trail).faults == []
    assert "it was written anew" in str(verify(trail, expected=heads).faults[0])
