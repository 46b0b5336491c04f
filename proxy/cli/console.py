"""What a person sees: colours and tables on a terminal, plain lines in a pipe.

The invariant: notes go to the error stream, results to the output, so that scripts can read results.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; tab-separated lines, the names first, in a pipe."""
    if not sys.stdout.isatty():
        for each in (columns, *rows):
            print("\t".join(map(plain, each)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(plain(title)), title_justify="left")
    for column in columns:
        shown.add_column(Text(column), overflow="fold")
    for each in rows:
        shown.add_row(*(Text(plain(cell)) for cell in each))
    Console().print(shown)


def header(columns: Sequence[str]) -> None:
    """The names of rows that come one at a time."""
    row(columns)


def row(cells: Sequence[object]) -> None:
    """One row, at once: for what is shown as it happens."""
    print(("  " if sys.stdout.isatty() else "\t").join(map(plain, cells)), flush=True)


def plain(cell: object) -> str:
    """What a cell says, without control characters: a name must not steer the terminal or end the line."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in str(cell)
    )


def note(message: str) -> None:
    """A line for the person, beside the results."""
    print(message, file=sys.stderr)


def warn(message: str) -> None:
    """Something the person should act on; yellow on a terminal."""
    if sys.stderr.isatty():
        print(f"\033[33mwarning:\033[0m {message}", file=sys.stderr)
    else:
        print(f"warning: {message}", file=sys.stderr)
