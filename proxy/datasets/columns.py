"""Turn tables inside JSON into records: rows of cells under a list of names, and columns keyed by row.

Only tables in which a name marks an audience are turned: elsewhere the order of the cells tells no more than
their text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_DEEPEST = 200


def as_rows(value: Any, is_mark: Callable[[object], bool], depth: int = 0) -> Any:
    """Return a value in which each table with a mark in its names is a list of objects.

    Three forms are known: ``{"columns": [...], "data": [[...], ...]}`` under any keys, a list of rows whose
    first holds the names, and ``{"audience": {"0": ...}, "text": {"0": ...}}``, as pandas writes it.
    """
    if depth > _DEEPEST:
        return value
    if isinstance(value, dict):
        if (rows := _of_columns(value, is_mark)) is not None:
            return rows
        value = _with_rows(value, is_mark)
        made = {key: as_rows(inner, is_mark, depth + 1) for key, inner in value.items()}
        return made if any(made[key] is not value[key] for key in made) else value
    if isinstance(value, list):
        if value and is_header(value[0], is_mark) and _are_rows(value[1:], value[0]):
            return [record_of(value[0], row) for row in value[1:]]
        turned = [as_rows(inner, is_mark, depth + 1) for inner in value]
        return turned if any(new is not old for new, old in zip(turned, value, strict=True)) else value
    return value


def is_header(value: Any, is_mark: Callable[[object], bool]) -> bool:
    """Return whether a list holds the names of columns, a mark among them."""
    return (
        isinstance(value, list | tuple)
        and len(value) > 1
        and all(isinstance(name, str) for name in value)
        and any(map(is_mark, value))
    )


def record_of(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Return a row under its names; a name that comes twice keeps both cells."""
    record: dict[str, Any] = {}
    for name, cell in zip(names, row, strict=False):
        record[name + " " * len(record) if name in record else name] = cell
    return record


def _are_rows(value: Any, names: Sequence[str]) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, list) and len(row) == len(names) for row in value)
    )


def _with_rows(value: dict[str, Any], is_mark: Callable[[object], bool]) -> dict[str, Any]:
    """Return an object with names and rows side by side as one with a list of objects."""
    for name, names in value.items():
        if not is_header(names, is_mark):
            continue
        for key, rows in value.items():
            if key != name and _are_rows(rows, names):
                turned = [record_of(names, row) for row in rows]
                return {each: inner for each, inner in value.items() if each not in (name, key)} | {
                    key: turned
                }
    return value


def _of_columns(value: Mapping[str, Any], is_mark: Callable[[object], bool]) -> list[dict[str, Any]] | None:
    """Return the rows of columns that are objects with the same keys; None where they are not."""
    if len(value) < 2 or not any(map(is_mark, value)):
        return None
    if not all(isinstance(inner, dict) for inner in value.values()):
        return None
    first = next(iter(value.values()))
    if not first or any(inner.keys() != first.keys() for inner in value.values()):
        return None
    marks = (cell for name, inner in value.items() if is_mark(name) for cell in inner.values())
    if not all(cell is None or isinstance(cell, str) for cell in marks):
        return None
    return [{name: inner[key] for name, inner in value.items()} for key in first]
