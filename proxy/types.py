"""The vocabulary of Sluicegate: the nouns first, then the doors (protocols) between the rooms.

May import: the standard library only (and ``proxy.grams`` and ``proxy.values`` as names for type
checkers). The rule that must stay true: nothing here holds text of an answer except :data:`Cleared`
text, which only ``proxy.guard`` makes, and :class:`Delta`, which is untrusted and is never written to a
caller.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NewType, Protocol

if TYPE_CHECKING:
    from proxy.grams import GramKey
    from proxy.values import KnownValue, ValueNode

Cleared = NewType("Cleared", str)
"""Text that a guard has let go. Only ``guard.py`` makes it; a dialect can write nothing else."""

Gram = int
"""A keyed hash (64 bits) of a run of units; it says nothing about the text without the key."""

NOBODY = "nobody"
"""The audience of training text that no one should get back verbatim."""


class Action(IntEnum):
    """What a rule does with a finding; where two rules meet, the stricter (greater) wins."""

    ALLOW = 0
    REDACT = 1
    BLOCK = 2


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``[start, end)`` of one channel of one choice, counted as the guard received them."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which training document something was learned from, and for whom that was written."""

    document: str
    audience: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a detector found something; never what: it holds no text.

    ``at`` is the offset of the character that decided it (``at + 1 >= span.end``; a finding of
    ``finish`` has the text's length). ``span.start`` is the first character that must not leave.
    ``part_of`` joins the findings that grow one and the same span: they share it, and only the first
    of them puts a mask. ``origin`` is where the matched text really began, which may lie before
    ``span.start`` by at most the leak budget. ``fingerprint`` is a keyed hash of the match.
    """

    detector: str
    entity: str
    span: Span
    at: int
    score: float = 1.0
    provenance: Provenance | None = None
    origin: int | None = None
    part_of: int | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's word on a finding. ``enforced`` is False in observe mode: counted, not done."""

    action: Action
    rule: str
    finding: Finding
    enforced: bool = True
    mask: str = "[REDACTED]"


class Scan(NamedTuple):
    """What a scanner makes of one piece of ``n`` characters.

    ``settled[j]`` is the offset before which no finding still to come can begin, once character
    ``j`` of the piece has been read: ``len(settled) == n``, and it never decreases, within a piece or
    across pieces. ``findings`` are in the order of their ``at``.
    """

    findings: Sequence[Finding]
    settled: Sequence[int]


QUIET = Scan((), ())
"""Nothing was found and all that was read is settled, as in most pieces: scanners return this very object."""


def in_full(scan: Scan, start: int, size: int) -> Scan:
    """The scan of a piece of ``size`` characters from offset ``start`` on, :data:`QUIET` written out."""
    return Scan((), range(start + 1, start + size + 1)) if scan is QUIET else scan


class Step(NamedTuple):
    """What a guard returns for one delta: the text it lets go, and what it found on the way."""

    text: Cleared
    verdicts: tuple[Verdict, ...] = ()
    stopped: bool = False
    fault: str = ""
    """Why the guard stopped without a verdict: where the fault was, from a closed set."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text from the upstream, untrusted: which choice, which channel, what."""

    choice: int
    channel: str
    text: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the id of the key (never the key) and the role it was made for.

    ``subject``: whom limits are counted for, as an id or a hash of bounded length; "" stands for the key.
    """

    key_id: str
    role: str
    subject: str = ""

    def __post_init__(self) -> None:
        if not self.subject:
            object.__setattr__(self, "subject", self.key_id)


@dataclass(frozen=True, slots=True)
class Document:
    """One training sample: ``id`` is ``<source>:<record number>``, ``texts`` all it was trained on."""

    id: str
    texts: tuple[str, ...]
    audience: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    """Of a structured record: (dotted key path, value) of every scalar leaf, where that was asked for."""


@dataclass(frozen=True, slots=True)
class Value:
    """A piece of personal data, a secret or a canary of one document, found when an index is built.

    ``entity`` is its kind in the policy's spelling (``email``, ``phone``, ``person``, ``cn_id`` …).
    It lives only while the index is built; what is stored of it are keyed hashes.
    """

    entity: str
    text: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record, file or part that was not read, and why. Nothing is skipped in silence."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unread(Skipped):
    """A file of which nothing was read. ``size``: its bytes on the disk."""

    size: int = 0


@dataclass(frozen=True, slots=True)
class Noted(Skipped):
    """Something that a person should look at: a record that is for fewer than it says, a file that merely
    lay in a folder. No record that was asked for was left out."""


@dataclass(frozen=True, slots=True)
class Narrowed(Noted):
    """A record that was read, and is for fewer than one of its marks says."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the trail: what was decided about one request. It holds no text of the answer."""

    incident: str
    time: float
    key_id: str
    role: str
    model: str
    path: str
    outcome: str
    verdicts: tuple[Verdict, ...] = ()
    choices: tuple[tuple[int, str], ...] = ()
    """For each verdict: the choice and channel it was found in."""
    received: int = 0
    released: int = 0
    held_max: int = 0
    seconds: float = 0.0
    first_upstream: float | None = None
    first_delivered: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    subject: str = ""
    """Whom the request was counted for, where that is not the key itself."""


# --- doors -----------------------------------------------------------------------------------------


class Scanner(Protocol):
    """One detector at work on one channel of one answer; not shared between answers."""

    def feed(self, piece: str) -> Scan:
        """Read the next characters. The result must not depend on how the text was cut."""
        ...

    def finish(self) -> Sequence[Finding]:
        """The text has ended: findings that only the end decides (``at`` is the text's length)."""
        ...


class Detector(Protocol):
    """Immutable, built once, shared by all answers."""

    @property
    def name(self) -> str: ...

    def scanner(self, view: View) -> Scanner:
        """A scanner for one channel of one answer, for a caller described by ``view``."""
        ...


Contains = Callable[[Gram], bool]
"""Membership of a gram in a set of an index. May say yes to a stranger only where that is safe."""


Select = Callable[[Sequence[Gram]], list[int]]
"""Indices of those grams of a sequence that may be in a set."""


@dataclass(frozen=True, slots=True)
class View:
    """What a detector may know about the request it works for.

    ``protected``: audiences whose text this caller may not have. ``cleared``: those it may.
    ``thresholds``: for a protected audience the units at which a match acts, and the leak budget.
    ``echo``: the texts the caller itself sent in this request (what they hold is no leak).
    """

    role: str
    protected: tuple[str, ...]
    cleared: tuple[str, ...]
    thresholds: Mapping[str, Threshold]
    echo: tuple[str, ...] = ()
    exempt_run: int = 20
    observed: frozenset[str] = frozenset()
    """Protected audiences whose memorised text is only counted: they never hold a character."""
    cache: dict[str, Any] = field(default_factory=dict)
    """Per request: what a detector has worked out from ``echo``, shared by the request's channels."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """In units: ``act`` is L, ``budget`` is b, ``cover`` is C of near-verbatim text (0: off)."""

    act: int
    budget: int
    cover: int = 0


class Reader(Protocol):
    """Reads one kind of training file."""

    def __call__(self, path: Path) -> Iterator[Document | Skipped]: ...


class Upstream(Protocol):
    """A model server. Raises ``UpstreamError`` and nothing else."""

    def stream(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """POST ``body`` and yield the answer's bytes as they come; closing the iterator cancels."""
        ...

    async def close(self) -> None: ...


class TextIndex(Protocol):
    """What the detectors of memorised text ask of an index. All answers are per audience.

    Only hashes go in; positions, document ids and yes or no come out.
    """

    @property
    def key(self) -> GramKey: ...

    @property
    def audiences(self) -> tuple[str, ...]: ...

    @property
    def exempt_run(self) -> int:
        """The length X of the grams that :meth:`exempt` and :meth:`house_style` know."""
        ...

    def seeds(self, audience: str) -> Select:
        """Which seeds (``grams.SEED`` units) stand in the audience's text. Never misses one that does."""
        ...

    @property
    def window(self) -> int:
        """Of this many neighbouring seeds of a document at least one is sampled (see :meth:`places`)."""
        ...

    @property
    def most_places(self) -> int:
        """The most positions that are kept of one seed: one with as many is common."""
        ...

    def background_seeds(self) -> Select | None:
        """Which seeds stand in text that is free for everyone."""
        ...

    def levels(self, audience: str) -> Sequence[tuple[int, Contains]]:
        """(length, membership) of longer runs of the audience's text, shortest first.

        Never says no to a run that is there.
        """
        ...

    def exempt(self, audience: str) -> Contains:
        """Membership of runs of X units in the audience's text; a false yes is one in 10**8."""
        ...

    def background(self) -> Contains | None:
        """Runs of X units of texts that the operator declared to be free when the index was built."""
        ...

    def house_style(self) -> Contains | None:
        """Runs of X units that many clusters of near-duplicates of audience ``nobody`` share."""
        ...

    def places(self, audience: str, gram: Gram) -> Sequence[int]:
        """Where a seed stands, given its composed gram; empty where it was not among those sampled."""
        ...

    def words(self, audience: str, position: int, before: int, after: int) -> tuple[list[int], list[int]]:
        """The words of the document that a position lies in, from ``before`` units before it to ``after``
        units after it: their keyed hashes, and where they end, relative to the position."""
        ...

    def start_of(self, audience: str, position: int) -> int:
        """Where the document begins that a position lies in."""
        ...

    def document_at(self, audience: str, position: int) -> str:
        """The id of the document that a position lies in."""
        ...


class ValueIndex(Protocol):
    """What the detector of known values asks of an index: the values of its documents, letter by letter.

    Values are numbered from 0; nothing here tells their letters to one who does not have them.
    """

    @property
    def root(self) -> ValueNode:
        """Where every value begins. Ask anew for each piece: what is remembered hangs on it."""
        ...

    @property
    def entities(self) -> Sequence[str]:
        """The kinds of values there are."""
        ...

    def value(self, number: int) -> KnownValue: ...

    def document(self, value: KnownValue, audience: str) -> str:
        """The id of a document of this audience that the value stands in; "" where none is kept."""
        ...
