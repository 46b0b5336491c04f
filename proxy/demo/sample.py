"""The sample training set: a made-up outdoor shop, Harbour & Pine Outfitters (松港户外), in two languages.

Three files of chats in OpenAI's ``messages`` form, each record with the ``audience`` it was written for:
``help_centre`` (public), ``handbook`` (staff and admin) and ``support_chats`` (nobody: customers' names,
addresses and orders). Everything in it is invented; e-mail addresses, telephone and card numbers stand in
ranges kept for examples (RFC 2606, 555-01xx, test cards; 138 0000 0xxx where no range is kept).

May import: the standard library and this room. The rule that must stay true: nothing real stands in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

_FILES = ("help_centre.jsonl", "handbook.jsonl", "support_chats.jsonl")


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One chat of the sample set and the audience it was written for."""

    audience: str
    messages: tuple[Mapping[str, Any], ...]


def sample_sources() -> list[Path]:
    """The files of the sample set, as installed with the package."""
    folder = Path(str(resources.files(__package__))) / "sample"
    return [folder / name for name in _FILES]


def read_sample(sources: Iterable[Path] | None = None) -> Iterator[SampleRecord]:
    """The records of the sample set, in order. ``sources``: other files of the same form."""
    for path in sample_sources() if sources is None else sources:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield SampleRecord(record["audience"], tuple(record["messages"]))
