"""JSON and JSON Lines: a list of records, an object of records, or one record a line.

May import: the ground floor and its room. The rule that must stay true: a fault costs the record
it is in, is reported with its line, and the records around it are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from proxy.datasets import forms
from proxy.datasets.columns import as_rows, is_header, record_of
from proxy.datasets.json_pieces import Broken, Piece, elements, parse, values
from proxy.datasets.leaves import is_role
from proxy.datasets.marks import Marks
from proxy.datasets.stream import Record, SourceFile
from proxy.types import Skipped

_UNCLOSED = "its outermost bracket is never closed: cut short, or a quote or a bracket is missing"
_LISTS = frozenset(
    ("data", "train", "records", "examples", "rows", "samples", "test", "validation", "valid", "dev")
)
"""Keys under which an object holds the list of its records, as in ``{"version": 1, "data": [...]}``."""


def read(file: SourceFile) -> Iterator[Record | Skipped]:
    """Yield the records of a ``.json``, ``.jsonl`` or ``.ndjson`` file.

    What the file looks like decides, not its name: JSON Lines are streamed, one line in memory; any
    other JSON is loaded whole, which takes four to eight times the file's size in memory, and about
    ten times where something in it is broken.
    """
    lines = file.lines()
    number, head = next(_numbered(lines), (0, b""))
    if not head:
        return
    rest = _numbered(lines, number + 1)
    second = next(rest, None)
    value = _value_or_fault(head)
    if isinstance(value, Broken):
        as_lines = _is_lines(head, second, file.kind)
    elif second is None and (file.kind == ".json" or isinstance(value, list)):
        yield from _top_level(value, file)
        return
    else:
        as_lines = True
    read_ahead = [(number, head)] if second is None else [(number, head), second]
    if as_lines:
        yield from _lines(chain(read_ahead, rest), file)
    else:
        yield from _whole(b"".join(chain(_padded(read_ahead), lines)), file)


def _value_or_fault(line: bytes) -> Any:
    try:
        return parse(line)
    except Broken as fault:
        return fault


def _is_lines(head: bytes, second: tuple[int, bytes] | None, kind: str) -> bool:
    """Whether a file whose first line is no JSON value holds JSON Lines all the same."""
    opening = head.strip()
    if opening[:1] == b"[" or opening == b"{":
        return False
    return kind != ".json" or (second is not None and isinstance(_value_or_fault(second[1]), dict))


def _numbered(lines: Iterator[bytes], start: int = 1) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    return ((number, line) for number, line in enumerate(lines, start) if not line.isspace())


def _padded(numbered: list[tuple[int, bytes]]) -> Iterator[bytes]:
    """The lines with the blank ones before them put back, so that line numbers stay right."""
    last = 0
    for number, line in numbered:
        yield b"\n" * (number - last - 1)
        yield line
        last = number


def _lines(lines: Iterator[tuple[int, bytes]], file: SourceFile) -> Iterator[Record | Skipped]:
    names: list[str] | None = None
    for number, (line_number, line) in enumerate(lines, 1):
        where = f"{file.label}:{line_number}"
        try:
            value = parse(line)
        except Broken as fault:
            column = f" (column {fault.column})" if fault.column else ""
            yield Skipped(where, fault.reason + column)
            continue
        if isinstance(value, list) and is_header(value, file.marks.is_mark):
            names = value
        elif names is not None and isinstance(value, list):
            doubt = "" if len(value) == len(names) else f"has {len(value)} cells, the header {len(names)}"
            yield Record(number, where, record_of(names, value), doubt=doubt)
        else:
            yield Record(number, where, value)


def _whole(data: bytes, file: SourceFile) -> Iterator[Record | Skipped]:
    number = 0
    for value in values(data):
        found: Iterator[Record | Skipped]
        try:
            found = _top_level(parse(value.data), file, number)
        except Broken as fault:
            found = _salvaged(value, fault, file, number)
        for entry in found:
            number = entry.number if isinstance(entry, Record) else number
            yield entry


def _top_level(value: Any, file: SourceFile, number: int = 0) -> Iterator[Record]:
    """The records of a whole file's value; ``number`` records came before."""
    records = _records(as_rows(value, file.marks.is_mark), file.marks)
    for count, (inner, key, outer) in enumerate(records, number + 1):
        yield Record(count, f"{file.label}:record {count}", inner, key, outer)


def _records(value: Any, marks: Marks) -> Iterator[tuple[Any, str | None, dict[str, Any] | None]]:
    """``(record, the key it stood under, the object around its list)`` for each record of a value.

    An object beside the records that has a mark and no text is around all of them.
    """
    if isinstance(value, list) and not _is_turns(value):
        shared = _shared(enumerate(value), marks)
        for number, inner in enumerate(value):
            if not (shared and str(number) in shared):
                yield inner, None, shared
    elif not isinstance(value, dict) or not value or forms.named(value):
        yield value, None, None
    elif all(isinstance(inner, dict) for inner in value.values()):
        shared = _shared(value.items(), marks)
        yield from ((inner, key, shared) for key, inner in value.items() if not (shared and key in shared))
    elif all(_is_list_of_objects(inner) for inner in value.values()):
        elements = [(f"{key} {n}", inner) for key, each in value.items() for n, inner in enumerate(each)]
        shared = _shared(elements, marks)
        for key, inner in value.items():
            if _is_turns(inner):
                yield inner, key, shared
            else:
                yield from ((each, None, shared) for each in inner if not (shared and marks.only_marks(each)))
    elif lists := _lists_of_records(value):
        outer = {key: inner for key, inner in value.items() if key not in lists}
        for key in lists:
            yield from ((element, None, outer) for element in value[key])
        if outer:
            yield outer, None, None
    else:
        yield value, None, None


def _lists_of_records(value: dict[str, Any]) -> list[str]:
    """The keys of an object that hold lists of records: usual names, else the only list of objects."""
    lists = [key for key, inner in value.items() if _is_list_of_objects(inner)]
    usual = [key for key in lists if key in _LISTS]
    if usual or len(lists) != 1 or _is_turns(value[lists[0]]):
        return usual
    return lists


def _shared(members: Iterable[tuple[object, Any]], marks: Marks) -> dict[str, Any] | None:
    """The objects that have a mark and no text, where there are others beside them."""
    every = list(members)
    shared = {str(key): inner for key, inner in every if marks.only_marks(inner)}
    return shared if 0 < len(shared) < len(every) else None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(inner, dict) for inner in value)


def _is_turns(value: Any) -> bool:
    """Whether a list is one conversation rather than a list of records."""
    return _is_list_of_objects(value) and all(
        is_role(turn.get("role")) or is_role(turn.get("from")) for turn in value
    )


def _salvaged(value: Piece, fault: Broken, file: SourceFile, number: int) -> Iterator[Record | Skipped]:
    """What can be read of a list or an object of records in which something is broken."""
    label = file.label
    whole = Skipped(f"{label}:{value.line + fault.line}", fault.reason)
    if value.data[:1] not in (b"[", b"{"):
        yield whole
        return
    found: list[tuple[str, Any] | Skipped] = []
    for piece in elements(value.data):
        line = value.line + piece.line - 1
        try:
            found.append((f"{label}:{line}", parse(piece.data)))
        except Broken as inner:
            found.append(Skipped(f"{label}:{line + inner.line}", inner.reason))
    yield from _renumbered(found, whole, file.marks, keyed=value.data[:1] == b"{", number=number)
    if not value.closed:
        yield Skipped(label, _UNCLOSED)


def _renumbered(
    found: list[tuple[str, Any] | Skipped], whole: Skipped, marks: Marks, *, keyed: bool, number: int
) -> Iterator[Record | Skipped]:
    read = [entry for entry in found if not isinstance(entry, Skipped)]
    if keyed and not (read and all(isinstance(inner, dict) for _, one in read for inner in one.values())):
        yield whole  # one record that is broken, not an object of records
        return
    members = [next(iter(inner.items())) if keyed else (str(n), inner) for n, (_, inner) in enumerate(read)]
    shared = _shared(members, marks)
    for position, entry in enumerate(found, number + 1):
        if isinstance(entry, Skipped):
            yield entry
            continue
        where, inner = entry
        key, record = next(iter(inner.items())) if keyed else (None, inner)
        if not (shared and marks.only_marks(record)):
            yield Record(position, where, record, key, shared)
