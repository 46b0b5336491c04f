"""From values of documents to the arrays of ``values.py``.

Values come document by document; of each distinct one its forms are made once, hashed in batches and
forgotten: what is kept while building are hashes and numbers, about 350 bytes a distinct value and 12
each time one stands in a document. A million values take about half a minute.

A value also stands in a document where nobody found it, if its text does: texts of 12 units and more
are looked up among the seeds of every audience (``stands``), so that an audience which may read a value
anyway is known to.

May import: the ground floor and this room. The rule that must stay true: every letter of every form is
put into the trie.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest

from proxy.errors import ConfigError
from proxy.grams import SEED_BYTES, GramKey
from proxy.index.files import Writer
from proxy.index.filters import GramSet, Postings
from proxy.index.values import COMMON, END, LAST, LONG, VERSION, WEAK, Hashes
from proxy.text import UNIT_BYTES
from proxy.types import Value
from proxy.values import ACTS, Forms, GlyphTable, forms_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDE_RECORD = 200
"""Values from which on a document is no record of one thing: in it a weak value is beside everything."""

MOST_ENDS = 256
"""The most values that may end at one place; more have the same letters by design, not by chance."""

_BATCH = 1 << 19
"""Letters of forms that are hashed together."""

_PROBES = 4
"""Seeds of a value's text that are looked up to learn where else it stands."""

_SKIPPED = -1


class ValueBuilder:
    """Collects the values of all documents. Not shared, used once."""

    def __init__(self, key: GramKey) -> None:
        self._key = key
        self._hashes = Hashes(key)
        self._table = GlyphTable()
        self._numbers: dict[int, int] = {}
        """Keyed hash of (entity, text), and of (entity, own letters), to a value's number."""
        self._entities: dict[str, int] = {}
        self._entity = array("H")
        self._flags = array("B")
        self._probes = array("Q")
        """``_PROBES`` seeds of each value's text; 0 stands for none."""
        self._forms: list[str] = []
        self._owners = array("I")
        self._waiting = 0
        self._inner: list[NDArray[np.uint64]] = []
        """The places where a form goes on."""
        self._ends: list[NDArray[np.uint64]] = []
        """The places where one ends."""
        self._end_owners: list[NDArray[np.uint32]] = []
        self._audience_numbers: dict[str, int] = {}
        self._where_value = array("I")
        self._where_audience = array("H")
        self._where_record = array("I")
        self._where_kept = array("B")
        self._free: set[int] = set()
        self._also: dict[str, NDArray[np.bool_]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, values: Sequence[Value], audience: str, record: int) -> None:
        """The values of one document: number ``record`` of its audience."""
        audience_number = self._audience_numbers.setdefault(audience, len(self._audience_numbers))
        distinct = dict.fromkeys(map(self._number, values))
        wide = len(distinct) > WIDE_RECORD
        self._counts["wide_records"] += wide
        for number in distinct:
            if number != _SKIPPED:
                self._where_value.append(number)
                self._where_audience.append(audience_number)
                self._where_record.append(record)
                self._where_kept.append(not (wide and self._flags[number] & WEAK))

    def add_free(self, values: Sequence[Value]) -> None:
        """Values of text that is free for everyone: they are no leak, wherever else they stand."""
        self._free.update(map(self._known, values))

    def stands(self, audience: str | None, seeds: NDArray[np.uint64]) -> None:
        """``seeds``: all seeds of an audience's texts (None: of free text), sorted. After all values."""
        import numpy as np

        probes = np.array(self._probes, dtype=np.uint64)
        if not len(probes) or not len(seeds):
            return
        hits = (_among(probes, seeds) | (probes == 0)).reshape(-1, _PROBES)
        there = hits.all(axis=1) & (probes.reshape(-1, _PROBES)[:, 0] != 0)
        if audience is None:
            self._free.update(np.flatnonzero(there).tolist())
        elif there.any():
            self._audience_numbers.setdefault(audience, len(self._audience_numbers))
            self._also[audience] = there

    # --- one value -----------------------------------------------------------------------------------------

    def _known(self, value: Value) -> int:
        return self._numbers.get(self._name(value.entity, value.text), _SKIPPED)

    def _name(self, entity: str, text: str) -> int:
        return xxh3_64_intdigest(f"{entity}\0{text}".encode("utf-8", "surrogatepass"), self._key.seed)

    def _number(self, value: Value) -> int:
        name = self._name(value.entity, value.text)
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = self._admit(value)
        return number

    def _admit(self, value: Value) -> int:
        """The number of a value whose text is seen for the first time."""
        forms = forms_of(value, self._table)
        if forms is None:
            self._counts["skipped"] += 1
            return _SKIPPED
        own = self._name(value.entity, "\0" + forms.letters[0])
        number = self._numbers.get(own)
        if number is not None:
            return number
        number = self._numbers[own] = len(self._entity)
        self._entity.append(self._entities.setdefault(value.entity, len(self._entities)))
        self._flags.append(WEAK * forms.weak | COMMON * forms.common | LONG * forms.long)
        self._probes.extend(self._probed(value.text))
        self._counts["weak"] += forms.weak
        self._counts["cut"] += forms.cut
        self._queue(forms, number)
        return number

    def _probed(self, text: str) -> list[int]:
        encoded = self._key.table.encoded(text[: 2 * ACTS])
        last = len(encoded) // UNIT_BYTES - SEED_BYTES // UNIT_BYTES
        if last < 0:
            return [0] * _PROBES
        starts = dict.fromkeys(last * i // (_PROBES - 1) * UNIT_BYTES for i in range(_PROBES))
        seeds = [xxh3_64_intdigest(encoded[at : at + SEED_BYTES], self._key.seed) for at in starts]
        return seeds + [0] * (_PROBES - len(seeds))

    def _queue(self, forms: Forms, number: int) -> None:
        for letters in forms.letters:
            self._forms.append(letters)
            self._owners.append(number)
            self._waiting += len(letters)
        if self._waiting > _BATCH:
            self._flush()

    def _flush(self) -> None:
        """Hash the forms that wait, all their beginnings, and forget them."""
        import numpy as np

        if not self._forms:
            return
        inner, ends, numbers = hash_forms(self._hashes, self._forms)
        self._inner.append(inner)
        self._ends.append(ends)
        self._end_owners.append(np.array(self._owners, dtype=np.uint32)[numbers])
        self._forms, self._owners, self._waiting = [], array("I"), 0

    # --- the end --------------------------------------------------------------------------------------------

    def write(self, writer: Writer, bases: Mapping[str, int]) -> dict[str, Any]:
        """Write all arrays; returns what the manifest says. ``bases``: first record number by audience."""
        import numpy as np

        self._flush()
        inner, ends = _distinct(_joined(self._inner, np.uint64)), _joined(self._ends, np.uint64)
        self._inner, self._ends = [], []
        nodes = _distinct(np.concatenate((inner, ends)))
        starts, remainders = GramSet.build(nodes)
        writer.array("values.nodes.starts", starts)
        writer.array("values.nodes.remainders", remainders)
        self._write_ends(writer, ends, inner)
        writer.array("values.entity", np.array(self._entity, dtype=np.uint16))
        writer.array("values.flags", np.array(self._flags, dtype=np.uint8))
        sets = self._write_audiences(writer)
        self._write_records(writer, bases)
        by_entity = np.bincount(np.array(self._entity, dtype=np.int64), minlength=len(self._entities))
        return {
            "version": VERSION,
            "entities": dict(zip(self._entities, by_entity.tolist(), strict=True)),
            "values": len(self._entity),
            "forms": len(ends),
            "letters": len(nodes),
            "free": len(self._free - {_SKIPPED}),
            "audience_sets": sets,
            **{name: self._counts[name] for name in ("weak", "cut", "skipped", "wide_records", "crowded")},
        }

    def _write_ends(self, writer: Writer, ends: NDArray[np.uint64], inner: NDArray[np.uint64]) -> None:
        """The places where values end. A value that stands in free text has none: it is never found."""
        import numpy as np

        owners = _joined(self._end_owners, np.uint32)
        self._end_owners = []
        if self._free:
            kept = ~np.isin(owners, np.array(sorted(self._free - {_SKIPPED}), dtype=np.uint32))
            ends, owners = ends[kept], owners[kept]
        owners[~_among(ends, inner)] |= np.uint32(LAST)
        hashed = self._hashes.mix_arrays(ends, np.full(len(ends), END, dtype=np.uint64))
        starts, remainders, numbers, crowded = Postings.build(hashed, owners, MOST_ENDS)
        self._counts["crowded"] = crowded
        writer.array("values.ends.starts", starts)
        writer.array("values.ends.remainders", remainders)
        writer.array("values.ends.positions", numbers)

    def _write_audiences(self, writer: Writer) -> list[list[str]]:
        """For each value which set of audiences it stands in; returns the sets."""
        import numpy as np

        where = np.array(self._where_value, dtype=np.uint32)
        audiences = np.array(self._where_audience, dtype=np.uint16)
        chosen = np.zeros(len(self._entity), dtype=np.int64)
        sets: list[list[str]] = [[]]
        for name, number in sorted(self._audience_numbers.items()):
            there = np.zeros(len(self._entity), dtype=np.int64)
            there[where[audiences == number]] = 1
            if name in self._also:
                there |= self._also[name]
            used, chosen = np.unique(chosen * 2 + there, return_inverse=True)
            sets = [sets[code // 2] + [name] * (code % 2) for code in used.tolist()]
        writer.array("values.audiences", chosen.astype(np.uint32))
        return sets

    def _write_records(self, writer: Writer, bases: Mapping[str, int]) -> None:
        """The records of each value, rising."""
        import numpy as np

        base = np.zeros(len(self._audience_numbers) + 1, dtype=np.int64)
        for name, number in self._audience_numbers.items():
            base[number] = bases[name]
        kept = np.array(self._where_kept, dtype=bool)
        values = np.array(self._where_value, dtype=np.uint32)[kept]
        records = np.array(self._where_record, dtype=np.int64)[kept]
        records += base[np.array(self._where_audience, dtype=np.int64)[kept]]
        if len(records) >= 1 << 32 or (len(records) and int(records.max()) >= 1 << 32):
            raise ConfigError("more than 2**32 known values in documents; split the set into several indexes")
        order = np.lexsort((records, values))
        starts = np.searchsorted(values[order], np.arange(len(self._entity) + 1))
        writer.array("values.starts", starts.astype(np.uint32))
        writer.array("values.records", records[order].astype(np.uint32))


def _joined(parts: Sequence[NDArray[Any]], kind: Any) -> NDArray[Any]:
    import numpy as np

    return np.concatenate(parts) if parts else np.zeros(0, kind)


def _among(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which hashes are among the known, which are sorted."""
    import numpy as np

    if not len(known):
        return np.zeros(len(hashes), dtype=bool)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)] == hashes
    return found


def _distinct(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sorted, each once. ``hashes`` is sorted in place."""
    import numpy as np

    hashes.sort()
    if not len(hashes):
        return hashes
    kept: NDArray[np.uint64] = hashes[np.append(True, hashes[1:] != hashes[:-1])]
    return kept


def hash_forms(
    hashes: Hashes, forms: Sequence[str]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """The distinct places inside the forms; the places where forms end, and the form of each.

    A long form ends at its end and after every ``ACTS`` letters.
    """
    import numpy as np

    lengths = np.array([len(form) for form in forms], dtype=np.int64)
    codes = np.frombuffer("".join(forms).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(
        np.uint64
    )
    order = np.argsort(-lengths, kind="stable")
    starts, falling = (np.cumsum(lengths) - lengths)[order], lengths[order]
    places = np.full(len(forms), hashes.root, dtype=np.uint64)
    inner, ends, owners = [], [], []
    for depth in range(1, int(falling[0]) + 1):
        active = int(np.searchsorted(-falling, -depth, side="right"))
        places[:active] = hashes.mix_arrays(places[:active], codes[starts[:active] + depth - 1])
        ending = int(np.searchsorted(-falling, -depth, side="left"))
        inner.append(places[:ending].copy())
        first = 0 if depth % ACTS == 0 else ending
        if first < active:
            ends.append(places[first:active].copy())
            owners.append(order[first:active])
    return _distinct(np.concatenate(inner)), np.concatenate(ends), np.concatenate(owners)
