"""Read the records of sources into documents, and decide for each text who may read it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from proxy.datasets import forms
from proxy.datasets.encoding import UTF8
from proxy.datasets.forms import Form
from proxy.datasets.garbled import garbled
from proxy.datasets.leaves import fields
from proxy.datasets.likeness import Likeness
from proxy.datasets.marks import Marks
from proxy.datasets.parts import Part, Parts
from proxy.datasets.plan import Item, Plan
from proxy.datasets.stream import Record, SourceFile
from proxy.datasets.tally import Tally
from proxy.datasets.tokens import is_tokenised, without_tokens
from proxy.errors import ConfigError
from proxy.types import NOBODY, Document, Narrowed, Noted, Skipped, Unread

KEY = "_key"
"""The path of the key that a record stood under: often the id of the person or thing it is about."""

_MOST_UNKNOWN = 32
"""Audiences of records that the policy does not name; documents of more are for nobody."""

Readers = Mapping[str, Callable[[SourceFile], Iterator[Record | Skipped]]]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the operator chose for all sources."""

    marks: Marks
    form: Form | None = None
    audience: str | None = None
    with_fields: bool = False
    encoding: str | None = None
    """The encoding of text files that are not UTF-8; None: their bytes decide."""


class Reading:
    """One run over the sources."""

    def __init__(self, plan: Plan, choices: Choices, readers: Readers, tally: Tally) -> None:
        self._plan = plan
        self._choices = choices
        self._marks = choices.marks
        self._order = choices.marks.order
        self._parts = Parts(choices.marks)
        self._readers = readers
        self._tally = tally
        self._likeness = Likeness(choices.marks)

    def run(self, strict: bool, progress: Callable[[int], None] | None) -> Iterator[Document | Skipped]:
        """Yield the documents of all sources, and what was left out; see ``datasets.read``."""
        yield from (Noted(remark.where, remark.reason) for remark in self._plan.remarks)
        for entry in self._entries(progress):
            if strict and isinstance(entry, Skipped) and not isinstance(entry, Noted):
                raise ConfigError(f"{entry.where}: {entry.reason}")
            yield entry

    def _entries(self, progress: Callable[[int], None] | None) -> Iterator[Document | Skipped]:
        yield from self._plan.faults
        for item in self._plan.items:
            count = records = 0
            file = _File(item, self._choices.audience)
            for entry in self._records(item, progress):
                count += 1
                if not isinstance(entry, Skipped):
                    records += 1
                    yield from self._document(entry, file)
                elif not records and entry.where == item.label and not isinstance(entry, Noted):
                    yield Unread(entry.where, entry.reason, _size(item))
                else:
                    yield entry
            if not count:
                yield Unread(item.label, "it holds no records", _size(item))
            yield from self._mixed(file)
        self._check_field()

    def _check_field(self) -> None:
        field = self._marks.field
        if field is not None and self._tally.documents and not self._tally.marked:
            close = get_close_matches(field, self._likeness.keys, 1, 0.6)
            raise ConfigError(
                f"--audience-field {field}: no record has this field"
                + (f"; did you mean {close[0]!r}?" if close else "")
            )

    # --- one record --------------------------------------------------------------------------------

    def _document(self, record: Record, file: _File) -> Iterator[Document | Skipped]:
        item = file.item
        if is_tokenised(record.value):
            kept = without_tokens(record.value)
            if kept is None:
                raise ConfigError(
                    f"{record.where}: holds token ids, not text; give the set as it was before the tokenizer"
                )
            record = replace(record, value=kept)
            if self._tally.is_new(f"tokens {item.label}"):
                yield Noted(item.label, "its records hold token ids beside text; only the text is read")
        form = item.form or self._choices.form
        if form is not None and (reason := forms.misfit(record.value, form)):
            yield Skipped(record.where, reason)
            return
        parts = list(self._parts.of(record.value, record.outer))
        self._tally.marked += (
            any(map(self._marks.has_mark, (record.value, record.outer)))
            or bool(record.hints)
            or any(part.audience is not None or part.hints for part in parts)
        )
        key = record.key
        read = 0
        for part in parts:
            texts = _texts(part, form, key)
            if texts and not part.key:
                key = None
            read += bool(texts)
            yield from self._of_part(part, texts, record, file, whole=len(parts) == 1)
        if read and key is not None and len(parts) > 1 and form is None:
            root = Part(key, self._root_audience(record), hints=parts[0].hints)
            yield from self._of_part(root, (key,), record, file, whole=False)
        if not read and self._marks.only_marks(record.value):
            file.carried += [part.audience for part in parts if part.audience is not None]
            yield Noted(
                record.where,
                "its audience is that of no text: it counts for the records after it that name none",
            )
        elif not read:
            yield Skipped(record.where, "it holds no text")
        yield from self._likeness.remarks(record, item.label)

    def _root_audience(self, record: Record) -> str | None:
        """Return the audience of the key that a record stood under: the narrowest inside it."""
        names = [part.audience for part in self._parts.of(record.value, record.outer)]
        found = [name for name in names if name is not None]
        return self._order.narrowest(found) if found else None

    def _of_part(
        self, part: Part, texts: tuple[str, ...], record: Record, file: _File, *, whole: bool
    ) -> Iterator[Document | Skipped]:
        stated = file.stated
        marked, remarks = part.audience, list(part.remarks)
        if marked is not None and not part.own and stated is not None:
            marked = self._order.narrowest((marked, stated))
        elif marked is None and file.carried:
            marked = self._order.narrowest((*file.carried, *([] if stated is None else [stated])))
        marked, hinted = self._hinted(marked, stated, (*part.hints, *record.hints, *file.hints(self._marks)))
        remarks += hinted
        if record.doubt:
            marked, remarks = NOBODY, [f"{record.doubt}: read as for nobody"]
        marked, unknown = self._unknown(marked)
        yield from (Narrowed(record.where, remark) for remark in (*remarks, *unknown))
        if not texts:
            return
        if lost := garbled(texts):
            yield Skipped(record.where, f"garbled: {lost} of its characters are no text")
            return
        widened = marked is not None and stated is not None and self._order.is_wider(marked, stated)
        self._tally.count(marked, file.item.audience, self._choices.audience, widened=widened)
        file.count(marked)
        named: tuple[tuple[str, str], ...] = ()
        if self._choices.with_fields:
            keyed = record.key and (whole or record.key in texts)
            named = (*([(KEY, record.key)] if record.key and keyed else ()), *fields(part.value))
        audience = stated if marked is None else marked
        yield Document(f"{file.item.label}:{record.number}", texts, audience, named)

    def _hinted(
        self, marked: str | None, stated: str | None, hints: tuple[str, ...]
    ) -> tuple[str | None, list[str]]:
        """Narrow an audience by hints, and say so."""
        audience = stated if marked is None else marked
        if audience is None or not hints:
            return marked, []
        chosen = self._order.narrowest((audience, *hints))
        if chosen == audience:
            return marked, []
        return chosen, [f"a tag, another field, a string or a folder names an audience: read as for {chosen}"]

    def _unknown(self, audience: str | None) -> tuple[str | None, list[str]]:
        """Say once of an audience that the policy does not name it."""
        if audience is None or audience in self._order.readers:
            return audience, []
        unknown = self._tally.unknown
        content = "if the field is content, say --ignore-audience-field"
        if audience not in unknown and len(unknown) >= _MOST_UNKNOWN:
            return NOBODY, [
                f"more than {_MOST_UNKNOWN} audiences that the policy does not name: further ones are read "
                f"as for nobody; {content}"
            ]
        unknown.add(audience)
        if not self._tally.is_new(f"unknown {audience}"):
            return audience, []
        close = self._order.meant(audience)
        hint = f"did you mean {close!r}?" if close else content
        return audience, [f"its audience {audience!r} is none of the policy: no role may read it; {hint}"]

    # --- one file ----------------------------------------------------------------------------------

    def _mixed(self, file: _File) -> Iterator[Noted]:
        """Say of a file that some of its records name an audience and others do not."""
        if file.marked and file.unmarked:
            audience = "nobody, as none is given" if file.stated is None else f"'{file.stated}'"
            yield Noted(
                file.item.label,
                f"{file.marked} of its documents name an audience and {file.unmarked} do not: "
                f"the latter are read as for {audience}",
            )

    def _records(self, item: Item, progress: Callable[[int], None] | None) -> Iterator[Record | Skipped]:
        """The records of a file; a file that breaks off or cannot be opened ends as ``Skipped``."""
        try:
            with SourceFile(item.path, item.label, progress, self._marks, self._choices.encoding) as file:
                yield from self._readers[file.kind](file)
                if file.encoding not in (UTF8, "utf-8-sig"):
                    self._tally.encodings[item.path.resolve()] = file.encoding
                    if self._tally.is_new(f"encoding {item.label}"):
                        yield Noted(item.label, f"read as {file.encoding}")
                if file.replaced:
                    yield Skipped(
                        f"{item.label}:{file.replaced[0]}",
                        f"not valid {file.encoding.upper()} ({len(file.replaced)} lines, this is the first): "
                        "the bytes in question were replaced; correct the file, or name its encoding with "
                        "--encoding",
                    )
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or "broken or cut short"
            yield Skipped(item.label, f"cannot be read to its end ({reason})")
        except UnicodeError:
            yield Skipped(item.label, "cannot be read to its end (not valid UTF-16)")


def _size(item: Item) -> int:
    try:
        return item.path.stat().st_size
    except OSError:
        return 0


class _File:
    """What is known of the file that is being read. ``default``: the audience of ``--audience``."""

    def __init__(self, item: Item, default: str | None) -> None:
        self.item = item
        self.stated = default if item.audience is None else item.audience
        self.carried: list[str] = []
        """Audiences of records without text, which count for the records after them."""
        self.marked = 0
        self.unmarked = 0
        self._hints: tuple[str, ...] | None = None

    def count(self, marked: str | None) -> None:
        """Count a document, by whether its record names its audience."""
        self.marked += marked is not None
        self.unmarked += marked is None

    def hints(self, marks: Marks) -> tuple[str, ...]:
        """Return the audiences that folders name, as in ``audience=admin/part.parquet``."""
        if self._hints is None:
            folders = self.item.label.split("/")[:-1]
            pairs = (folder.partition("=") for folder in folders)
            self._hints = tuple(
                marks.order.named(value) for key, sign, value in pairs if sign and marks.is_mark(key)
            )
        return self._hints


def _texts(part: Part, form: Form | None, key: str | None) -> tuple[str, ...]:
    """Return the texts of a part of a record; ``key``: the one that the record stood under."""
    if part.key:
        if form is None:
            return forms.read_all_texts(part.value, forms.named(part.value) or forms.RECORDS)
        if form.fields and part.key not in form.fields:
            return ()
        return forms.read_texts(part.value, replace(form, fields=()))
    if form is not None:
        return forms.read_texts(part.value, form, key)
    return forms.read_all_texts(part.value, forms.named(part.value) or forms.RECORDS, key)
