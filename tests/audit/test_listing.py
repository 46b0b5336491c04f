"""proxy/audit/listing.py: the newest decisions that fit, over all files, whatever damage is between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.audit import Trail
from proxy.audit.listing import LONGEST, Listing, Wanted, lines, recent, records, row_of
from proxy.errors import ConfigError
from proxy.types import Action
from tests.audit.material import decision, verdict


def write(path: Path, count: int, **options: Any) -> None:
    """A trail of ``count`` decisions, ``received`` numbers them from 0."""
    trail = Trail(path, **options)
    for number in range(count):
        trail.record(decision(incident=f"inc_{number:016x}", received=number, time=1767323045.0 + number))
    trail.close()


def test_the_newest_come_oldest_first_and_from_rotated_files_as_well(tmp_path: Path) -> None:
    """A limit reads back over as many files as it takes; none lists all."""
    path = tmp_path / "trail.jsonl"
    write(path, 40, size=3000, files=16)
    assert len(list(tmp_path.iterdir())) > 1
    assert [row.received for row in recent(path, Wanted(), None).rows] == list(range(40))
    for limit in (1, 7, 33):
        assert [row.received for row in recent(path, Wanted(), limit).rows] == list(range(40 - limit, 40))


def test_only_decisions_that_fit_every_filter_are_listed(tmp_path: Path) -> None:
    """Rules and actions are those that were enforced; observed verdicts fit no filter."""
    path = tmp_path / "trail.jsonl"
    trail = Trail(path)
    trail.record(decision(incident="inc_" + "a" * 16, time=100.0, role="public", outcome="passed"))
    trail.record(
        decision(
            incident="inc_" + "b" * 16,
            time=200.0,
            role="staff",
            key_id="key_2",
            verdicts=(verdict("one", Action.REDACT, enforced=True), verdict("two", enforced=False)),
        )
    )
    trail.close()

    def found(**wanted: Any) -> list[str]:
        return [row.incident[4] for row in recent(path, Wanted(**wanted), None).rows]

    assert found() == ["a", "b"]
    assert found(since=150.0) == ["b"]
    assert found(roles={"public"}) == ["a"]
    assert found(outcomes={"blocked"}) == ["b"]
    assert found(keys={"key_2"}) == ["b"]
    assert found(actions={"redact"}) == ["b"]
    assert found(rules={"one"}) == ["b"]
    assert found(rules={"two"}) == []
    assert found(actions={"block"}) == []
    assert found(roles={"public"}, rules={"one"}) == []


def test_damage_is_reported_and_hides_no_other_decision(tmp_path: Path) -> None:
    """Torn, foreign, blank and mistyped lines are faults with file and number."""
    path = tmp_path / "trail.jsonl"
    write(path, 3)
    whole = path.read_bytes().splitlines(keepends=True)
    decisions = [line for line in whole if b'"kind":"decision"' in line]
    mistyped = json.loads(decisions[1]) | {"role": 7}
    path.write_bytes(
        decisions[0]
        + b"not a record\n\n"
        + decisions[1][:90]
        + b"\n"
        + json.dumps(mistyped).encode()
        + b"\n"
        + decisions[2]
        + decisions[1][:50]
    )
    listing = recent(path, Wanted(), None)
    assert [row.received for row in listing.rows] == [0, 2]
    assert [(fault.file, fault.line) for fault in listing.faults] == [
        (path, number) for number in (2, 3, 4, 5)
    ]
    assert listing.unfinished


def test_a_line_of_many_megabytes_is_one_fault(tmp_path: Path) -> None:
    """It is read in pieces, is no record even where it would be one, and the next line is read."""
    path = tmp_path / "trail.jsonl"
    write(path, 1)
    (record,) = [line for line in path.read_bytes().splitlines() if b'"kind":"decision"' in line]
    long = json.dumps(json.loads(record) | {"filler": "x" * (3 * LONGEST)}).encode()
    path.write_bytes(long + b"\n" + record + b"\n")
    with path.open("rb") as file:
        assert [(number, len(line) <= LONGEST, whole) for number, line, whole in lines(file)] == [
            (1, True, True),
            (2, True, True),
        ]
    listing = recent(path, Wanted(), None)
    assert len(listing.rows) == 1
    assert [fault.line for fault in listing.faults] == [1]


@pytest.mark.parametrize(
    "change",
    [
        {"time": "yesterday"},
        {"time": "99999999999-01-01"},
        {"time": 5},
        {"received": "5"},
        {"received": True},
        {"seconds": "1"},
        {"verdicts": {}},
        {"verdicts": [1]},
        {"verdicts": [{"enforced": True}]},
        {"verdicts": [{"enforced": True, "rule": 1, "action": "block"}]},
        {"incident": "inc_" + "x" * 16},
        {"incident": "\x1b[31m"},
        {"subject": ["a"]},
    ],
)
def test_fields_of_another_kind_are_no_decision(tmp_path: Path, change: dict[str, Any]) -> None:
    """A mistyped field makes a fault, never a traceback and never a row."""
    path = tmp_path / "trail.jsonl"
    write(path, 1)
    (fields,) = [
        json.loads(line) for line in path.read_bytes().splitlines() if b'"kind":"decision"' in line
    ]
    assert row_of(fields) is not None
    assert row_of(fields | change) is None


def test_faults_beyond_a_thousand_are_only_counted(tmp_path: Path) -> None:
    """A file of rubbish costs a bounded list."""
    listing = Listing()
    for number in range(1200):
        assert not list(records(b"rubbish\n", tmp_path, number, listing))
    assert len(listing.faults) == 1000
    assert listing.more_faults == 200


def test_a_trail_that_is_not_there_is_an_error_for_people(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(ConfigError, match=r"gone.*cannot be read"):
        recent(tmp_path / "gone", Wanted(), 5)
