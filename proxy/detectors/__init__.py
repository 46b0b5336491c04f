"""The detectors: what looks for leaks. The table is short, ordered and written by hand: it guards the exit.

A detector is immutable and shared; its scanner works on one channel of one answer. Detectors do not know
roles or rules: they report where and whose, and the policy decides.

May import: the ground floor and this room. The rule that must stay true: every file of this room
that holds a detector is in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.detectors.memorised import MemorisedDetector
from proxy.types import Contains, Detector, TextIndex


def _nothing() -> Contains | None:
    return None


@dataclass(frozen=True, slots=True)
class Parts:
    """What detectors are made of. ``allowed``: the operator's allow list as it stands now."""

    index: TextIndex
    allowed: Callable[[], Contains | None] = _nothing


def _memorised(parts: Parts) -> Detector:
    return MemorisedDetector(parts.index, parts.allowed)


DETECTORS: Mapping[str, Callable[[Parts], Detector]] = {
    MemorisedDetector.name: _memorised,
}


def build(parts: Parts, enabled: Callable[[str], bool]) -> tuple[Detector, ...]:
    """The detectors that a policy has switched on, in the order of the table."""
    return tuple(make(parts) for name, make in DETECTORS.items() if enabled(name))
