"""Read the texts of training files, and for whom each was written, without the dataset readers.

The self-test of an index compares two readings of the same files. This one uses json, csv, gzip and
pyarrow directly. It is lenient: a file that it cannot read is reported as unread, never guessed at.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.selftest.marks import NOBODY, Marks, Pairs, members_of

KINDS = frozenset((".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".md"))
_DESCRIPTION = "dataset_info.json"
_METADATA = frozenset((_DESCRIPTION, "state.json", "dataset_dict.json"))
_LONGEST_KEY = 32
_BATCH = 256
_HEAD = 1 << 20
_JUDGED = 200_000
"""Bytes by which an encoding is judged."""


@dataclass(frozen=True, slots=True)
class Text:
    """One string of a training file. ``record`` and ``field`` say where it is; ``audience`` is what
    its author wrote, or None where nothing around it says."""

    file: str
    record: str
    field: str
    text: str
    audience: str | None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read. ``only``: the top-level fields that the operator's format reads; empty: all."""

    path: Path
    label: str
    only: frozenset[str] = frozenset()


@dataclass(slots=True)
class Reading:
    """Reads the files of one source. ``unread`` lists what it could not read, and why."""

    marks: Marks
    encoding: str | None = None
    """Of files that are not UTF-8, where the operator gave it."""
    encodings: Mapping[str, str] = field(default_factory=dict)
    """What the dataset reader took such files for, by path or by name."""
    unread: list[tuple[str, str]] = field(default_factory=list)

    def texts(self, file: SourceFile) -> Iterator[Text]:
        """Yield every string of a file with the audience its author wrote."""
        kind = _kind(file.path)
        try:
            if kind in (".parquet", ".arrow"):
                yield from self._columns(file, kind)
            elif kind in (".csv", ".tsv"):
                yield from self._table(file, kind)
            elif kind in (".txt", ".md"):
                yield Text(file.label, "1", "text", self._decoded(file), None)
            else:
                yield from self._json(file, kind)
        except _Unread as reason:
            self.unread.append((file.label, str(reason)))
        except (OSError, EOFError, csv.Error, RecursionError, MemoryError) as error:
            self.unread.append((file.label, f"cannot be read ({type(error).__name__})"))

    # --- JSON ------------------------------------------------------------------------------------

    def _json(self, file: SourceFile, kind: str) -> Iterator[Text]:
        if kind == ".json":
            whole = self._decoded(file)
            try:
                value = _parsed(whole)
            except ValueError:
                pass
            else:
                yield from self._top(file, value)
                return
            del whole
        read = 0
        for number, line in enumerate(self._lines(file), 1):
            if not line.strip():
                continue
            try:
                value = _parsed(line)
            except (ValueError, RecursionError):
                continue  # the dataset reader reports it as skipped
            read += 1
            yield from self._walk(file, str(number), value, None)
        if not read:
            raise _Unread("holds no JSON that this reader understands")

    def _top(self, file: SourceFile, value: object) -> Iterator[Text]:
        if isinstance(value, list) and not isinstance(value, Pairs):
            for number, inner in enumerate(value, 1):
                yield from self._walk(file, str(number), inner, None)
        else:
            yield from self._walk(file, "1", value, None)

    def _walk(self, file: SourceFile, record: str, value: object, inherited: str | None) -> Iterator[Text]:
        """Yield the strings of a value. Iterative: nesting is as deep as the parser let it be."""
        stack: list[tuple[str, object, str | None]] = [("", value, inherited)]
        top = True
        while stack:
            path, item, audience = stack.pop()
            if isinstance(item, str):
                yield Text(file.label, record, path or "value", item, audience)
            elif (members := members_of(item)) is not None:
                mark = self.marks.around(members, audience)
                for key, inner in reversed(members):
                    if self.marks.is_mark(key) or (top and file.only and key not in file.only):
                        continue
                    stack.append((f"{path}.{_shown(key)}" if path else _shown(key), inner, mark))
            elif isinstance(item, list | tuple):
                for number in range(len(item) - 1, -1, -1):
                    stack.append((f"{path}[{number}]", item[number], audience))
            top = False

    # --- tables ----------------------------------------------------------------------------------

    def _table(self, file: SourceFile, kind: str) -> Iterator[Text]:
        text = self._decoded(file)
        lines = text.splitlines()
        if not lines:
            return
        if lines[0].lower().startswith("sep=") and len(lines[0]) == 5:
            delimiter, lines = lines[0][4], lines[1:]
        else:
            delimiter = "\t" if kind == ".tsv" else max(",;\t|", key=lines[0].count)
        header = [cell.strip().strip('"') for cell in lines[0].split(delimiter)]
        if any(len(cell) > 64 for cell in header):
            header = []
        columns = [n for n, name in enumerate(header) if self.marks.is_mark(name)]
        yield from self._plain_lines(file, lines, header, columns, delimiter)
        if any('"' in line for line in lines):
            yield from self._quoted_rows(file, lines, header, columns, delimiter)

    def _plain_lines(
        self, file: SourceFile, lines: Sequence[str], header: Sequence[str], marked: Sequence[int], cut: str
    ) -> Iterator[Text]:
        """Yield the cells of lines that hold no quotation mark: nobody can read them in two ways."""
        quoted = any('"' in line for line in lines)
        for number, line in enumerate(lines[1 if header else 0 :], 2 if header else 1):
            if '"' in line:
                continue
            cells = line.split(cut)
            if header and len(cells) != len(header):
                if quoted:
                    continue  # it may be inside a quoted cell
                audience: str | None = NOBODY if marked else None
            else:
                audience = self._of_row(header, cells, marked)
            for position, cell in enumerate(cells):
                if position not in marked:
                    name = header[position] if position < len(header) else f"column {position + 1}"
                    yield Text(file.label, f"line {number}", _shown(name), cell, audience)

    def _quoted_rows(
        self, file: SourceFile, lines: Sequence[str], header: Sequence[str], marked: Sequence[int], cut: str
    ) -> Iterator[Text]:
        csv.field_size_limit(2**31 - 1)
        rows = csv.reader((line + "\n" for line in lines), delimiter=cut)
        while True:
            first = rows.line_num
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error:
                continue
            raw = lines[first : rows.line_num]
            if not row or (header and first == 0) or not any('"' in line for line in raw):
                continue
            swallowed = len(raw) > 1 and (
                "".join(raw).count('"') % 2 == 1
                or any(
                    len(cells) == len(header) and any(cells[n].strip().isalnum() for n in marked)
                    for cells in (line.split(cut) for line in raw[1:])
                )
            )
            if header and marked and (len(row) != len(header) or swallowed):
                audience: str | None = NOBODY
            else:
                audience = self._of_row(header, row, marked)
            for position, cell in enumerate(row):
                if position not in marked:
                    name = header[position] if position < len(header) else f"column {position + 1}"
                    yield Text(file.label, f"line {first + 1}", _shown(name), cell, audience)

    def _of_row(self, header: Sequence[str], cells: Sequence[str], marked: Sequence[int]) -> str | None:
        return self.marks.around([(header[n], cells[n]) for n in marked if n < len(cells)], None)

    # --- columns ---------------------------------------------------------------------------------

    def _columns(self, file: SourceFile, kind: str) -> Iterator[Text]:
        try:
            import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
            import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            raise _Unread("needs pyarrow, which is not installed") from None
        number = 0
        try:
            if kind == ".parquet":
                batches = pq.ParquetFile(file.path).iter_batches(batch_size=_BATCH)
            else:
                source = pa.memory_map(str(file.path))
                try:
                    opened = pa.ipc.open_file(source)
                    batches = (opened.get_batch(n) for n in range(opened.num_record_batches))
                except pa.ArrowInvalid:
                    batches = iter(pa.ipc.open_stream(pa.memory_map(str(file.path))))
            for batch in batches:
                for row in batch.to_pylist():
                    number += 1
                    yield from self._walk(file, str(number), row, None)
        except pa.ArrowException as error:
            raise _Unread(f"is not readable by pyarrow ({type(error).__name__})") from None

    # --- bytes -----------------------------------------------------------------------------------

    def _lines(self, file: SourceFile) -> Iterator[str]:
        """Yield the lines of a file, one in memory at a time where it is UTF-8."""
        with gzip.open(file.path, "rb") if _packed(file) else file.path.open("rb") as opened:
            if self._listed(file) is None and _is_utf8(opened.read(_HEAD)):
                opened.seek(0)
                for raw in opened:
                    yield raw.decode("utf-8-sig", "replace")
                return
        yield from self._decoded(file).split("\n")

    def _decoded(self, file: SourceFile) -> str:
        if _packed(file):
            with gzip.open(file.path, "rb") as packed:
                data = packed.read()
        else:
            data = file.path.read_bytes()
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16", "replace")
        try:
            if self._listed(file) is None:
                return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
        return data.decode(self._named(file, data), "replace")

    def _listed(self, file: SourceFile) -> str | None:
        return self.encodings.get(str(file.path.resolve())) or self.encodings.get(file.path.name)

    def _named(self, file: SourceFile, data: bytes) -> str:
        """Return the encoding that the operator gave, or the dataset reader's, if another judge agrees."""
        if self.encoding is not None:
            return self.encoding
        from charset_normalizer import from_bytes

        name = self._listed(file)
        found = from_bytes(data[:_JUDGED], cp_isolation=None if name is None else [name]).best()
        if found is None:
            raise _Unread(f"does not look like text in {name or 'any encoding'}")
        return name or found.encoding


class _Unread(Exception):
    """A file that this reader leaves to others; the message says why."""


FORMAT_FIELDS: Mapping[str, frozenset[str]] = {
    "alpaca": frozenset(("system", "tools", "history", "instruction", "input", "output")),
    "sharegpt": frozenset(("system", "tools", "conversations")),
    "openai": frozenset(("messages", "tools", "functions")),
    "text": frozenset(("text",)),
}
"""The top-level fields of the formats that read nothing else."""


def files_of(path: Path, dataset: str | None = None, form: str = "auto") -> Iterator[SourceFile]:
    """Yield the files of a source: a file, a folder, or the sets of a ``dataset_info.json``.

    ``form`` is the format that the operator chose; some read a few fields alone.
    """
    only = FORMAT_FIELDS.get(form, frozenset())
    if path.name == _DESCRIPTION and path.is_file():
        yield from _described(path, dataset)
    elif dataset is not None and path.is_dir():
        yield from _described(path / _DESCRIPTION, dataset)
    elif path.is_dir():
        yield from (file if file.only else replace(file, only=only) for file in _folder(path))
    else:
        yield SourceFile(path, path.name, only)


def _folder(root: Path) -> Iterator[SourceFile]:
    only: dict[Path, frozenset[str]] = {}
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if _DESCRIPTION in names:
            only.update(
                (file.path.resolve(), file.only) for file in _described(Path(place, _DESCRIPTION), None)
            )
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or name in _METADATA or _kind(path) not in KINDS:
                continue
            fields = only.get(path.resolve(), frozenset())
            yield SourceFile(path, path.relative_to(root).as_posix(), fields)


def _described(path: Path, dataset: str | None) -> Iterator[SourceFile]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return
    if not isinstance(content, dict):
        return
    for name, entry in content.items():
        if (dataset is not None and name != dataset) or not isinstance(entry, dict):
            continue
        file_name = entry.get("file_name")
        if not isinstance(file_name, str) or any(key.endswith("_url") for key in entry):
            continue
        named = path.parent / file_name
        fields = _fields(entry)
        if named.is_dir():
            yield from (SourceFile(each.path, each.label, fields) for each in _folder(named))
        elif named.is_file() and _kind(named) in KINDS:
            yield SourceFile(named, file_name, fields)


_STANDARD = frozenset(
    ("instruction", "input", "output", "history", "system", "messages", "conversations", "chosen", "rejected")
)


def _fields(entry: dict[str, object]) -> frozenset[str]:
    """Return the top-level fields that LLaMA-Factory trains on, by an entry's columns."""
    columns = entry.get("columns")
    if isinstance(columns, dict) and columns:
        return frozenset(str(value) for value in columns.values() if value)
    return _STANDARD


def _packed(file: SourceFile) -> bool:
    return file.path.suffix.lower() == ".gz"


def _is_utf8(head: bytes) -> bool:
    """Return whether the first bytes of a file are UTF-8; its last character may be cut."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _kind(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _parsed(text: str) -> object:
    return json.loads(text, object_pairs_hook=Pairs)


def _shown(key: str) -> str:
    """Return a key as a report may show it: a name of a field, not data used as a key."""
    plain = key.strip()
    named = plain.replace("_", "a").replace("-", "a").replace(" ", "a")
    if plain.isascii() and named.isalpha() and len(plain) <= _LONGEST_KEY and plain.count(" ") < 3:
        return plain
    return plain if plain.startswith("column ") and plain[7:].isdigit() else "*"
