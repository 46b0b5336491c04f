"""proxy/audit/reading.py: a line is found again, whatever stands around it and in whichever file it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.audit import Trail, find
from proxy.audit.chain import Chain
from proxy.audit.lines import decided
from proxy.errors import ConfigError
from tests.audit.material import decision


def line(**changes: Any) -> bytes:
    return Chain().line("decision", decided(decision(**changes)))[0]


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
    path.write_bytes(line()[:155] + line(incident="inc_0000000000000002"))
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
    path.write_bytes(b'\n\xff\xfe{\n[1]\n"x"\n' + line() + b"{")
    assert find(path, "inc_0123456789abcdef")
