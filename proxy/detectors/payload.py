"""Payload structure: an object with the key paths of internal JSON, though its values be new.

Strategy. ``keypaths`` tells of each key its path in every object around it. For each open object it is
counted how many of its paths each learned structure has. An object that has ``LEAST`` paths, and ``SHARE``
of all, of a structure the caller may not have is a finding, unless it has as many in common with one the
caller may have or has sent. It acts from then on: what has left is not called back, what follows of the
object is covered up to its closing brace. So nothing is ever held.

May import: the ground floor. The rule that must stay true: every character is settled as it comes, and what
a finding covers lies at or after the character that follows the one that decided it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from proxy.keypaths import JsonObject, KeyPathReader, StructureIndex
from proxy.types import QUIET, Finding, Provenance, Scan, Scanner, Span, View

LEAST = 6
"""Key paths an object must share with a structure."""

SHARE = 0.6
"""Part of a structure's paths that it must have."""

ENTITY = "structure"

_MOST_SENT = 200
"""Different objects of the caller's that are compared with; the largest of them."""

_CACHED = "payload.echo"
_SCHEMA = frozenset(("properties", "items", "type"))


class PayloadDetector:
    """Finds objects built like internal payloads. Immutable, shared by all answers."""

    name = "payload"

    def __init__(self, index: StructureIndex) -> None:
        self._index = index

    def scanner(self, view: View) -> Scanner:
        """A scanner for one channel. ``view``: whose structures are protected, and what the caller sent."""
        return PayloadScanner(self._index if view.protected else None, view, self._echo)

    def prepare(self, view: View) -> None:
        """Read the caller's own words now, in this thread, rather than when a scanner first needs them."""
        self._echo(view)

    def _echo(self, view: View) -> tuple[frozenset[int], ...]:
        """The structures of the objects the caller sent, as sets of path hashes."""
        known: tuple[frozenset[int], ...] | None = view.cache.get(_CACHED)
        if known is None:
            sets: set[frozenset[int]] = set()
            if view.protected:
                for text in view.echo:
                    if "{" in text:
                        sets.update(frozenset(map(self._index.path, each)) for each in _sent(text))
            known = view.cache[_CACHED] = tuple(sorted(sets, key=len, reverse=True)[:_MOST_SENT])
        return known


def _sent(text: str) -> list[set[str]]:
    """The key paths of the objects in a text; of one that is a JSON schema, those of what it describes."""
    reader = KeyPathReader()
    objects = {told.object: told.object.paths for told in reader.feed(text)}
    found = []
    for paths in objects.values():
        if len(paths) >= LEAST:
            found.append(paths)
            parts = ([part for part in path.split("/") if part not in _SCHEMA] for path in paths)
            found.append({"/".join(each) for each in parts if each})
    return found


@dataclass(slots=True)
class _Count:
    """How much an open object has in common with each structure, and with the objects the caller sent."""

    shared: dict[int, int] = field(default_factory=dict)
    echoed: dict[int, int] = field(default_factory=dict)
    free: int = 0
    """The most it has in common with something the caller may have."""
    covered: bool = False


@dataclass(slots=True, eq=False)
class _Cover:
    """An object that was found, while it is open."""

    object: JsonObject
    part: int
    provenance: Provenance
    fingerprint: str


class PayloadScanner:
    """The objects of one channel. See the module's strategy."""

    def __init__(
        self, index: StructureIndex | None, view: View, echo: Callable[[View], Sequence[frozenset[int]]]
    ) -> None:
        """``echo``: the structures of what the caller sent; asked for once an object has keys."""
        self._index = index
        self._view = view
        self._echo = echo
        self._reader: KeyPathReader | None = None
        """From the first brace on."""
        self._position = 0
        self._counts: dict[JsonObject, _Count] = {}
        self._covers: list[_Cover] = []
        self._parts = 0

    def feed(self, piece: str) -> Scan:
        if self._index is None:
            return QUIET
        base = self._position
        self._position += len(piece)
        reader = self._reader
        if reader is None:
            if "{" not in piece:
                return QUIET
            reader = self._reader = KeyPathReader()
            reader.pass_over(base)
        elif reader.idle and "{" not in piece:
            reader.pass_over(len(piece))
            return QUIET
        settled = range(base + 1, self._position + 1)
        findings: list[Finding] = []
        told = iter(reader.feed(piece))
        event = next(told, None)
        for at in range(base if self._covers or event is None else event.at, self._position):
            ended = []
            fresh: list[_Cover] = []
            while event is not None and event.at == at:
                if event.path is None:
                    ended.append(event.object)
                    self._counts.pop(event.object, None)
                else:
                    fresh += self._count(event.object, event.path, self._index)
                event = next(told, None)
            self._covers = [cover for cover in self._covers if cover.object not in ended]
            findings += [_covered(cover, at) for cover in self._covers]
            self._covers += fresh
            if not self._covers and event is None:
                break
        return Scan(findings, settled)

    def finish(self) -> Sequence[Finding]:
        return ()

    def _count(self, found: JsonObject, path: str, index: StructureIndex) -> list[_Cover]:
        """An object has got one more path: what it covers from the next character on."""
        count = self._counts.setdefault(found, _Count())
        hashed, protected = index.path(path), set(self._view.protected)
        for number, sent in enumerate(self._echo(self._view)):
            if hashed in sent:
                count.echoed[number] = count.echoed.get(number, 0) + 1
                count.free = max(count.free, count.echoed[number])
        alike = []
        for structure in index.having(hashed):
            shared = count.shared[structure] = count.shared.get(structure, 0) + 1
            if not protected.issuperset(index.audiences(structure)):
                count.free = max(count.free, shared)
            elif shared >= LEAST and shared >= SHARE * index.size(structure):
                alike.append((shared, -structure))
        if count.covered or not alike or max(alike)[0] <= count.free:
            return []
        count.covered = True
        structure = -max(alike)[1]
        return [self._cover(found, structure, audience, index) for audience in index.audiences(structure)]

    def _cover(self, found: JsonObject, structure: int, audience: str, index: StructureIndex) -> _Cover:
        self._parts += 1
        provenance = Provenance(index.document(structure, audience), audience)
        return _Cover(found, self._parts, provenance, f"{structure:016x}")


def _covered(cover: _Cover, at: int) -> Finding:
    return Finding(
        detector=PayloadDetector.name,
        entity=ENTITY,
        span=Span(at, at + 1),
        at=at,
        provenance=cover.provenance,
        part_of=cover.part,
        fingerprint=cover.fingerprint,
    )
