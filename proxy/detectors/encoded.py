"""Encoded text: runs that look encoded are decoded as they come, and searched by the inner detectors.

Strategy. At look-out points, every ``STRIDE`` characters from the start of the text, cheap gates look at the
last characters: do they look like language, forwards or backwards, and is there a character that escapes are
made with? Only where a gate opens are decoders asked, and only a decoder that can read what is there opens a
stream: the decoded characters go to fresh scanners of the inner detectors, and what these find and hold is
carried back to the raw characters. So ordinary text is never held or changed: plain text opens
no stream, and encoded text that the inner detectors do not know is held no longer than they hold it.

Budget: ``BUDGET`` raw characters at the start of a run may have left before its decoder began, or those
that carry the leak budget of the inner detectors, whichever is more. What each decoder promises and
what it cannot is in its own file. Decoded text is decoded again, to the ``depth`` given; each code within
a code has the budget anew, in characters of the outer one's text.

May import: ``decoders`` and the ground floor. The rule that must stay true: gates look only at
look-out points and at the characters before them, so the result does not depend on how the text was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from proxy.detectors.decoders.gates import Gates
from proxy.detectors.decoders.gauge import Gauge
from proxy.detectors.decoders.order import Probe
from proxy.detectors.decoders.reversal import LETTERS, LETTERS_LINGER, WORDS, WORDS_LINGER, Order, Rewind
from proxy.detectors.decoders.spans import Spans
from proxy.detectors.decoders.stream import Found, Stream
from proxy.detectors.decoders.transducer import KEEP, STRIDE, Decoder, Glance
from proxy.types import QUIET, Detector, Finding, Scan, Scanner, View

_AT_ONCE = 1024
"""Characters in which the next open gate is looked for."""


class EncodedDetector:
    """Finds in encoded text what the inner detectors find in plain text. Immutable, shared by all answers."""

    name = "encoded"

    def __init__(
        self,
        inner: Sequence[Detector],
        *,
        depth: int = 2,
        runs: Sequence[Detector] | None = None,
        begins: Callable[[View], Probe] | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        """``depth``: how many codes may lie one in another. ``gauge``: a model to share.

        ``runs``: those of the inner detectors that find runs of words (default: all); the others find the
        same in words whatever their order, so that words backwards tell them nothing new.
        ``begins``: for a view, quick tests for what the detectors of ``runs`` find.
        """
        self.inner = tuple(inner)
        self.runs = self.inner if runs is None else tuple(runs)
        self.begins = begins
        self.gauge = Gauge() if gauge is None else gauge
        self.nested = (
            EncodedDetector(inner, depth=depth - 1, runs=runs, begins=begins, gauge=self.gauge)
            if depth > 1
            else None
        )

    def scanner(self, view: View) -> Scanner:
        """A scanner for one channel; ``view`` goes to the inner detectors as it is."""
        return EncodedScanner(self, view)


class EncodedScanner:
    """Watches one channel for encoded runs. See the module's strategy."""

    def __init__(self, detector: EncodedDetector, view: View) -> None:
        self._detector = detector
        self._view = view
        self._probe = None if detector.begins is None else detector.begins(view)
        self._gates = Gates(detector.gauge, self._probe)
        self._read = 0
        self._due = STRIDE
        """The next look-out point, while nothing is busy."""
        self._settled = 0
        """What has been settled, while something is busy."""
        self._tail = ""
        """At least the last ``KEEP`` characters."""
        self._streams: dict[tuple[str, Hashable], Stream] = {}
        self._runs = 1
        self._spans: Spans | None = None
        """With what is made beside it, made at the first open gate: most answers have none."""
        self._busy = False
        """Whether a stream is open, or text is read backwards."""

    def feed(self, piece: str) -> Scan:
        if self._busy or len(piece) > _AT_ONCE:
            return self._follow(piece, 0)
        tail = self._tail + piece
        end = self._read + len(piece)
        if end >= self._due:
            look = self._gates.find(tail, self._due, end)
            if look and (look := self._worth(tail, look, end)):
                return self._follow(piece, look)
            self._due = end + STRIDE - end % STRIDE
            if len(tail) > 2 * KEEP:
                tail = tail[-KEEP:]
        self._tail = tail
        self._read = end
        return QUIET

    def finish(self) -> Sequence[Finding]:
        read = self._read
        if not self._busy:
            return ()
        found = [one for stream in self._streams.values() for one in stream.finish(read)]
        for rewind in (self._letters, self._words):
            found += rewind.finish(self._tail, read)
        return self._place(found, [], read)

    # --- gates -------------------------------------------------------------------------------------------

    def _worth(self, tail: str, look: int, end: int) -> int:
        """The first look-out point from ``look``, where a gate is open, at which there is something to do.

        0 if there is none up to ``end``, where ``tail`` ends. Mostly a gate is open for nothing.
        """
        while look and not self._opens(tail[max(0, (at := len(tail) - end + look) - KEEP) : at], look):
            self._gates.shut()
            look = self._gates.find(tail, look + STRIDE, end)
        return look

    def _opens(self, tail: str, look: int) -> bool:
        """Whether something can be read, or may be in reverse, at an open gate while nothing else is busy."""
        gate = self._gates
        if gate.backwards or gate.reordered:
            return True
        glance = Glance(tail, look)
        return any(True for decoder in gate.asked() for _ in decoder.open(glance))

    # --- where a gate is open -------------------------------------------------------------------------------

    def _follow(self, piece: str, look: int) -> Scan:
        """What is quiet at once, what is not block by block. ``look``: see :meth:`_pass`."""
        start, size = self._read, len(piece)
        settled: list[int] = []
        findings: list[Finding] = []
        while len(settled) < size:
            if self._busy:
                rest = STRIDE - self._read % STRIDE
                self._block(piece[len(settled) : len(settled) + rest], settled, findings)
            elif self._pass(piece[len(settled) : len(settled) + _AT_ONCE], look, settled):
                self._block(piece[len(settled)], settled, findings)
                look = 0
        self._due = self._read + STRIDE - self._read % STRIDE
        if not findings and settled == list(range(start + 1, start + size + 1)):
            return QUIET
        return Scan(findings, settled)

    def _pass(self, text: str, look: int, settled: list[int]) -> bool:
        """Read on to the character before the next look-out point at which a gate is open, if there is one.

        ``look``: that point where it is known, or 0.
        """
        start = self._read
        end = start + len(text)
        due = start + STRIDE - start % STRIDE
        if not look and due <= end:
            tail = self._tail + text
            look = self._worth(tail, self._gates.find(tail, due, end), end)
        stop = look - 1 if look else end
        self._tail = (self._tail + text[: stop - start])[-2 * KEEP :]
        self._read = self._settled = stop
        settled += range(start + 1, stop + 1)
        return look > 0

    def _block(self, text: str, settled: list[int], findings: list[Finding]) -> None:
        """At most the text up to the next look-out point: to one where a gate is open, if nothing is busy."""
        if self._spans is None:
            self._prepare()
        start = self._read
        limits = list(range(start + 1, start + len(text) + 1))
        found: list[Found] = []
        for key, stream in list(self._streams.items()):
            holds, more = stream.feed(text, start)
            limits = list(map(min, limits, holds))
            found += more
            if stream.closed:
                del self._streams[key]
        for rewind in (self._letters, self._words):
            if rewind.hold is not None:
                limits = [min(limit, rewind.hold) for limit in limits]
        self._tail = self._tail[-KEEP:] + text
        self._read = read = start + len(text)
        if read % STRIDE == 0:
            if self._busy:
                self._gates.find(self._tail, read, read)
            self._look(found)
            limits[-1] = self._hold()
        before = self._settled
        passed = [before := max(before, limit) for limit in limits]
        if found:
            findings += self._place(found, passed, start)
        self._settled = before
        self._busy = bool(self._streams) or self._letters.busy or self._words.busy
        settled += passed

    def _prepare(self) -> None:
        """What only an open gate needs."""
        detector, probe = self._detector, self._probe
        # A match may begin its budget in units before its span, with some blanks between these.
        budgets = (limit.budget for limit in self._view.thresholds.values())
        self._reach = reach = 4 + 2 * max(budgets, default=0)
        goes_on = _never if probe is None else probe.goes_on
        letters = _readers(detector, detector.inner, self._view, LETTERS, probe)
        words = _readers(detector, detector.runs, self._view, WORDS, probe)
        self._letters = Rewind(LETTERS, LETTERS_LINGER, 0, reach, letters, goes_on)
        self._words = Rewind(WORDS, WORDS_LINGER, 1, reach, words, goes_on)
        self._spans = Spans()

    def _hold(self) -> int:
        """The raw offset from which on something is held, or what was read."""
        holds = [stream.hold for stream in self._streams.values()]
        return min(
            (hold for hold in (*holds, self._letters.hold, self._words.hold) if hold is not None),
            default=self._read,
        )

    def _place(self, found: Sequence[Found], passed: Sequence[int], start: int) -> list[Finding]:
        """Findings in the order of ``at``, cut to what had not been settled one character before it."""
        assert self._spans is not None
        out: list[Finding] = []
        for one in sorted(found, key=lambda one: one.at):
            floor = passed[one.at - start - 1] if one.at > start and passed else self._settled
            finding = self._spans.place(one, floor, self._read)
            if finding is not None:
                out.append(finding)
        return out

    def _look(self, found: list[Found]) -> None:
        """Close what has gone by, open what can be read, read backwards what looks so."""
        gate, tail, read = self._gates, self._tail[-KEEP:], self._read
        for key, stream in list(self._streams.items()):
            if stream.transducer.expired(tail, read, stream.hold is not None):
                found += stream.finish(read - 1)
                del self._streams[key]
        glance = Glance(tail, read)
        self._open(gate.asked(), glance, found)
        found += self._letters.look(self._tail, read, gate.backwards)
        found += self._words.look(self._tail, read, gate.reordered)
        gate.shut()

    def _open(self, decoders: Iterable[Decoder], glance: Glance, found: list[Found]) -> None:
        """Ask decoders; replay the tail to each stream that opens."""
        busy = {name for name, _ in self._streams}
        for decoder in decoders:
            if decoder.alone and decoder.name in busy:
                continue
            for opening in decoder.open(glance):
                key = (decoder.name, opening.key)
                if key in self._streams:
                    continue
                self._runs += 1
                stream = Stream(opening.make(), self._scanners(decoder.nests), self._runs, self._reach)
                _, more = stream.feed(glance.tail[opening.start - glance.offset(0) :], opening.start)
                found += [replace(one, at=glance.read - 1) for one in more]
                if not stream.closed:
                    self._streams[key] = stream

    def _scanners(self, nested: bool) -> list[Scanner]:
        """Fresh scanners of the inner detectors, and one for codes within the code."""
        detectors: list[Detector] = list(self._detector.inner)
        if nested and self._detector.nested is not None:
            detectors.append(self._detector.nested)
        return [detector.scanner(self._view) for detector in detectors]


def _readers(
    detector: EncodedDetector, inner: Sequence[Detector], view: View, order: Order, probe: Probe | None
) -> Callable[[str], list[tuple[int, Scanner]]]:
    """Gives fresh scanners of those inner detectors that may find something in a text.

    Those that find runs know the caller's own words backwards as well: a list says something either way.
    """

    def readers(text: str) -> list[tuple[int, Scanner]]:
        skipped = detector.runs if probe is not None and not probe.knows(text) else ()
        return [
            (number, each.scanner(_mirrored(view, order) if each in detector.runs else view))
            for number, each in enumerate(inner)
            if each not in skipped
        ]

    return readers


def _mirrored(view: View, order: Order) -> View:
    """The same, with the caller's own words backwards too; shared by the request's channels."""
    if not view.echo:
        return view
    key = f"encoded.{order.name}"
    made: View | None = view.cache.get(key)
    if made is None:
        echo = (*view.echo, *map(order.whole, view.echo))
        made = view.cache[key] = replace(view, echo=echo, cache={})
    return made


def _never(text: str) -> bool:
    return False
