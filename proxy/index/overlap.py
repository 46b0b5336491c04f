"""Text that cannot be withheld: runs of an audience that wider text holds as well.

A run of X units that a caller may read in one document is free for that caller in every document. So text
that is indexed for few people stays readable while it is also in text for more people, in background, or
allowed. Only the stored sets of runs are compared: their order, their documents and their text play no part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.grams import GramKey
from proxy.index.files import PartFiles, parts_of
from proxy.index.format import Manifest
from proxy.types import NOBODY

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

BACKGROUND = "background"
ALLOWED = "allowed texts"
STYLE = "house style"

_KEPT = 32
"""Bits of a gram that are stored beside those of its bucket."""
_AT_ONCE = 1 << 20
"""Runs that are compared at once."""

Readers = Callable[[str, str | None], Sequence[str]]
"""The roles that may read the first audience and not the second; with None, that may not read the first."""


@dataclass(frozen=True, slots=True)
class Freed:
    """Text of an audience that is free elsewhere, counted in distinct runs of X units.

    ``added``: of the documents that were added, not of those before. ``through``: where else the runs are, by
    audience, or :data:`BACKGROUND`, :data:`ALLOWED`, :data:`STYLE`. ``roles``: who still gets them.
    """

    audience: str
    added: bool
    runs: int
    of: int
    through: Mapping[str, int]
    roles: tuple[str, ...]


class _Runs:
    """A stored set of runs: starts of its buckets, and 32 more bits of each run, sorted."""

    def __init__(self, starts: NDArray[np.uint32], remainders: NDArray[np.uint32]) -> None:
        self._starts = starts
        self._remainders = remainders
        self.bits = (len(starts) - 1).bit_length() - 1

    def __len__(self) -> int:
        return len(self._remainders)

    def slice(self, parts: int, number: int, bits: int) -> NDArray[np.uint64]:
        """The first ``bits`` + 32 bits of the runs of one part of 2**``parts``, sorted."""
        import numpy as np

        first, last = number << (self.bits - parts), (number + 1) << (self.bits - parts)
        starts = self._starts[first : last + 1].astype(np.int64)
        buckets = np.repeat(np.arange(first, last, dtype=np.uint64), np.diff(starts))
        remainders = self._remainders[starts[0] : starts[-1]].astype(np.uint64)
        return ((buckets << np.uint64(_KEPT)) | remainders) >> np.uint64(self.bits - bits)


class _Grams:
    """A set of whole runs, such as those of allowed texts."""

    bits = 64 - _KEPT

    def __init__(self, grams: Iterable[int]) -> None:
        import numpy as np

        self._grams = np.array(sorted(set(grams)), dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._grams)

    def slice(self, parts: int, number: int, bits: int) -> NDArray[np.uint64]:
        import numpy as np

        whole = self._grams
        if parts:
            owner = whole >> np.uint64(64 - parts)
            whole = whole[np.searchsorted(owner, number) : np.searchsorted(owner, number, side="right")]
        return whole >> np.uint64(64 - _KEPT - bits)


@dataclass(frozen=True, slots=True)
class _Source:
    """A set of runs, whose it is, and the part of the index that it came with (-1: none)."""

    name: str
    part: int
    runs: _Runs | _Grams


def free_elsewhere(
    folder: Path,
    manifest: Manifest,
    key: GramKey,
    readers: Readers,
    *,
    allowed: Iterable[int] = (),
    since: int = 0,
) -> list[Freed]:
    """Count the runs of each audience that some role gets through other text, though not cleared for it.

    ``allowed``: the runs of allowed texts. ``since``: the first part that is new; pairs of old ones are left
    out. A count that chance alone explains (two runs that differ look alike in the stored bits) is left out.
    """
    parts = parts_of(folder, manifest, key)
    stored = [source for number, files in enumerate(parts) for source in _audiences(files, number)]
    free = [source for number, files in enumerate(parts) for source in _free(files, number, manifest)]
    free.append(_Source(ALLOWED, -1, _Grams(allowed)))
    found = []
    for added in (True, False) if since else (True,):
        for name in dict.fromkeys(source.name for source in stored):
            own = [each for each in stored if each.name == name and (each.part >= since) is added]
            others = [
                *((each, readers(each.name, name)) for each in stored if each.name != name),
                *((each, readers(name, None)) for each in free if each.name != STYLE),
                *((each, readers(name, None)) for each in free if each.name == STYLE and name == NOBODY),
            ]
            # Of old text, only what new text frees.
            others = [(each, roles) for each, roles in others if roles and (added or each.part >= since)]
            freed = _count(name, added, own, others)
            if freed is not None:
                found.append(freed)
    return found


def _audiences(files: PartFiles, number: int) -> Iterator[_Source]:
    for at, counts in enumerate(files.audiences):
        runs = _Runs(files.bare(f"a{at}.run.starts"), files.bare(f"a{at}.run.remainders"))
        yield _Source(counts.name, number, runs)


def _free(files: PartFiles, number: int, manifest: Manifest) -> Iterator[_Source]:
    for name, array in ((BACKGROUND, "background"), (STYLE, "style")):
        if f"{files.prefix}{array}.starts.npy" in manifest.files:
            runs = _Runs(files.bare(f"{array}.starts"), files.bare(f"{array}.remainders"))
            yield _Source(name, number, runs)


def _count(
    name: str, added: bool, own: Sequence[_Source], others: Sequence[tuple[_Source, Sequence[str]]]
) -> Freed | None:
    total = sum(len(each.runs) for each in own)
    through: dict[str, int] = {}
    roles: dict[str, None] = {}
    runs = 0
    kept = [
        (other, to)
        for other, to in others
        if _more_than_chance(sum(_shared(one.runs, [other.runs]) for one in own), own, other)
    ]
    for other in dict.fromkeys(other.name for other, _ in kept):
        sets = [each.runs for each, _ in kept if each.name == other]
        through[other] = sum(_shared(one.runs, sets) for one in own)
    for _, to in kept:
        roles |= dict.fromkeys(to)
    if kept:
        runs = sum(_shared(one.runs, [other.runs for other, _ in kept]) for one in own)
    return Freed(name, added, runs, total, through, tuple(roles)) if runs else None


def _more_than_chance(count: int, own: Sequence[_Source], other: _Source) -> bool:
    chance = 0.0
    for one in own:
        bits = min(one.runs.bits, other.runs.bits) + _KEPT
        chance += len(one.runs) * len(other.runs) / 2**bits
    return count > chance + 3 * math.sqrt(chance)


def _shared(one: _Runs | _Grams, others: Sequence[_Runs | _Grams]) -> int:
    """How many runs of one set are in any of the others."""
    import numpy as np

    others = [other for other in others if len(other)]
    if not len(one) or not others:
        return 0
    largest = max(len(one), *map(len, others))
    parts = min(one.bits, *(other.bits for other in others), (largest // _AT_ONCE).bit_length())
    count = 0
    for number in range(1 << parts):
        held: NDArray[np.bool_] | None = None
        for other in others:
            bits = min(one.bits, other.bits)
            ours, theirs = one.slice(parts, number, bits), other.slice(parts, number, bits)
            if not len(theirs):
                continue
            at = np.searchsorted(theirs, ours)
            at[at == len(theirs)] = 0
            same = theirs[at] == ours
            held = same if held is None else held | same
        count += 0 if held is None else int(held.sum())
    return count
