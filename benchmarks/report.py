"""Tables on stdout and their numbers as JSON in ``benchmarks/results``, with date, machine and command.

The rule that must stay true: a result holds no path of the machine and no text of the data.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy import __version__

RESULTS = Path(__file__).parent / "results"


def parser(text: str | None) -> argparse.ArgumentParser:
    """The options that all programs have. ``text``: the docstring; its first line is shown."""
    made = argparse.ArgumentParser(description=(text or "").partition("\n")[0])
    made.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    made.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    made.add_argument("--no-save", action="store_true", help="write no file under benchmarks/results")
    return made


def machine() -> dict[str, Any]:
    """Cores this process may use, their kind, memory, Python."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _command(name: str, quick: bool, extra: Mapping[str, object]) -> str:
    options = "".join(f" --{key} {value}" for key, value in extra.items())
    return f"python -m benchmarks.{name.partition('.')[0]} --data DATA{' --quick' if quick else ''}{options}"


@dataclass(slots=True)
class Report:
    """One run of one program. ``extra``: options of its own that were given."""

    name: str
    quick: bool
    save: bool = True
    extra: Mapping[str, object] = field(default_factory=dict)
    tables: list[dict[str, Any]] = field(default_factory=list)
    bars: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._head = {
            "benchmark": self.name,
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "sluicegate": __version__,
            "command": _command(self.name, self.quick, self.extra),
            "quick": self.quick,
            "machine": machine(),
        }
        print(f"{self._head['command']}\n{self._head['date']}, {self._head['machine']}", flush=True)

    _head: dict[str, Any] = field(init=False, default_factory=dict)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table and keep it. Numbers stand right, words left."""
        self.tables.append({"title": title, "columns": list(columns), "rows": [list(row) for row in rows]})
        shown = [[_shown(cell) for cell in row] for row in rows]
        widths = [max(len(line[i]) for line in [list(columns), *shown]) for i in range(len(columns))]
        right = [
            all(isinstance(row[i], int | float) or row[i] is None for row in rows)
            for i in range(len(columns))
        ]
        print(f"\n{title}")
        for line in [list(columns), *shown]:
            cells = (
                cell.rjust(width) if side else cell.ljust(width)
                for cell, width, side in zip(line, widths, right, strict=True)
            )
            print("  " + "  ".join(cells).rstrip())
        sys.stdout.flush()

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(text, flush=True)

    def bar(self, what: str, value: float, bar: str, holds: bool) -> None:
        """A number that was promised, and whether it is kept."""
        value = round(value, 4)
        self.bars.append({"what": what, "value": value, "bar": bar, "holds": holds})
        print(f"  [{'holds' if holds else 'MISSED'}] {what}: {value} (bar: {bar})", flush=True)

    def write(self) -> int:
        """Write the JSON; the exit status: 1 when a bar was missed."""
        missed = [entry["what"] for entry in self.bars if not entry["holds"]]
        if self.save:
            RESULTS.mkdir(exist_ok=True)
            name = self.name.replace(" ", ".") + (".quick.json" if self.quick else ".json")
            body = self._head | {
                "bars": self.bars,
                "numbers": self.numbers,
                "tables": self.tables,
                "notes": self.notes,
            }
            (RESULTS / name).write_text(_json(body), "utf-8")
            print(f"\nwritten: benchmarks/results/{name}")
        print(f"{len(self.bars)} bars, {len(missed)} missed" + "".join(f"\n  {what}" for what in missed))
        return 1 if missed else 0


def _json(body: Mapping[str, Any]) -> str:
    """Indented, but a row of a table is one line."""
    rows: list[str] = []

    def keep(row: list[object]) -> str:
        rows.append(json.dumps(row, ensure_ascii=False))
        return f"@row{len(rows) - 1}@"

    tables = [table | {"rows": [keep(row) for row in table["rows"]]} for table in body["tables"]]
    text = json.dumps({**body, "tables": tables}, indent=1, ensure_ascii=False)
    for number, row in enumerate(rows):
        text = text.replace(f'"@row{number}@"', row, 1)
    return text + "\n"


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.4g}" if abs(cell) < 1000 else f"{cell:.0f}"
    return str(cell)


def quantile(values: Sequence[float], share: float) -> float:
    """The value at a share of the sorted values (nearest rank); 0 where there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]
