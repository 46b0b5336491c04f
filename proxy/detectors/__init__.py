"""The detectors: what looks for leaks. The table is short, ordered and written by hand: it guards the exit.

A detector is immutable and shared; its scanner works on one channel of one answer. Detectors do not know
roles or rules: they report where and whose, and the policy decides.

May import: the ground floor and this room. The rule that must stay true: every file of this room
that holds a detector is in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.detectors.encoded import EncodedDetector
from proxy.detectors.known_values import KnownValuesDetector
from proxy.detectors.memorised import MemorisedDetector
from proxy.detectors.payload import PayloadDetector
from proxy.keypaths import StructureIndex
from proxy.types import Contains, Detector, TextIndex, ValueIndex


def _nothing() -> Contains | None:
    return None


def _always(role: str, detector: str, entity: str) -> bool:
    return True


class Index(TextIndex, Protocol):
    """All that the detectors ask of an index."""

    def values(self) -> ValueIndex: ...

    def structures(self) -> StructureIndex: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What detectors are made of. ``allowed``: the operator's allow list as it stands now.

    ``stops``: whether the policy could stop a finding (role, detector, entity); what it could not is only
    counted and never held. ``roles``: for which detectors make themselves ready. ``recognize``: reads the
    names in a sentence, where the policy asks for that.
    """

    index: Index
    allowed: Callable[[], Contains | None] = _nothing
    stops: Callable[[str, str, str], bool] = _always
    roles: tuple[str, ...] = ()
    recognize: Callable[[str], Sequence[tuple[str, int, int, float]]] | None = None


def _memorised(parts: Parts) -> MemorisedDetector:
    return MemorisedDetector(parts.index, parts.allowed)


def _known_values(parts: Parts) -> Detector | None:
    return KnownValuesDetector(parts.index.values, parts.stops) if parts.index.values().entities else None


def _payload(parts: Parts) -> Detector | None:
    return PayloadDetector(parts.index.structures()) if len(parts.index.structures()) else None


def _encoded(parts: Parts) -> Detector:
    def stops(role: str, detector: str, entity: str) -> bool:
        return parts.stops(role, EncodedDetector.name, entity)  # what is found inside is reported as its own

    values = KnownValuesDetector(parts.index.values, stops) if parts.index.values().entities else None
    memorised = _memorised(parts)
    inner = (memorised,) if values is None else (memorised, values)
    return EncodedDetector(inner, runs=(memorised,), begins=memorised.begins)


def _pii(parts: Parts) -> Detector:
    from proxy.detectors.pii import PiiDetector  # compiles its patterns: only where a rule asks for them

    detector = PiiDetector(parts.index.key.derived(b"sluicegate-pii"), parts.stops, parts.recognize)
    for role in parts.roles:
        detector.prepare(role)
    return detector


DETECTORS: Mapping[str, Callable[[Parts], Detector | None]] = {
    MemorisedDetector.name: _memorised,
    KnownValuesDetector.name: _known_values,
    PayloadDetector.name: _payload,
    EncodedDetector.name: _encoded,
    "pii": _pii,
}


def build(parts: Parts, enabled: Callable[[str], bool]) -> tuple[Detector, ...]:
    """The detectors that a policy has switched on, in the order of the table.

    One that has nothing to look for, as the index holds no value or no structure, is left out.
    """
    made = (make(parts) for name, make in DETECTORS.items() if enabled(name))
    return tuple(detector for detector in made if detector is not None)
