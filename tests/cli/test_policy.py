"""``sluicegate policy check``: a sound policy is summed up, and of another one every fault is listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli import main
from proxy.policy import policies_folder


def check(path: str | Path) -> int:
    return main(["policy", "check", str(path)], {})


def first_table(output: str) -> list[str]:
    """The lines before the first blank one."""
    return output.partition("\n\n")[0].splitlines()


@pytest.mark.parametrize("name", ["default", "strict"])
def test_the_packaged_policies_are_sound(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By name or by path: each rule with what it does and whether it is enforced."""
    for path in (name, policies_folder() / f"{name}.yaml"):
        assert check(path) == 0
        told = capsys.readouterr()
        rows = [line.split("\t") for line in first_table(told.out)]
        assert rows[0] == ["rule", "action", "mode"]
        assert len(rows) > 3
        assert {row[1] for row in rows[1:]} <= {"allow", "redact", "block"}
        assert f"4 roles, {len(rows) - 1} rules, no fault" in told.err
    if name == "default":
        assert ["contact-data", "redact", "observe"] in rows


def test_every_fault_is_listed_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All at once, each with file, line and path, and what was probably meant."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "version: 1\naudiences: [public, staff]\n"
        "roles:\n  public: {clearance: [pubic]}\n  staff: {clearance: [staff], hold: lots}\n"
        "rules:\n  - {id: a, finding: memorised/*, action: blok}\n  - {id: a, finding: memorised/*}\n"
        "extra: 1\n",
        "utf-8",
    )
    assert check(path) == 2
    told = capsys.readouterr()
    assert told.out == ""
    said = told.err.splitlines()
    assert all(line.startswith(f"sluicegate: {path}:") for line in said)
    for place, what in (
        (":4: roles.public.clearance[0]", '"public"'),
        (":5: roles.staff.hold", "whole number"),
        (":7: rules[0].action", '"block"'),
        (":9: extra", "unknown key"),
    ):
        assert any(place in line and what in line for line in said), (place, said)


def test_a_policy_that_only_observes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is enforced every rule says so."""
    path = tmp_path / "watch.yaml"
    path.write_text(
        (policies_folder() / "default.yaml").read_text("utf-8").replace("mode: enforce", "mode: observe", 1)
    )
    assert check(path) == 0
    assert {line.split("\t")[2] for line in first_table(capsys.readouterr().out)[1:]} == {"observe"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"- 1\n- 2\n", b""])
def test_files_that_are_no_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """Missing, binary, a list, empty: a sentence each."""
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_bytes(content)
    assert check(path) == 2
    assert capsys.readouterr().err.startswith(f"sluicegate: {path}")
