"""What a person sees: colours, tables and a progress bar on a terminal, plain lines in a pipe.

May import: the ground floor; rich inside functions. The rule that must stay true: notes go to the error
stream, results to the output, so that scripts can read results.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """How far a long piece of work has come."""

    def advance(self, amount: int) -> None: ...

    def stage(self, name: str) -> None: ...


class _Silent:
    def advance(self, amount: int) -> None: ...

    def stage(self, name: str) -> None: ...


@contextmanager
def progress(total: int, what: str) -> Iterator[Progress]:
    """A progress bar over ``total`` bytes on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        class _Shown:
            def advance(self, amount: int) -> None:
                bar.advance(task, amount)

            def stage(self, name: str) -> None:
                bar.update(task, description=name)

        yield _Shown()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; tab-separated lines, the names first, in a pipe."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(str(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column)
    for row in rows:
        shown.add_row(*(str(cell) for cell in row))
    Console().print(shown)


def note(message: str) -> None:
    """A line for the person, beside the results."""
    print(message, file=sys.stderr)


def warn(message: str) -> None:
    """Something the person should act on; yellow on a terminal."""
    if sys.stderr.isatty():
        print(f"\033[33mwarning:\033[0m {message}", file=sys.stderr)
    else:
        print(f"warning: {message}", file=sys.stderr)


def size(number: float) -> str:
    """Bytes for people: 1.5 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return ""
