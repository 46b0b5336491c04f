"""Whether a trail is whole: each chain from its first line to its last, over all files.

What shows: a line that was changed, removed, added or moved; a file that was removed, unless a rotation did
it and wrote down how far its chains went; a chain that another one saw and that is gone. What cannot show:
that the newest lines of all were cut off. Keep the heads that a verification tells elsewhere, and hand them
to the next one.

May import: ``proxy.errors`` and this room. The rule that must stay true: no file is called whole that holds a
line no chain accounts for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.audit.chain import FORMAT, Place, link, split
from proxy.audit.reading import decoded, opened, pieces

_CUT = re.compile(rb',"mac":"(?![0-9a-f]{0,32}"?$)')
"""What a line that was only cut short does not hold."""

_SHOWN = 1000
"""Faults that are kept; more are only counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and in which line of which file (0: with the file as a whole)."""

    file: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


@dataclass(slots=True)
class Report:
    """What was read. ``in_flight``: requests that were begun and have no decision. ``heads``: how far each
    chain goes. ``torn``: lines that a crash cut short. ``plain``: lines from before there were chains."""

    files: int = 0
    lines: int = 0
    decisions: int = 0
    torn: int = 0
    plain: int = 0
    in_flight: list[str] = field(default_factory=list)
    heads: dict[str, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    more_faults: int = 0


@dataclass(slots=True)
class _Chain:
    """A chain as far as it was read: the number of its next line, and the hash of its last one."""

    next: int
    mac: str
    keyed: bool | None = None
    closed: bool = False
    open: dict[str, None] = field(default_factory=dict)


def verify(path: Path, key: bytes = b"", expected: Mapping[str, Place] | None = None) -> Report:
    """Read every line of the trail at ``path``. ``key``: that of its chains, b"" for plain hashes.
    ``expected``: heads that an earlier verification told. Raises ConfigError where it cannot be read."""
    return _Verifier(path, key, expected or {}).run()


class _Verifier:
    def __init__(self, path: Path, key: bytes, expected: Mapping[str, Place]) -> None:
        self._path = path
        self._key = key
        self._expected = expected
        self._report = Report()
        self._chains: dict[str, _Chain] = {}
        self._anchors: dict[str, Place] = {}
        self._seen_by_others: list[tuple[Path, int, Place]] = []
        self._file = path
        self._number = 0

    def run(self) -> Report:
        report = self._report
        with opened(self._path) as files:
            report.files = len(files)
            for _, file in files:
                for line in file:
                    if b'"kind":"dropped"' in line:
                        self._anchor(line)
                file.seek(0)
            for self._file, file in files:
                for self._number, line in enumerate(file, 1):
                    for record in pieces(line):
                        self._record(record)
        self._number = 0
        self._ends()
        return report

    def _anchor(self, line: bytes) -> None:
        """How far chains went in a file that a rotation has dropped. The line itself is verified later."""
        for record in pieces(line):
            fields = decoded(record) or {}
            heads = fields.get("heads")
            if fields.get("kind") == "dropped" and isinstance(heads, dict):
                for chain, head in heads.items():
                    place = _place(chain, head)
                    known = self._anchors.get(chain)
                    if place is not None and (known is None or known.n <= place.n):
                        self._anchors[chain] = place

    def _record(self, record: bytes) -> None:
        report = self._report
        fields = decoded(record)
        if fields is None:
            self._damaged(record)
            return
        report.lines += 1
        if fields.get("v") == 1 and "chain" not in fields:
            report.plain += 1
            if self._chains:
                self._fault("a line without a chain stands behind lines that have one")
            return
        parts = split(record)
        chain, n = fields.get("chain"), fields.get("n")
        if fields.get("v") != FORMAT or parts is None or not isinstance(chain, str) or type(n) is not int:
            self._fault("not a line of a trail")
            return
        self._link(chain, n, *parts)
        self._meaning(self._chains[chain], fields)

    def _damaged(self, record: bytes) -> None:
        """A record that cannot be read: one that a crash cut short, or one that was changed."""
        text = record.rstrip(b"\n")
        if not text:
            self._fault("a blank line")
            return
        head = decoded(text.partition(b',"kind":')[0] + b"}") or {}
        chain, n = head.get("chain"), head.get("n")
        cut = not text.endswith(b"}") and text.isascii() and _CUT.search(text) is None
        if cut and isinstance(chain, str) and type(n) is int:
            self._report.torn += 1
            state = self._chains.get(chain) or self._begin(chain, n)
            self._chains[chain] = state
            if state.next != n:
                self._fault(f"a damaged line: chain {chain} goes on with number {state.next}, not {n}")
        elif cut and b'{"v":2,"chain":"'.startswith(text[:16]):
            self._report.torn += 1
        else:
            self._fault("a damaged line: it cannot be read")

    def _link(self, chain: str, n: int, body: bytes, mac: str) -> None:
        state = self._chains.get(chain)
        if state is None:
            state = self._chains[chain] = self._begin(chain, n)
        if n != state.next:
            self._fault(
                f"chain {chain}: number {n} stands where {state.next} should: "
                + ("lines before it were removed" if n > state.next else "a line was added or moved")
            )
        elif state.mac == "?":
            pass  # what stood before it is gone, and was told already
        elif link(self._key if state.keyed is not False else b"", chain, state.mac, body) != mac:
            self._wrong(state, chain, n, body, mac)
        known = self._expected.get(chain)
        if known is not None and known.n == n and known.mac != mac:
            self._fault(f"chain {chain}: number {n} is not the line that stood there: it was written anew")
        if n >= state.next:
            state.next, state.mac = n + 1, mac

    def _begin(self, chain: str, n: int) -> _Chain:
        """A chain's first line in the files: number 0, or the next after what a rotation dropped."""
        if n == 0:
            return _Chain(0, "")
        anchor = self._anchors.get(chain)
        if anchor is not None and anchor.n == n - 1:
            return _Chain(n, anchor.mac)
        self._fault(f"chain {chain}: begins with number {n}: what stood before was removed")
        return _Chain(n, "?")

    def _wrong(self, state: _Chain, chain: str, n: int, body: bytes, mac: str) -> None:
        if n == 0 and self._key and link(b"", chain, "", body) == mac:
            state.keyed = False
            self._fault(f"chain {chain}: written without the key")
        elif n == 0 and not self._key and (decoded(body + b"}") or {}).get("hash") == "keyed":
            state.mac = "?"
            self._fault(f"chain {chain}: has a key; set SLUICEGATE_TRAIL_KEY to verify it")
            state.keyed = False
        else:
            self._fault(f"chain {chain}: line number {n} was changed, or one before it was removed")

    def _meaning(self, state: _Chain, fields: Mapping[str, Any]) -> None:
        kind, incident = fields.get("kind"), str(fields.get("incident"))
        if state.closed:
            self._fault(f"chain {fields['chain']}: goes on after its end")
        if kind == "opened":
            state.open[incident] = None
        elif kind == "decision":
            self._report.decisions += 1
            state.open.pop(incident, None)
        elif kind == "closed":
            state.closed = True
        elif kind == "begun" and isinstance(fields.get("after"), list):
            chain, n, mac = (*fields["after"], None, None, None)[:3]
            place = _place(chain, [n, mac])
            if place is not None:
                self._seen_by_others.append((self._file, self._number, place))

    def _ends(self) -> None:
        """What only the end can tell: chains that others have seen go further than they do."""
        report = self._report
        for chain, state in self._chains.items():
            report.in_flight.extend(state.open)
            report.heads[chain] = Place(chain, state.next - 1, state.mac)
        for file, number, place in self._seen_by_others:
            if not self._reaches(place):
                self._file, self._number = file, number
                self._fault(f"chain {place.chain}, which it followed up to number {place.n}, is not there")
        self._file, self._number = self._path, 0
        for place in self._expected.values():
            if not self._reaches(place):
                self._fault(f"chain {place.chain} went up to number {place.n} and is shorter now")

    def _reaches(self, place: Place) -> bool:
        state, anchor = self._chains.get(place.chain), self._anchors.get(place.chain)
        return (state is not None and state.next > place.n) or (anchor is not None and anchor.n >= place.n)

    def _fault(self, what: str) -> None:
        if len(self._report.faults) < _SHOWN:
            self._report.faults.append(Fault(self._file, self._number, what))
        else:
            self._report.more_faults += 1


def _place(chain: object, head: object) -> Place | None:
    """A place as a line tells it, ``[number, hash]``; None where it is none."""
    if isinstance(chain, str) and isinstance(head, list) and len(head) == 2:
        n, mac = head
        if type(n) is int and isinstance(mac, str):
            return Place(chain, n, mac)
    return None
