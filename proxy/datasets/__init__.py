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
from difflib import get_close_matches

from proxy.datasets import forms, json_records, parquet, plain, table
from proxy.datasets.audience import FIELD, Marks, Order, alike
from proxy.datasets.forms import Form
from proxy.datasets.leaves import fields
from proxy.datasets.plan import Item, Plan, make_plan
from proxy.datasets.source import Source, parse_source
from proxy.datasets.stream import Record, SourceFile
from proxy.datasets.tally import Tally
from proxy.errors import ConfigError
from proxy.types import NOBODY, Document, Noted, Skipped

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

_KEYS = 200
"""Names of fields that are kept, to be offered where the operator's is none of them."""

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
    order: Order | None = None,
    ignore_audience: bool = False,
    tally: Tally | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Document | Skipped]:
    """Read the sources in their order, files of a folder sorted by path.

    A document's id is ``<file name>:<record number>``, in a folder ``<path in it>:<number>``. Its
    audience is that of the marks in its record (see ``audience.py``), else that of its source, else
    ``default_audience``, else None. A record whose lists hold records with marks of their own is
    several documents. Where a mark cannot be read or trusted, the document is for ``nobody``, and
    ``Noted`` says so. ``order``: which audiences are wider; ``tally`` counts who decided.

    ``with_fields`` gives documents the ``fields`` of their record; one that stood under a key, in an
    object of records, has it as :data:`KEY`.

    ``progress`` is called with the bytes read since its last call, one file after the other.
    ``strict`` raises ``ConfigError`` instead of yielding ``Skipped``, except for files of other
    kinds in a folder. ``ConfigError`` is also raised, at the call, for a format that does not
    exist and a source that has nothing to read.
    """
    if form != AUTO and form not in FORMATS:
        raise ConfigError(f"--format {form}: not a format; these are: {', '.join((AUTO, *FORMATS))}")
    marks = Marks(order or Order(), audience_field, ignore_audience)
    reading = _Reading(
        make_plan(sources), FORMATS.get(form), marks, default_audience, with_fields, tally or Tally()
    )
    return reading.run(strict, progress)


class _Reading:
    """One run over the sources, with what holds for all of its records."""

    def __init__(
        self,
        plan: Plan,
        form: Form | None,
        marks: Marks,
        audience: str | None,
        with_fields: bool,
        tally: Tally,
    ) -> None:
        self._plan = plan
        self._form = form
        self._marks = marks
        self._default_audience = audience
        self._with_fields = with_fields
        self._tally = tally
        self._keys: dict[str, None] = {}

    def run(self, strict: bool, progress: Callable[[int], None] | None) -> Iterator[Document | Skipped]:
        yield from (Noted(remark.where, remark.reason) for remark in self._plan.remarks)
        for entry in self._entries(progress):
            if strict and isinstance(entry, Skipped) and not isinstance(entry, Noted):
                raise ConfigError(f"{entry.where}: {entry.reason}")
            yield entry

    def _entries(self, progress: Callable[[int], None] | None) -> Iterator[Document | Skipped]:
        yield from self._plan.faults
        for item in self._plan.items:
            count = 0
            for entry in _records(item, progress, self._marks.is_mark):
                count += 1
                if isinstance(entry, Skipped):
                    yield entry
                else:
                    yield from self._document(entry, item)
            if not count:
                yield Skipped(item.label, "it holds no records")
        field = self._marks.field
        if field is not None and self._tally.documents and not self._tally.record:
            close = get_close_matches(field, list(self._keys), 1, 0.6)
            raise ConfigError(
                f"--audience-field {field}: no record has this field"
                + (f"; did you mean {close[0]!r}?" if close else "")
            )

    def _document(self, record: Record, item: Item) -> Iterator[Document | Skipped]:
        form = item.form or self._form
        if form is not None and (reason := forms.misfit(record.value, form)):
            yield Skipped(record.where, reason)
            return
        read = 0
        for part in self._marks.parts(record.value, record.outer):
            marked, remarks = part.audience, part.remarks
            if record.doubt:
                marked, remarks = NOBODY, (f"{record.doubt}: read as for nobody",)
            texts = (
                forms.read_texts(part.value, form, record.key)
                if form is not None
                else forms.read_all_texts(part.value, forms.named(part.value) or forms.RECORDS, record.key)
            )
            if not texts:
                continue
            read += 1
            self._tally.count(marked, item.audience, self._default_audience)
            audience = marked or item.audience or self._default_audience
            named = _fields(part.value, record.key) if self._with_fields else ()
            yield Document(f"{item.label}:{record.number}", texts, audience, named)
            yield from (Noted(record.where, remark) for remark in remarks)
            yield from self._unknown(marked, record.where)
        if not read:
            yield Skipped(record.where, "it holds no text")
        yield from self._near(record, item)

    def _unknown(self, audience: str | None, where: str) -> Iterator[Noted]:
        """Say once of an audience that the policy does not name it."""
        order = self._marks.order
        if audience is not None and audience not in order.readers and self._tally.is_new(audience):
            close = order.meant(audience)
            hint = f"; did you mean {close!r}?" if close else ""
            yield Noted(where, f"its audience {audience!r} is none of the policy: no role may read it{hint}")

    def _near(self, record: Record, item: Item) -> Iterator[Noted]:
        """Say once a file of a field that may be meant as the audience."""
        if not isinstance(record.value, dict):
            return
        keys = [key for key in record.value if isinstance(key, str)]
        if len(self._keys) < _KEYS:
            self._keys.update(dict.fromkeys(keys))
        if self._marks.field is None and not self._marks.has_mark(record.value):
            near = alike(keys)
            if near and self._tally.is_new(f"{item.label} {near}"):
                yield Noted(
                    record.where,
                    f"its field {near!r} is not read as its audience; name it with --audience-field if it is",
                )


def _fields(value: object, key: str | None) -> tuple[tuple[str, str], ...]:
    return (*([(KEY, key)] if key else ()), *fields(value))


def _records(
    item: Item, progress: Callable[[int], None] | None, is_mark: Callable[[str], bool]
) -> Iterator[Record | Skipped]:
    """The records of a file; a file that breaks off or cannot be opened ends as ``Skipped``."""
    try:
        with SourceFile(item.path, item.label, progress, is_mark) as file:
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
