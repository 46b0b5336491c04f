"""proxy/audit.py: one line for each decision, whole, without text."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from proxy.audit import MOST_VERDICTS, Trail, encode, find, new_incident
from proxy.errors import ConfigError
from proxy.types import Action, Decision, Finding, Provenance, Span, Verdict


def verdict(rule: str = "r", action: Action = Action.BLOCK, **changes: Any) -> Verdict:
    finding = Finding(
        "memorised",
        "passage",
        Span(12, 40),
        39,
        score=0.987654321,
        provenance=Provenance("hr/people.jsonl:7", "staff"),
        origin=3,
        fingerprint="a1b2c3",
    )
    return Verdict(action, rule, finding, **changes)


def decision(**changes: Any) -> Decision:
    given: dict[str, Any] = {
        "incident": "inc_0123456789abcdef",
        "time": 1767323045.678,
        "key_id": "key_0123456789ab",
        "role": "public",
        "model": "tuned",
        "path": "/v1/chat/completions",
        "outcome": "blocked",
    }
    return Decision(**{**given, **changes})


def test_incidents_are_random() -> None:
    """`inc_` and 16 hexadecimal digits, never twice."""
    ids = {new_incident() for _ in range(500)}
    assert len(ids) == 500
    assert all(re.fullmatch(r"inc_[0-9a-f]{16}", each) for each in ids)


def test_a_line_says_what_was_decided() -> None:
    """Every field of the decision stands in the line under its name."""
    line = encode(
        decision(
            verdicts=(verdict("memorised-restricted"),),
            choices=((1, "tool_calls[0].arguments"),),
            received=120,
            released=15,
            held_max=28,
            seconds=1.5,
            first_upstream=0.25,
            first_delivered=0.3,
        )
    )
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "v": 1,
        "time": "2026-01-02T03:04:05.678Z",
        "incident": "inc_0123456789abcdef",
        "key": "key_0123456789ab",
        "role": "public",
        "model": "tuned",
        "path": "/v1/chat/completions",
        "outcome": "blocked",
        "verdicts": [
            {
                "rule": "memorised-restricted",
                "action": "block",
                "enforced": True,
                "detector": "memorised",
                "entity": "passage",
                "start": 12,
                "end": 40,
                "at": 39,
                "origin": 3,
                "score": 0.987654,
                "document": "hr/people.jsonl:7",
                "audience": "staff",
                "fingerprint": "a1b2c3",
                "choice": 1,
                "channel": "tool_calls[0].arguments",
            }
        ],
        "verdicts_left_out": 0,
        "received": 120,
        "released": 15,
        "held_max": 28,
        "seconds": 1.5,
        "first_upstream": 0.25,
        "first_delivered": 0.3,
    }


def test_what_is_not_known_is_null() -> None:
    """Findings without provenance, missing choices and missing times are null, not left out."""
    bare = Verdict(Action.ALLOW, "r", Finding("pii", "email", Span(0, 1), 0), enforced=False)
    line = json.loads(encode(decision(verdicts=(bare,), seconds=float("nan"))))
    (found,) = line["verdicts"]
    assert [found[each] for each in ("document", "audience", "origin", "choice", "channel")] == [None] * 5
    assert (found["action"], found["enforced"]) == ("allow", False)
    assert line["first_upstream"] is line["first_delivered"] is line["seconds"] is None


@pytest.mark.parametrize(
    "model", ['a"b\\c\n{"incident":"inc_ffffffffffffffff"}', "模型", "\ud800", "\u2028\x00\x85", "m" * 5000]
)
def test_a_name_from_the_caller_cannot_forge_a_line(model: str) -> None:
    """Whatever the caller calls the model, the line is one line of ASCII with its own incident."""
    line = encode(decision(model=model))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["incident"] == "inc_0123456789abcdef"
    assert json.loads(line)["model"] == model[:200]


@pytest.mark.parametrize(
    "channel",
    ["content", "reasoning_content", "refusal", "tool_calls[3].arguments", "tool_calls.0.arguments", "text"],
)
def test_channels_keep_their_names(channel: str) -> None:
    """A channel named after fields is written as it is."""
    line = json.loads(encode(decision(verdicts=(verdict(),), choices=((0, channel),))))
    assert line["verdicts"][0]["channel"] == channel


@pytest.mark.parametrize(
    "channel",
    ["The secret is here", "ann@example.com", "4111111111111111", "AKIAIOSFODNN7EXAMPLE", "张三", "x" * 25],
)
def test_a_channel_cannot_carry_text(channel: str) -> None:
    """A field name made up by the model does not get into the trail."""
    assert channel.encode() not in (line := encode(decision(verdicts=(verdict(),), choices=((0, channel),))))
    assert json.loads(line)["verdicts"][0]["channel"] == "other"


def test_extras_are_numbers_and_labels() -> None:
    """What is added to a decision is written only where it cannot be text."""
    extra = {
        "n": 3,
        "ok": True,
        "none": None,
        "share": 0.5,
        "upstream": "vllm-1:8000",
        "said": "the model said this",
        "list": ["the model said this"],
        "a key with blanks": 1,
        "inf": float("inf"),
    }
    line = encode(decision(extra=extra))
    assert b"said this" not in line
    assert json.loads(line)["extra"] == {
        "n": 3,
        "ok": True,
        "none": None,
        "share": 0.5,
        "upstream": "vllm-1:8000",
        "said": "other",
        "list": "other",
        "other": 1,
        "inf": None,
    }


def test_too_many_verdicts_keep_those_that_did_most() -> None:
    """A line is bounded: the block at the end stays, what was only counted goes first, and is counted."""
    many = [verdict(f"o{n}", Action.REDACT, enforced=False) for n in range(MOST_VERDICTS + 50)]
    line = json.loads(encode(decision(verdicts=(*many, verdict("stop")))))
    rules = [each["rule"] for each in line["verdicts"]]
    assert len(rules) == MOST_VERDICTS
    assert rules[-1] == "stop"
    assert rules[:-1] == [f"o{n}" for n in range(MOST_VERDICTS - 1)]
    assert line["verdicts_left_out"] == 51


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
    ids = [json.loads(line)["incident"][-1] for line in path.read_bytes().splitlines()]
    assert ids == ["1", "2", "3"]
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
    ids = [json.loads(line)["incident"] for line in path.read_bytes().splitlines()]
    assert sorted(ids) == [f"inc_{who:08x}{number:08x}" for who in range(6) for number in range(50)]


def test_a_file_moved_away_is_replaced(tmp_path: Path) -> None:
    """After a rotation the next line begins a new file, mode 0600."""
    path = tmp_path / "trail.jsonl"
    trail = Trail(path)
    trail.record(decision())
    path.rename(tmp_path / "trail.jsonl.1")
    trail.record(decision(incident="inc_0000000000000002"))
    trail.close()
    assert len((tmp_path / "trail.jsonl.1").read_bytes().splitlines()) == 1
    assert json.loads(path.read_bytes())["incident"] == "inc_0000000000000002"
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
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[: len(data) // 2]))
    with pytest.raises(ConfigError, match=r"only \d+ of \d+ bytes"):
        trail.record(decision(incident="inc_0000000000000001"))
    monkeypatch.undo()
    trail.record(decision(incident="inc_0000000000000002"))
    trail.close()
    assert find(path, "inc_0000000000000002")
    with pytest.raises(ConfigError, match=r"trail\.jsonl:1: a line about this incident is damaged"):
        find(path, "inc_0000000000000001")


def test_a_torn_end_from_an_earlier_run_is_closed_off(tmp_path: Path) -> None:
    """A file whose last line was cut short by a crash gets a new line before the next."""
    path = tmp_path / "trail.jsonl"
    path.write_bytes(encode(decision())[:40])
    trail = Trail(path)
    trail.record(decision(incident="inc_0000000000000002"))
    trail.close()
    first, second = path.read_bytes().splitlines()
    assert len(first) == 40
    assert json.loads(second)["incident"] == "inc_0000000000000002"


def test_a_closed_trail_takes_nothing(tmp_path: Path) -> None:
    """After close, recording is an error rather than a loss."""
    trail = Trail(tmp_path / "trail.jsonl")
    trail.close()
    with pytest.raises(ConfigError, match="the trail is closed"):
        trail.record(decision())


def test_an_incident_is_found(tmp_path: Path) -> None:
    """The line of an incident comes back as it was written; an unknown one is None."""
    path = tmp_path / "trail.jsonl"
    trail = Trail(path)
    for number in range(5):
        trail.record(decision(incident=f"inc_{number:016x}", received=number))
    # another incident's id inside a line is not that incident
    trail.record(decision(incident="inc_00000000000000aa", model="inc_00000000000000bb"))
    trail.close()
    found = find(path, "inc_0000000000000003")
    assert found is not None
    assert found["received"] == 3
    assert find(path, "inc_00000000000000ff") is None
    assert find(path, "inc_00000000000000bb") is None


def test_a_line_behind_a_torn_one_is_found(tmp_path: Path) -> None:
    """Where another worker's half line stands before it in the same line, a decision is still found."""
    path = tmp_path / "trail.jsonl"
    path.write_bytes(encode(decision())[:55] + encode(decision(incident="inc_0000000000000002")))
    assert find(path, "inc_0000000000000002")


@pytest.mark.parametrize(
    "incident", ["", "inc_", "inc_0123", "inc_0123456789ABCDEF", "0123456789abcdef", "."]
)
def test_an_id_that_is_none_is_refused(tmp_path: Path, incident: str) -> None:
    """What cannot be an incident's id is said to be none."""
    with pytest.raises(ConfigError, match="an incident id is inc_"):
        find(tmp_path / "trail.jsonl", incident)


def test_a_trail_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing file is an error for people, not an empty answer."""
    with pytest.raises(ConfigError, match="the trail cannot be read: No such file"):
        find(tmp_path / "gone", "inc_0123456789abcdef")


def test_other_lines_do_not_matter(tmp_path: Path) -> None:
    """Blank, damaged and foreign lines elsewhere in the file do not hide an incident."""
    path = tmp_path / "trail.jsonl"
    path.write_bytes(b'\n\xff\xfe{\n[1]\n"x"\n' + encode(decision()) + b"{")
    assert find(path, "inc_0123456789abcdef")
