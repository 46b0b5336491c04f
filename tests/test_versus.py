"""benchmarks/versus.py: two commits side by side, judged on a repository whose costs are known."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from benchmarks import commits, report, versus
from benchmarks.versus import interval, main

SUBJECT = '''
import package
UNIT = "coins"
def prepare(data, folder):
    costs = iter(package.COSTS * 100)
    print("a subject may print")
    return lambda: next(costs)
'''


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own with the subject "toy", in place of this one."""
    place = tmp_path / "repository"
    (place / "benchmarks" / "subjects").mkdir(parents=True)
    git(place, "init", "-q")
    monkeypatch.setattr(commits, "HERE", place)
    monkeypatch.setattr(versus, "SUBJECTS", place / "benchmarks" / "subjects")
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    return place


def git(place: Path, *arguments: str) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(place), *author, *arguments], check=True, capture_output=True)


def commit(place: Path, costs: list[float], subject: str | None = SUBJECT) -> None:
    """A commit whose turns cost that much, one after the other."""
    (place / "package.py").write_text(f"COSTS = {costs!r}\n", "utf-8")
    path = place / "benchmarks" / "subjects" / "toy.py"
    if subject is not None:
        path.write_text(subject, "utf-8")
    git(place, "add", "-A")
    git(place, "commit", "-qm", "A state")


def compare(tmp_path: Path, *arguments: str) -> int:
    return main(["toy", "--data", str(tmp_path), "--share-environment", "--pairs", "9", *arguments])


def written(tmp_path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((tmp_path / "results" / "versus.toy.json").read_text("utf-8"))
    return found


def test_each_side_runs_the_packages_of_its_own_commit(
    repository: Path, tmp_path: Path
) -> None:
    """The ratio is that of the costs, the bar counts for its upper end, and no worktree is left."""
    commit(repository, [2.0])
    commit(repository, [3.0])
    assert compare(tmp_path, "--bar", "1.4") == 1
    assert compare(tmp_path, "--bar", "1.5") == 0
    numbers = written(tmp_path)["numbers"]
    assert isinstance(numbers, dict)
    assert numbers["pairs"] == [[3.0, 2.0]] * 9
    assert (numbers["ratio"], numbers["interval"]) == (1.5, [1.5, 1.5])
    listed = subprocess.run(
        ["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1


def test_uncommitted_changes_are_compared_and_named(repository: Path, tmp_path: Path) -> None:
    """This tree is what is on the disk; its name says that it is no commit."""
    commit(repository, [2.0])
    (repository / "package.py").write_text("COSTS = [8.0]\n", "utf-8")
    assert compare(tmp_path, "--parent", "HEAD") == 0
    numbers = written(tmp_path)["numbers"]
    assert isinstance(numbers, dict)
    assert numbers["ratio"] == 4.0
    assert numbers["ours"] == numbers["theirs"] + "+"


def test_a_commit_without_the_subject_is_lent_it(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the report says so."""
    commit(repository, [2.0], subject=None)
    commit(repository, [2.0])
    assert compare(tmp_path) == 0
    assert "it ran the one of this tree" in capsys.readouterr().out


def test_a_side_that_fails_is_named_with_its_reason(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2; nothing is written, so no figure is made of half a run."""
    commit(repository, [1.0], SUBJECT.replace("next(costs)", "1 / 0"))
    commit(repository, [1.0], SUBJECT)
    assert compare(tmp_path) == 2
    assert "commit " in (said := capsys.readouterr().err)
    assert "ZeroDivisionError" in said
    commit(repository, [1.0], SUBJECT.replace("coins", "stones"))
    assert compare(tmp_path) == 2
    assert "counts 'stones' here and 'coins' in" in capsys.readouterr().err
    commit(repository, [1.0], "import os\nUNIT = 'x'\ndef prepare(data, folder): os._exit(3)\n")
    assert compare(tmp_path) == 2
    assert "this tree: its process has ended" in capsys.readouterr().err
    assert compare(tmp_path, "--parent", "no-such-commit") == 2
    assert "git rev-parse" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_the_interval_of_the_median_holds_what_it_promises() -> None:
    """Over many samples of a known distribution it covers the true median about 95 times in 100."""
    chance = random.Random(7)
    inside = 0
    for _ in range(60):
        found = interval([chance.lognormvariate(0.0, 0.2) for _ in range(15)], chance)
        assert found.low <= found.median <= found.high
        inside += found.low <= 1.0 <= found.high
    assert inside >= 52
