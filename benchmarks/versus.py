"""Compare this tree with another commit: ``python -m benchmarks.versus SUBJECT --data DATA [--bar X]``.

Both run the same subject (benchmarks/subjects), each in a process of its own with the packages of its commit,
in alternating turns: within a pair the order is drawn, so that a machine that slows down favours nobody. The
figure is the median of the ratios of the pairs, this tree to the other, with a 95 % bootstrap interval. A bar
holds when the *upper* end of the interval is within it. What else ran is stated: load before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.commits import HERE, CommitError, Tree, checked_out, differing, this_tree
from benchmarks.report import Report

SUBJECTS = HERE / "benchmarks" / "subjects"
_RESAMPLES = 10_000
_WARM = 1
"""Pairs before those that count."""


class SideError(Exception):
    """A side that failed; the message says which one, and why."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A median of ratios, and the ends of its 95 % interval."""

    median: float
    low: float
    high: float


def interval(ratios: Sequence[float], chance: random.Random) -> Interval:
    """Bootstrap the median (Efron 1979, percentile method). Needs at least one ratio."""
    medians = sorted(median(chance.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES))
    return Interval(
        median(ratios), medians[round(0.025 * (_RESAMPLES - 1))], medians[round(0.975 * (_RESAMPLES - 1))]
    )


class Side:
    """The process of one commit. Raises SideError when it fails."""

    def __init__(self, name: str, tree: Tree, subject: Path, data: Path, folder: Path) -> None:
        folder.mkdir()
        kept = {key: each for key, each in os.environ.items() if not key.startswith(("PYTHON", "SLUICEGATE"))}
        self._name = name
        self._process = subprocess.Popen(
            [str(tree.python), str(HERE / "benchmarks" / "side.py"), str(tree.folder), str(subject),
             str(data.resolve()), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=kept | {"PYTHONHASHSEED": "0"},
        )  # fmt: skip
        self.unit = ""

    def begin(self) -> None:
        """Wait until it is prepared."""
        self.unit = str(self._read()["unit"])

    def turn(self) -> float:
        """Do one turn and return its cost."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError:
            raise SideError(f"{self._name}: its process has ended") from None
        return float(self._read()["cost"])

    def _read(self) -> dict[str, str | float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SideError(f"{self._name}: its process has ended")
        answer: dict[str, str | float] = json.loads(line)
        if "error" in answer:
            raise SideError(f"{self._name}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()


@contextmanager
def sides(
    ours: Tree, theirs: Tree, subject: str, data: Path, folder: Path
) -> Iterator[tuple[Side, Side, bool]]:
    """Start both; also yield whether the other commit had to be given the subject."""
    own = theirs.folder / "benchmarks" / "subjects" / f"{subject}.py"
    lent = not own.is_file()
    with ExitStack() as opened:
        made = []
        for name, tree, path in (
            ("this tree", ours, SUBJECTS / f"{subject}.py"),
            (f"commit {theirs.commit}", theirs, SUBJECTS / f"{subject}.py" if lent else own),
        ):
            side = Side(name, tree, path, data, folder / name.replace(" ", "-"))
            opened.callback(side.close)
            side.begin()  # one after the other, so that neither prepares while the other does
            made.append(side)
        yield made[0], made[1], lent


def alternate(one: Side, other: Side, pairs: int, chance: random.Random) -> list[tuple[float, float]]:
    """Do turns of both, pair by pair; each pair in an order that is drawn."""
    costs = []
    for number in range(_WARM + pairs):
        if chance.random() < 0.5:
            ours = one.turn()
            theirs = other.turn()
        else:
            theirs = other.turn()
            ours = one.turn()
        if number >= _WARM:
            costs.append((ours, theirs))
    return costs


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print and write; exit code 1 where the bar is missed, 2 where nothing could be compared."""
    names = sorted(path.stem for path in SUBJECTS.glob("*.py") if path.stem != "__init__")
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("subject", choices=names, help="What is compared")
    made.add_argument("--data", type=Path, required=True, help="Folder of the data sets")
    made.add_argument(
        "--parent", default="HEAD^", metavar="REVISION", help="The other commit (default: HEAD^)"
    )
    made.add_argument("--pairs", type=int, default=15, metavar="N", help="Turns of each (default: 15)")
    made.add_argument("--bar", type=float, metavar="X", help="Largest upper end that is accepted")
    made.add_argument(
        "--share-environment",
        action="store_true",
        help="Run the other commit with this interpreter's packages"
    )
    made.add_argument("--no-save", action="store_true", help="Write no file under benchmarks/results")
    options = made.parse_args(arguments)
    if options.pairs < 1:
        made.error("--pairs: give 1 or more")
    try:
        return _compare(options)
    except (CommitError, SideError) as error:
        print(f"versus: {error}", file=sys.stderr)
        return 2


def _compare(options: argparse.Namespace) -> int:
    extra = {"parent": options.parent, "pairs": options.pairs}
    extra |= {"bar": options.bar} if options.bar is not None else {}
    report = Report(f"versus {options.subject}", quick=False, save=not options.no_save, extra=extra)
    chance = random.Random(20)
    with tempfile.TemporaryDirectory(prefix="sluicegate-versus-") as scratch, ExitStack() as opened:
        folder = Path(scratch)
        ours = this_tree()
        theirs = opened.enter_context(
            checked_out(options.parent, folder, own_environment=not options.share_environment)
        )
        one, other, lent = opened.enter_context(sides(ours, theirs, options.subject, options.data, folder))
        if one.unit != other.unit:
            raise SideError(f"the subject counts {one.unit!r} here and {other.unit!r} in {theirs.commit}")
        before = os.getloadavg()[0]
        costs = alternate(one, other, options.pairs, chance)
        after = os.getloadavg()[0]
        versions = differing(ours, theirs)
    found = interval([mine / theirs for mine, theirs in costs], chance)
    report.table(
        f"{options.subject}, {one.unit}, {len(costs)} pairs",
        ("this tree", "median", f"commit {theirs.commit}", "ratio", "low", "high"),
        [[ours.commit, median(mine for mine, _ in costs), median(each for _, each in costs),
          found.median, found.low, found.high]],
    )  # fmt: skip
    report.note(f"load of the machine before {before:.1f}, after {after:.1f} (ours is about 1)")
    if versions:
        report.note("packages that differ, ours / theirs: " + ", ".join(versions))
    if lent:
        report.note(f"commit {theirs.commit} has no subject of this name; it ran the one of this tree")
    report.numbers = {
        "ours": ours.commit, "theirs": theirs.commit, "unit": one.unit, "pairs": costs,
        "ratio": found.median, "interval": [found.low, found.high], "load": [before, after],
    }  # fmt: skip
    if options.bar is not None:
        holds = found.high <= options.bar
        report.bar(f"{options.subject}: upper end of the ratio", found.high, f"at most {options.bar}", holds)
    return report.write()


if __name__ == "__main__":
    raise SystemExit(main())
