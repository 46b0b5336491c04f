"""A commit checked out beside this tree, with an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


class CommitError(Exception):
    """A commit that cannot be checked out or installed; the message says why."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A checked-out commit and its interpreter. ``commit``: its short hash, "+" where files were changed."""

    commit: str
    folder: Path
    python: Path


def this_tree() -> Tree:
    """Return this tree, with uncommitted changes, under the interpreter that runs now."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return Tree(commit + ("+" if changed else ""), HERE, Path(sys.executable))


@contextmanager
def checked_out(revision: str, folder: Path, *, own_environment: bool = True) -> Iterator[Tree]:
    """Check out a commit into ``folder``, as a git worktree, while the body runs.

    ``own_environment``: install the commit with its own dependencies into a new virtual environment;
    otherwise this interpreter runs it. Raises CommitError.
    """
    commit = _git("rev-parse", "--verify", "--short=12", f"{revision}^{{commit}}")
    place = folder / commit
    _git("worktree", "add", "--detach", "--force", str(place), commit)
    try:
        python = _environment(place, folder / f"{commit}.venv") if own_environment else Path(sys.executable)
        yield Tree(commit, place, python)
    finally:
        _git("worktree", "remove", "--force", str(place))


def differing(one: Tree, other: Tree) -> list[str]:
    """Return the packages of which two trees run different versions, as ``name 1.0 / 2.0``."""
    ours, theirs = _versions(one.python), _versions(other.python)
    return [
        f"{name} {ours[name]} / {theirs[name]}"
        for name in sorted(ours.keys() & theirs.keys())
        if ours[name] != theirs[name] and name != "sluicegate"
    ]


def _versions(python: Path) -> dict[str, str]:
    listed = json.loads(_run([str(python), "-m", "pip", "list", "--format", "json"], "list packages"))
    return {each["name"].lower(): each["version"] for each in listed}


def _environment(place: Path, folder: Path) -> Path:
    """Install the commit, not as a link to its files, and return the interpreter."""
    _run([sys.executable, "-m", "venv", str(folder)], "make an environment")
    python = folder / "bin" / "python"
    _run([str(python), "-m", "pip", "install", "-q", f"{place}[parquet,redis]"], "install the commit")
    return python


def _git(*arguments: str) -> str:
    return _run(["git", "-C", str(HERE), *arguments], f"git {arguments[0]}").strip()


def _run(command: Sequence[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise CommitError(f"cannot {what}: {''.join(reason) or f'exit code {done.returncode}'}")
    return done.stdout
