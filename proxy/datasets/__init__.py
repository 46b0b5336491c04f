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

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from proxy.datasets import forms, json_records, parquet, plain, table
from proxy.datasets.audience import FIELD, audience_of, without_audience
from proxy.datasets.forms import Form
from proxy.datasets.leaves import fields
from proxy.datasets.plan import Item, Plan, make_plan
from proxy.datasets.source import Source, parse_source
from proxy.datasets.stream import Record, SourceFile
from proxy.errors import ConfigError
from proxy.types import Document, Skipped

__all__ = ["AUTO", "FORMATS", "KEY", "READERS", "Source", "fields", "parse_source", "read", "total_bytes"]

AUTO = "auto"

KEY = "_key"
"""The path of the key that a record stood under: often the id of the person or thing it is about."""

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
    progress: Callable[[int], None] | None = None,
) -> Iterator[Document | Skipped]:
    """Read the sources in their order, files of a folder sorted by path.

    A document's id is ``<file name>:<record number>``, in a folder ``<path in it>:<number>``. Its
    audience is that of its ``audience_field`` (``audience`` if none is given), else that of its
    source, else ``default_audience``, else None. Where the field holds no name of an audience, the
    document is yielded for ``nobody`` and the field as ``Skipped``.

    ``with_fields`` gives documents the ``fields`` of their record; one that stood under a key, in an
    object of records, has it as :data:`KEY`.

    ``progress`` is called with the bytes read since its last call, one file after the other.
    ``strict`` raises ``ConfigError`` instead of yielding ``Skipped``, except for files of other
    kinds in a folder. ``ConfigError`` is also raised, at the call, for a format that does not
    exist and a source that has nothing to read.
    """
    if form != AUTO and form not in FORMATS:
        raise ConfigError(f"--format {form}: not a format; these are: {', '.join((AUTO, *FORMATS))}")
    reading = _Reading(make_plan(sources), FORMATS.get(form), audience_field, default_audience, with_fields)
    return reading.run(strict, progress)


class _Reading:
    """One run over the sources, with what holds for all of its records."""

    def __init__(
        self, plan: Plan, form: Form | None, field: str | None, audience: str | None, with_fields: bool
    ) -> None:
        self._plan = plan
        self._form = form
        self._field = field
        self._default_audience = audience
        self._with_fields = with_fields

    def run(self, strict: bool, progress: Callable[[int], None] | None) -> Iterator[Document | Skipped]:
        yield from self._plan.remarks
        for entry in self._entries(progress):
            if strict and isinstance(entry, Skipped):
                raise ConfigError(f"{entry.where}: {entry.reason}")
            yield entry

    def _entries(self, progress: Callable[[int], None] | None) -> Iterator[Document | Skipped]:
        yield from self._plan.faults
        for item in self._plan.items:
            count = 0
            for entry in _records(item, progress):
                count += 1
                if isinstance(entry, Skipped):
                    yield entry
                else:
                    yield from self._document(entry, item)
            if not count:
                yield Skipped(item.label, "it holds no records")

    def _document(self, record: Record, item: Item) -> Iterator[Document | Skipped]:
        form = item.form or self._form
        if form is not None and (reason := forms.misfit(record.value, form)):
            yield Skipped(record.where, reason)
            return
        audience, understood = audience_of(record.value, record.outer, self._field)
        value = without_audience(record.value, self._field) if audience and understood else record.value
        texts = (
            forms.read_texts(value, form, record.key)
            if form is not None
            else forms.read_all_texts(value, forms.named(value) or forms.RECORDS, record.key)
        )
        if not texts:
            yield Skipped(record.where, "it holds no text")
            return
        audience = audience or item.audience or self._default_audience
        named = _fields(value, record.key) if self._with_fields else ()
        yield Document(f"{item.label}:{record.number}", texts, audience, named)
        if not understood:
            yield Skipped(
                record.where,
                f"its field {self._field or FIELD!r} is not the name of an audience: read as for nobody. "
                "Name the right field with --audience-field",
            )


def _fields(value: object, key: str | None) -> tuple[tuple[str, str], ...]:
    return (*([(KEY, key)] if key else ()), *fields(value))


def _records(item: Item, progress: Callable[[int], None] | None) -> Iterator[Record | Skipped]:
    """The records of a file; a file that breaks off or cannot be opened ends as ``Skipped``."""
    try:
        with SourceFile(item.path, item.label, progress) as file:
            yield from READERS[file.kind](file)
            if file.replaced:
                yield Skipped(
                    f"{item.label}:{file.replaced[0]}",
                    f"not valid UTF-8 ({len(file.replaced)} lines, this is the first): the bytes in "
                    "question were replaced; convert the file to UTF-8",
                )
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "broken or cut short"
        yield Skipped(item.label, f"cannot be read to its end ({reason})")
    except UnicodeError:
        yield Skipped(item.label, "cannot be read to its end (not valid UTF-16)")
