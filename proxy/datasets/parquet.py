"""Parquet files, read in batches through pyarrow, which is imported when the first one is read.

May import: the ground floor and its room. The rule that must stay true: a column whose bytes are
not text is reported, once a file, and never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from proxy.datasets.stream import Record, SourceFile
from proxy.errors import ConfigError
from proxy.types import Skipped

_BATCH = 512


def read(file: SourceFile) -> Iterator[Record | Skipped]:
    """Yield one record a row. Raises ``ConfigError`` where pyarrow is not installed.

    Binary values are text where they are valid UTF-8 (some writers leave out the mark).
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
        import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ConfigError(
            f"{file.label}: reading Parquet needs pyarrow, which is not installed: "
            "pip install 'sluicegate[parquet]', or convert the file to JSONL"
        ) from None
    try:
        yield from _rows(file, pq.ParquetFile(file.path))
    except (pa.ArrowException, OSError) as error:
        yield Skipped(file.label, f"not a readable Parquet file ({type(error).__name__})")


def _rows(file: SourceFile, table: Any) -> Iterator[Record | Skipped]:
    size = file.path.stat().st_size
    rows = max(table.metadata.num_rows, 1)
    with table:
        batches = table.iter_batches(batch_size=_BATCH)
        yield from records(file, batches, lambda batch: size * batch.num_rows // rows)


def records(
    file: SourceFile, batches: Iterable[Any], share: Callable[[Any], int]
) -> Iterator[Record | Skipped]:
    """Yield the rows of pyarrow's batches. ``share``: the bytes of the file that a batch counts for."""
    number = 0
    unread: dict[str, None] = {}
    for batch in batches:
        for row in batch.to_pylist():
            number += 1
            yield Record(number, f"{file.label}:record {number}", _decoded(row, unread))
        file.tell_progress(share(batch))
    for column in unread:
        yield Skipped(f"{file.label}:column {column}", "holds bytes that are not text; they were not read")


def _decoded(row: dict[str, Any], unread: dict[str, None]) -> dict[str, Any]:
    """The row with bytes decoded, at any depth; notes the columns where that was not possible."""
    for column, value in row.items():
        if isinstance(value, bytes | dict | list):
            row[column] = _without_bytes(value, column, unread)
    return row


def _without_bytes(value: Any, column: str, unread: dict[str, None]) -> Any:
    """Recursive: the depth is that of the file's schema, which pyarrow has bounded."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            unread[column] = None
            return None
    if isinstance(value, dict):
        return {key: _without_bytes(inner, column, unread) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_bytes(inner, column, unread) for inner in value]
    return value
