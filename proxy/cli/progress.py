"""How far a long command is: a bar on a terminal, a plain line now and then in a pipe.

Both show the step, the share that is done and an estimate of the time left for it. A bar appears at once. A
pipe gets no control characters, a first line when the command takes longer than ``FIRST`` seconds, and then
at most one line in ``EVERY`` seconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

FIRST = 0.5
"""Seconds before the first line in a pipe: a command that ends sooner has nothing to say."""
EVERY = 10.0
"""Seconds between two lines in a pipe."""
_WATCH = 0.25
_SOON = 2.0
"""Seconds of a step before its pace tells anything."""

Clock = Callable[[], float]


class Progress(Protocol):
    """What a command tells while it works."""

    def stage(self, name: str, total: int | None = None, unit: str = "bytes") -> None:
        """Begin a step. ``total``: how much of ``unit`` there is to do; None where nobody knows."""

    def advance(self, amount: int) -> None:
        """Add to what is done of the step."""


@dataclass(slots=True)
class Step:
    """A step of the work, and how far it is."""

    name: str
    total: int | None
    unit: str
    began: float
    done: int = 0

    @property
    def share(self) -> float | None:
        """What is done of the whole, from 0 to 1; None where the whole is unknown."""
        if self.total is None:
            return None
        return min(1.0, self.done / self.total) if self.total > 0 else 1.0

    def left(self, now: float) -> float | None:
        """Return the seconds that are left at the pace so far; None while that cannot be told."""
        passed = now - self.began
        if self.total is None or self.done <= 0 or passed < _SOON:
            return None
        return max(0, self.total - self.done) * passed / self.done

    def amount(self) -> str:
        """Return what is done of how much: ``12 % of 713513 characters``."""
        share = self.share
        if share is None or self.total is None:
            return ""
        whole = size(self.total) if self.unit == "bytes" else f"{self.total} {self.unit}"
        return f"{int(100 * share)} % of {whole}"

    def pace(self, now: float) -> str:
        """Return the pace and the time left, or the time passed."""
        left = self.left(now)
        if left is None:
            passed = now - self.began
            return duration(passed) if passed >= _SOON else ""
        rate = self.done / (now - self.began)
        each = f"{size(rate)}/s" if self.unit == "bytes" else f"{rate:.0f} {self.unit}/s"
        return f"{each}, about {duration(left)} left"

    def line(self, now: float) -> str:
        """Return everything in one plain line."""
        return ", ".join(filter(None, (self.name, self.amount(), self.pace(now))))


@dataclass(slots=True)
class Lines:
    """Plain lines, for a pipe: the first after ``first`` seconds, then at most one in ``every`` seconds."""

    write: Callable[[str], None]
    first: float = 0.0
    every: float = EVERY
    clock: Clock = time.monotonic
    _step: Step | None = None
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._next = self.clock() + self.first

    def stage(self, name: str, total: int | None = None, unit: str = "bytes") -> None:
        self._step = Step(name, total, unit, self.clock())
        self.tick()

    def advance(self, amount: int) -> None:
        if self._step is not None:
            self._step.done += amount
            self.tick()

    def tick(self) -> None:
        """Write a line where it is time for one."""
        with self._lock:
            now = self.clock()
            if self._step is not None and now >= self._next:
                self._next = now + self.every
                self.write(self._step.line(now))


class Shown:
    """A bar on a terminal."""

    def __init__(self, bar: Bar, steps: list[Step]) -> None:
        self._bar = bar
        self._steps = steps
        self._task = bar.add_task("", total=None)

    def stage(self, name: str, total: int | None = None, unit: str = "bytes") -> None:
        self._steps[:] = [Step(name, total, unit, time.monotonic())]
        self._bar.reset(self._task, description=name, total=total, completed=0)
        self._bar.refresh()

    def advance(self, amount: int) -> None:
        if self._steps:
            self._steps[0].done += amount
            self._bar.update(self._task, advance=amount)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show how far a command is, on the error stream, until the body ends."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb"):
        with _bar() as shown:
            yield shown
        return
    lines = Lines(_plain, FIRST, EVERY)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_WATCH):
            lines.tick()  # a step that reports nothing for long is still alive

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield lines
    finally:
        ended.set()
        watcher.join()


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    steps: list[Step] = []

    class Pace(ProgressColumn):
        """How much is done, the pace, and the time left."""

        def render(self, task: Task) -> Text:
            now = time.monotonic()
            said = (text for step in steps for text in (step.amount(), step.pace(now)) if text)
            return Text(", ".join(said))

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=None), Pace())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Shown(bar, steps)


def _plain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def size(number: float) -> str:
    """Bytes for people: 1.5 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return ""


def duration(seconds: float) -> str:
    """Seconds for people: 45 s, 7 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
