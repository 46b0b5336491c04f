"""DATA arguments: a file, a folder, or sets of a ``dataset_info.json``, and whom their text is for.

May import: the ground floor and its room. The rule that must stay true: a path that exists is
taken as it stands, whatever characters it is made of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from proxy.datasets import llama_factory
from proxy.datasets.stream import kind_of
from proxy.errors import ConfigError

SUFFIXES = frozenset((".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".md"))
"""The kinds of file that are read; all but Parquet and Arrow also as ``.gz``."""
_COLUMNS = frozenset((".parquet", ".arrow"))

_AUDIENCE = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Source:
    """Where training text is: ``audience`` holds where a record names none; ``dataset`` is one set
    of a ``dataset_info.json`` (the path is that file), None for all of them or for other paths."""

    path: Path
    audience: str | None = None
    dataset: str | None = None


def parse_source(argument: str) -> Source:
    """Understand a DATA argument: ``[AUDIENCE=]PATH`` or ``[AUDIENCE=]dataset_info.json:NAME``.

    Raises ``ConfigError`` that names the argument where there is no such path or set, or where the
    file is of a kind that is not read.
    """
    source = _located(argument, None)
    if source is None and (match := _AUDIENCE.fullmatch(argument)):
        source = _located(match[2], match[1])
    if source is None:
        raise ConfigError(
            f"{argument}: no such file or folder. DATA is a file, a folder, dataset_info.json or "
            "dataset_info.json:NAME, and each may be written AUDIENCE=PATH, the audience in letters, "
            "digits, - and _"
        )
    try:
        _check(source)
    except ConfigError as error:
        raise ConfigError(*(f"{argument}: {fault}" for fault in error.faults)) from None
    return source


def is_read(path: Path) -> bool:
    """Whether a file's name says that it is of a kind that is read."""
    return kind_of(path) in SUFFIXES and not (kind_of(path) in _COLUMNS and path.suffix.lower() == ".gz")


def is_description(path: Path) -> bool:
    """Whether a file describes sets, by its name."""
    return path.name == llama_factory.NAME


def _located(text: str, audience: str | None) -> Source | None:
    path = _existing(text)
    if path is not None:
        return Source(path, audience)
    before, colon, name = text.rpartition(":")
    path = _existing(before) if colon and name else None
    if path is not None and path.is_dir():
        path = _existing(str(path / llama_factory.NAME))
    return None if path is None else Source(path, audience, name)


def _existing(text: str) -> Path | None:
    try:
        path = Path(text).expanduser()
        return path if text and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL in it, a home that is unknown
        return None


def _check(source: Source) -> None:
    if source.dataset is not None or is_description(source.path):
        llama_factory.entries(source.path, source.dataset)
    elif source.path.is_file() and not is_read(source.path):
        raise ConfigError(f"files of this kind are not read; these are: {', '.join(sorted(SUFFIXES))}")
    elif not source.path.is_dir() and not source.path.is_file():
        raise ConfigError("it is neither a file nor a folder")
