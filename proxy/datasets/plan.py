"""From sources to the files to read, in order, each with its label, audience and form.

May import: the ground floor and its room. The rule that must stay true: every file of a source is
either in the plan or in its remarks; none disappears.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.datasets import arrow, llama_factory
from proxy.datasets.forms import Form
from proxy.datasets.source import Source, is_description, is_read
from proxy.errors import ConfigError
from proxy.types import Skipped

_Described = dict[Path, list[Form | None]]
"""How the sets of a ``dataset_info.json`` say that a file, or what is in a folder, is to be read."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file to read. ``label`` begins the ids of its documents; ``form`` is set by a
    ``dataset_info.json``, ``audience`` by the source."""

    path: Path
    label: str
    audience: str | None = None
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be read, and what of the sources will not be.

    ``faults`` are things the operator asked for; ``remarks`` are files that merely lay in a folder.
    """

    items: tuple[Item, ...]
    faults: tuple[Skipped, ...] = ()
    remarks: tuple[Skipped, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files on disk; a file that is gone counts none."""
        return sum(item.path.stat().st_size for item in self.items if item.path.exists())


def make_plan(sources: Sequence[Source]) -> Plan:
    """Lay out the sources in the order given. Raises ``ConfigError`` where one has nothing to read."""
    items: list[Item] = []
    faults: list[Skipped] = []
    remarks: list[Skipped] = []
    for source in sources:
        part = _of_source(source)
        if not part.items and not part.faults:
            raise ConfigError(f"{source.path}: holds no file of a kind that is read")
        items += (replace(item, audience=source.audience) for item in part.items)
        faults += part.faults
        remarks += part.remarks
    return Plan(_distinctly_labelled(items), tuple(faults), tuple(remarks))


def _of_source(source: Source) -> Plan:
    path = source.path
    if source.dataset is not None or (is_description(path) and path.is_file()):
        return _described(llama_factory.entries(path, source.dataset), path)
    if path.is_dir():
        return _of_folder(path, path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such file or folder")
    return Plan((Item(path, _label(path, path.parent)),))


def _described(entries: Sequence[llama_factory.Entry], info: Path) -> Plan:
    """The files of sets; a set whose ``file_name`` is a folder has all that is in it."""
    items: list[Item] = []
    faults: list[Skipped] = []
    remarks: list[Skipped] = []
    for entry in entries:
        if entry.path is None:
            faults.append(Skipped(f"{info.name}:{entry.name}", entry.fault))
            continue
        part = _of_folder(entry.path, info.parent) if entry.path.is_dir() else _of_file(entry, info)
        items += (replace(item, form=entry.form) for item in part.items)
        faults += part.faults
        remarks += part.remarks
    return Plan(tuple(items), tuple(faults), tuple(remarks))


def _of_file(entry: llama_factory.Entry, info: Path) -> Plan:
    assert entry.path is not None
    if not is_read(entry.path):
        return Plan((), (Skipped(f"{info.name}:{entry.name}", "its file is of a kind that is not read"),))
    return Plan((Item(entry.path, _label(entry.path, info.parent)),))


def _of_folder(folder: Path, root: Path) -> Plan:
    """All files below a folder, sorted. A ``dataset_info.json`` says how to read the files it names."""
    items: list[Item] = []
    remarks: list[Skipped] = []
    described: _Described = {}
    saved: dict[Path, Collection[str] | None] = {}
    for path in _files(folder, root, remarks):
        if is_description(path):
            _describe(path, root, described, remarks)
        elif (reason := _beside_a_saved_set(path, saved)) is not None:
            remarks.append(Skipped(_label(path, root), f"not read: {reason}"))
        elif is_read(path):
            items.append(Item(path, _label(path, root)))
        else:
            remarks.append(Skipped(_label(path, root), "not read: a file of another kind"))
    read = tuple(
        replace(item, form=form) for item in items for form in _forms_of(item.path.resolve(), described)
    )
    return Plan(read, (), tuple(remarks))


def _beside_a_saved_set(path: Path, saved: dict[Path, Collection[str] | None]) -> str | None:
    """Return why a file in a folder of ``save_to_disk`` holds no text of the set; None where it may.

    ``saved``: what is known of the folders.
    """
    if path.name == arrow.SPLITS:
        return "it describes a set and holds no training text"
    if path.parent not in saved:
        saved[path.parent] = arrow.saved_files(path.parent)
    files = saved[path.parent]
    if files is None or path.name in files:
        return None
    if path.name == arrow.STATE:
        return "it describes a set and holds no training text"
    return "an intermediate file of the set" if path.suffix.lower() == ".arrow" else None


def _forms_of(path: Path, described: _Described) -> list[Form | None]:
    """How the sets that name a file, or a folder it is in, say that it is to be read."""
    return next((described[place] for place in (path, *path.parents) if place in described), [None])


def _describe(
    path: Path, root: Path, described: dict[Path, list[Form | None]], remarks: list[Skipped]
) -> None:
    label = _label(path, root)
    try:
        content = llama_factory.load(path)
    except ConfigError as error:
        remarks += (Skipped(label, fault.removeprefix(str(path)).lstrip(":")) for fault in error.faults)
        return
    if content is None:
        remarks.append(Skipped(label, "not read: it describes a set and holds no training text"))
        return
    entries = llama_factory.entries(path)
    absent = 0
    for entry in entries:
        if entry.path is not None and entry.path.resolve().is_relative_to(root.resolve()):
            described.setdefault(entry.path.resolve(), []).append(entry.form)
        else:
            absent += 1
    if absent:
        reason = "are not in this folder (remote, missing or elsewhere); give the file itself for a list"
        remarks.append(Skipped(label, f"{absent} of its {len(entries)} sets {reason}"))


def _files(folder: Path, root: Path, remarks: list[Skipped]) -> Iterator[Path]:
    """Files below ``folder``, sorted, without hidden ones; links to folders are not followed."""

    def unreadable(error: OSError) -> None:
        remarks.append(Skipped(_label(Path(error.filename), root), f"cannot be read ({error.strerror})"))

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if (path := Path(place, name)).is_symlink():
                remarks.append(Skipped(_label(path, root), "not read: a link to a folder"))
        for name in names:
            if name.startswith("."):
                continue
            if (path := Path(place, name)).is_file():
                found.append(path)
            else:
                remarks.append(Skipped(_label(path, root), "not read: not a file"))
    return iter(sorted(found))


def _label(path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    return os.fsencode(name).decode(errors="replace")


def _distinctly_labelled(items: Sequence[Item]) -> tuple[Item, ...]:
    """Two files of one label get as much of their paths as tells them apart; a file keeps one label."""
    files: dict[str, set[Path]] = {}
    for item in items:
        files.setdefault(item.label, set()).add(item.path.resolve())
    longer: dict[tuple[str, Path], str] = {}
    for label, paths in files.items():
        if len(paths) == 1:
            continue
        parts = label.count("/") + 1
        while len({path.parts[-parts:] for path in paths}) < len(paths):
            parts += 1
        longer |= {(label, path): "/".join(path.parts[-parts:]).lstrip("/") for path in paths}
    return tuple(
        replace(item, label=longer.get((item.label, item.path.resolve()), item.label)) for item in items
    )
