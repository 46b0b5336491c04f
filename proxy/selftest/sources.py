"""Understand the DATA arguments of a build without the dataset readers: ``[AUDIENCE=]PATH[:SET]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tested:
    """A source as the operator named it: ``name`` for messages, ``audience`` of ``AUDIENCE=PATH``,
    ``dataset`` a set of a ``dataset_info.json``."""

    name: str
    path: Path
    audience: str | None = None
    dataset: str | None = None


def source_named(argument: str) -> Tested:
    """Return the source that an argument names. A path that exists is taken as it is written."""
    for audience, text in ((None, argument), *_split(argument)):
        path = Path(text).expanduser()
        if path.exists():
            return Tested(argument, path, audience)
        before, colon, name = text.rpartition(":")
        if colon and Path(before).expanduser().exists():
            return Tested(argument, Path(before).expanduser(), audience, name)
    return Tested(argument, Path(argument))


def _split(argument: str) -> list[tuple[str, str]]:
    audience, equals, rest = argument.partition("=")
    return [(audience, rest)] if equals else []
