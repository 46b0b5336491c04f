"""Build the index of the bank's documents, without recognised names: CPU seconds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import material

UNIT = "CPU s a build"


def prepare(data: Path, folder: Path) -> Callable[[], float]:
    """Read the documents once and return a turn of one build."""
    documents = material.bank(data)

    def turn() -> float:
        shutil.rmtree(folder / "bank.idx", ignore_errors=True)
        began = time.process_time()
        material.build(folder / "bank.idx", documents)
        return time.process_time() - began

    return turn
