"""What the commands that build an index share about known values: options, the finder, what is told of it.

May import: the rooms ``recognizers``, inside functions, and the ground floor. The rule that must stay true:
a fault of a recognizer ends the command before there is an index.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from proxy.cli import console
from proxy.cli.options import option
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.recognizers.values import ValueFinder

NONE = "none"
_MUCH = 1_000_000
"""Bytes of a training set that networks read for minutes."""


def value_options(parser: argparse.ArgumentParser) -> None:
    """``--entities`` and ``--no-ner``."""
    option(
        parser,
        "--entities",
        metavar="LIST",
        help="Kinds of values to find, such as email,phone,person; 'none' finds no values",
        shown="all",
    )
    option(
        parser,
        "--no-ner",
        action="store_true",
        help="Find values by patterns, records and field names only; names in prose stay unknown",
        default=False,
    )


@contextmanager
def value_finder(entities: str | None, *, ner: bool, workers: int) -> Iterator[ValueFinder | None]:
    """What finds the values of documents; None where none are wanted. Closed at the end.

    Raises ``ConfigError`` that names every entity in the list that does not exist.
    """
    names = None if entities is None else [name for part in entities.split(",") if (name := part.strip())]
    if names == [NONE]:
        yield None
        return
    if names is not None and not names:
        raise ConfigError(f"--entities: the list is empty; name kinds of values, or {NONE!r}")
    from proxy.recognizers.values import ValueFinder

    with ValueFinder(names, ner, workers) as finder:
        yield finder


def tell_pace(finder: ValueFinder | None, size: int) -> None:
    """Say beforehand that it will take long: networks read some kilobytes a second. ``size``: bytes."""
    if finder is not None and finder.ner and size > _MUCH:
        console.note(
            "Networks read this set for names, some kilobytes a second for each core: --workers N shares the "
            "work, --no-ner leaves names in prose unknown."
        )


def tell_values(values: Mapping[str, Any], finder: ValueFinder | None) -> None:
    """How many values are known, by kind, and how fast they were found."""
    entities = sorted(values.get("entities", {}).items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name} {count}" for name, count in entities)
    console.note(f"known values: {values.get('values', 0)}" + (f" ({listed})" if listed else ""))
    if weak := values.get("weak", 0):
        console.note(
            f"  {weak} of them are short or common: findings only beside another one of their record"
        )
    if finder is not None and finder.seconds:
        told = rate(finder)
        how = "with" if finder.ner else "without"
        console.note(
            f"  looked for {how} networks in {told['characters']} characters for {told['seconds']} s: "
            f"{told['characters_per_second']} characters, {told['documents_per_second']} documents a second"
        )
        if finder.passed_over:
            console.note(
                f"  {finder.passed_over} names stand in documents of nobody that identify no one, and are "
                "left out; give the documents an audience to have them known"
            )


def rate(finder: ValueFinder | None) -> dict[str, Any]:
    """The same for scripts: what was read for values, and how fast."""
    if finder is None:
        return {}
    seconds = max(finder.seconds, 1e-6)
    return {
        "ner": finder.ner,
        "documents": finder.documents,
        "characters": finder.characters,
        "seconds": round(finder.seconds, 2),
        "characters_per_second": round(finder.characters / seconds),
        "documents_per_second": round(finder.documents / seconds, 1),
        "names_left_out": finder.passed_over,
    }
