"""Arrow files, as Hugging Face's ``save_to_disk`` writes them: read in batches through pyarrow."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from proxy.datasets.parquet import records
from proxy.datasets.stream import Record, SourceFile
from proxy.errors import ConfigError
from proxy.types import Skipped

STATE = "state.json"
SPLITS = "dataset_dict.json"
_ROWS = 512


def read(file: SourceFile) -> Iterator[Record | Skipped]:
    """Yield one record a row, of a stream or a file of Arrow. Raises ConfigError without pyarrow."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ConfigError(
            f"{file.label}: reading Arrow files needs pyarrow, which is not installed: "
            "pip install 'sluicegate[parquet]', or convert the set to JSONL"
        ) from None
    try:
        with pa.memory_map(str(file.path)) as source:
            size = file.path.stat().st_size
            told = 0

            def share(_batch: object) -> int:
                nonlocal told
                before, told = told, min(size, int(source.tell()))
                return max(0, told - before)

            yield from records(file, _batches(pa, source), share)
    except (pa.ArrowException, OSError) as error:
        yield Skipped(file.label, f"not a readable Arrow file ({type(error).__name__})")


def _batches(pa: Any, source: Any) -> Iterator[Any]:
    try:
        opened = pa.ipc.open_file(source)
        whole = (opened.get_batch(number) for number in range(opened.num_record_batches))
    except pa.ArrowInvalid:
        source.seek(0)
        whole = iter(pa.ipc.open_stream(source))
    for batch in whole:
        for start in range(0, batch.num_rows, _ROWS):
            yield batch.slice(start, _ROWS)


def saved_files(folder: Path) -> Collection[str] | None:
    """Return the names of the files that hold a set saved in a folder; None where it holds no such set."""
    try:
        state = json.loads((folder / STATE).read_text("utf-8"))
        return frozenset(str(each["filename"]) for each in state["_data_files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
