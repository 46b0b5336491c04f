"""Open the index of the bank's documents, sums verified: CPU milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import material
from proxy.index import open_index

UNIT = "CPU ms an opening"


def prepare(data: Path, folder: Path) -> Callable[[], float]:
    """Build the index once and return a turn of ten openings."""
    material.build(folder / "bank.idx", material.bank(data))

    def turn() -> float:
        began = time.process_time()
        for _ in range(10):
            open_index(folder / "bank.idx", material.KEY)
        return (time.process_time() - began) * 100

    return turn
