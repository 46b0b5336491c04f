"""Training sets: files in, ``Document`` and ``Skipped`` out.

May import: the ground floor and its own files. The rule that must stay true: whatever of a source
is not read is yielded as ``Skipped`` with its place and reason, and neither ids nor reasons hold
text of a record.

How a record becomes a document: its ``texts`` are one string a message or field, of everything the
model was trained on (prompts, system, tools, right and wrong answers). Under ``auto`` all strings of
a record are read, whatever its shape: those of the shape that its fields tell come first and in
order, then the others (a title, say), but not its ``id`` and the images, audios and videos it names.
A chosen format, or a ``dataset_info.json``, reads the fields of that format alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from proxy.datasets import arrow, forms, json_records, parquet, plain, table
from proxy.datasets.audience import FIELD, Order
from proxy.datasets.forms import Form
from proxy.datasets.leaves import fields
from proxy.datasets.marks import Marks
from proxy.datasets.plan import make_plan
from proxy.datasets.reading import KEY, Choices, Reading
from proxy.datasets.source import Source, parse_source
from proxy.datasets.stream import Record, SourceFile
from proxy.datasets.tally import Tally
from proxy.errors import ConfigError
from proxy.types import Document, Skipped

__all__ = [
    "AUTO",
    "FIELD",
    "FORMATS",
    "KEY",
    "READERS",
    "Order",
    "Source",
    "Tally",
    "fields",
    "parse_source",
    "read",
    "total_bytes",
]

AUTO = "auto"

FORMATS: Mapping[str, Form] = {
    "alpaca": forms.ALPACA,
    "sharegpt": forms.SHAREGPT,
    "openai": forms.OPENAI,
    "text": forms.TEXT,
    "preference": forms.PREFERENCE,
    "kto": forms.KTO,
    "records": forms.RECORDS,
}
"""The shapes that can be chosen instead of ``auto``, which takes for each record the one it has."""

READERS: Mapping[str, Callable[[SourceFile], Iterator[Record | Skipped]]] = {
    ".json": json_records.read,
    ".jsonl": json_records.read,
    ".ndjson": json_records.read,
    ".csv": table.read,
    ".tsv": table.read,
    ".parquet": parquet.read,
    ".arrow": arrow.read,
    ".txt": plain.read,
    ".md": plain.read,
}
"""What reads the records of a file, by its suffix (``.gz`` apart)."""


def total_bytes(sources: Sequence[Source]) -> int:
    """The bytes that :func:`read` tells to ``progress`` in all: the sizes of the files on disk."""
    return make_plan(sources).size


def read(
    sources: Sequence[Source],
    *,
    form: str = AUTO,
    audience_field: str | None = None,
    default_audience: str | None = None,
    strict: bool = False,
    with_fields: bool = False,
    order: Order | None = None,
    ignore_audience: bool = False,
    encoding: str | None = None,
    tally: Tally | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Document | Skipped]:
    """Read the sources in their order, files of a folder sorted by path.

    A document's id is ``<file name>:<record number>``, in a folder ``<path in it>:<number>``. Its
    audience is that of the marks in its record (see ``marks.py``), else that of its source, else
    ``default_audience``, else None. A record whose lists hold records with marks of their own is
    several documents. Where a mark cannot be read or trusted, the document is for ``nobody``, and
    ``Noted`` says so. ``order``: which audiences are wider; ``tally`` counts who decided.

    ``with_fields`` gives documents the ``fields`` of their record; one that stood under a key, in an
    object of records, has it as :data:`KEY`.

    ``encoding``: that of text files that are not UTF-8; None: their bytes decide, or ConfigError is raised.

    ``progress`` is called with the bytes read since its last call, one file after the other.
    ``strict`` raises ``ConfigError`` instead of yielding ``Skipped``, except for files of other
    kinds in a folder. ``ConfigError`` is also raised, at the call, for a format that does not
    exist and a source that has nothing to read.
    """
    if form != AUTO and form not in FORMATS:
        raise ConfigError(f"--format {form}: not a format; these are: {', '.join((AUTO, *FORMATS))}")
    marks = Marks(order or Order(), audience_field, ignore_audience)
    choices = Choices(marks, FORMATS.get(form), default_audience, with_fields, encoding)
    return Reading(make_plan(sources), choices, READERS, tally or Tally()).run(strict, progress)
