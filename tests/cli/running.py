"""The command as a person runs it: a process of its own, with its output, its errors and its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import proxy

ROOT = Path(proxy.__file__).parents[1]


def environment(**more: str) -> dict[str, str]:
    """No more than a process needs, so that nothing of this one's leaks in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*"} | more


def run(
    *arguments: str | Path, cwd: Path, given: bytes = b"", **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "proxy", *map(str, arguments)],
        input=given,
        capture_output=True,
        cwd=cwd,
        env=environment(**more),
        timeout=120,
        check=False,
    )


@dataclass(slots=True)
class Running:
    """A server that runs. What it says is in two files."""

    process: subprocess.Popen[bytes]
    out: Path
    errors: Path

    def wait_for(self, *texts: str) -> str:
        """The line of its errors or its output that holds one of these texts."""
        for _ in range(3000):
            said = self.errors.read_text("utf-8") + self.out.read_text("utf-8")
            for line in said.splitlines():
                if any(text in line for text in texts):
                    return line
            if self.process.poll() is not None:
                pytest.fail(f"it has ended with {self.process.returncode}: {said}")
            time.sleep(0.02)
        pytest.fail(f"it has not said {texts}: {said}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and wait until it has."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def running(*arguments: str | Path, cwd: Path, **more: str) -> Iterator[Running]:
    """A command that goes on until it is ended."""
    out, errors = cwd / "out.txt", cwd / "errors.txt"
    with out.open("wb") as to_out, errors.open("wb") as to_errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_errors,
            cwd=cwd,
            env=environment(**more),
        )
    try:
        yield Running(process, out, errors)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(60)


def lines(data: bytes) -> Sequence[str]:
    return data.decode("utf-8").splitlines()


def values(names: Mapping[str, object]) -> dict[str, str]:
    """Settings as the environment has them."""
    return {f"SLUICEGATE_{name.upper()}": str(value) for name, value in names.items()}
