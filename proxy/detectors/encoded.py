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

from proxy.detectors.decoders import MARKED, SCRAMBLED, SPELT, STRANGE, language
from proxy.detectors.decoders.nato import TELLING
from proxy.detectors.decoders.reversal import (
    LEAST,
    LETTERS_LINGER,
    WORDS_LINGER,
    Rewind,
    letters_backwards,
    words_backwards,
    words_begin,
    words_gate,
)
from proxy.detectors.decoders.spans import Spans
from proxy.detectors.decoders.stream import Found, Stream
from proxy.detectors.decoders.transducer import KEEP, STRIDE, Decoder, Glance
from proxy.types import QUIET, Detector, Finding, Scan, Scanner, View

_STRANGE = -16
"""Points of the last 16 pairs below which they look like no language."""
_SCRAMBLED_TWO, _SCRAMBLED_THREE = 25, 45
"""Points of the letters of the last 16 and 24 pairs below which they look like no English."""
_ADD_TWO, _BITS_TWO = language.limits(2 * STRIDE, forward=_STRANGE, letters=_SCRAMBLED_TWO)
_ADD_THREE, _BITS_THREE = language.limits(3 * STRIDE, letters=_SCRAMBLED_THREE, excess=0)
_TEST_THREE = _BITS_THREE | language.MARKS
_PLAIN = language.plain_block(STRIDE)
_WORDS_EVERY = 8 * STRIDE
"""Characters between two looks at whole words."""
_WORDS = 9 * STRIDE
_BEGINS_EVERY = 4 * STRIDE
"""Characters between two looks whether the last words say something protected in the opposite order."""
Begins = Callable[[View], Callable[[str], bool]]


class EncodedDetector:
    """Finds in encoded text what the inner detectors find in plain text. Immutable, shared by all answers."""

    name = "encoded"

    def __init__(
        self,
        inner: Sequence[Detector],
        *,
        depth: int = 2,
        runs: Sequence[Detector] | None = None,
        begins: Begins | None = None,
        gauge: language.Gauge | None = None,
    ) -> None:
        """``depth``: how many codes may lie one in another. ``gauge``: a model to share.

        ``runs``: those of the inner detectors that find runs of words (default: all); the others find the
        same in words whatever their order, so that words backwards tell them nothing new.
        ``begins``: for a view, a quick test whether a text may begin as something protected does.
        """
        self.inner = tuple(inner)
        self.runs = self.inner if runs is None else tuple(runs)
        self.begins = begins
        self.gauge = language.Gauge() if gauge is None else gauge
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
        self._weight = detector.gauge.__getitem__
        self._begins = None if detector.begins is None else detector.begins(view)
        self._read = 0
        self._settled = 0
        self._tail = ""
        """At least the last ``KEEP`` characters."""
        self._old = self._new = _PLAIN
        """Packed weights of the last but one and the last block of ``STRIDE`` pairs."""
        self._two = self._three = 0
        """Sums of the last two and three blocks."""
        self._weighed = 0
        """The last look-out point that was weighed."""
        self._streams: dict[tuple[str, Hashable], Stream] = {}
        # A match may begin its budget in units before its span, with some blanks between these.
        reach = 4 + 2 * max((limit.budget for limit in view.thresholds.values()), default=0)
        self._reach = reach
        self._letters = Rewind(letters_backwards, LETTERS_LINGER, 0, reach)
        self._words = Rewind(words_backwards, WORDS_LINGER, 1, reach)
        self._runs = 1
        self._spans = Spans()
        self._busy = False
        """Whether a stream is open, or text is read backwards."""

    def feed(self, piece: str) -> Scan:
        start = self._read
        end = start + len(piece)
        if self._busy:
            return self._follow(piece)
        tail = self._tail + piece
        ahead = STRIDE - start % STRIDE
        if ahead > len(piece) or not self._suspects(tail, start + ahead, end):
            self._tail = tail if len(tail) <= 2 * KEEP else tail[-KEEP:]
            self._read = self._settled = end
            return QUIET
        return self._follow(piece)

    def finish(self) -> Sequence[Finding]:
        found = [one for stream in self._streams.values() for one in stream.finish(self._read)]
        return self._place(found, [], self._read)

    # --- gates -------------------------------------------------------------------------------------------

    def _suspects(self, tail: str, look: int, end: int) -> bool:
        """Weigh the blocks up to each look-out point from ``look`` to ``end``, where ``tail`` ends.

        Stops at the first point where a gate is open, and says whether there is one.
        """
        old, new, weight = self._old, self._new, self._weight
        found = False
        while look <= end and not found:
            size = len(tail) - end + look
            block = tail[size - STRIDE - 1 : size] if size > STRIDE else " " + tail[:size]
            last = weight(block[:3]) + weight(block[2:5]) + weight(block[4:7]) + weight(block[6:])
            two = new + last
            three = old + two
            old, new = new, last
            found = (
                (two + _ADD_TWO) & _BITS_TWO != _BITS_TWO
                or (three + _ADD_THREE) & _TEST_THREE != _BITS_THREE
                or (
                    not look % _BEGINS_EVERY
                    and self._suspects_words(tail[max(0, size - _WORDS) : size], look)
                )
            )
            look += STRIDE
        self._old, self._new, self._two, self._three = old, new, two, three
        self._weighed = look - STRIDE
        return found

    def _suspects_words(self, text: str, look: int) -> bool:
        if self._begins is not None and words_begin(text, self._begins):
            return True
        if look % _WORDS_EVERY:
            return False
        words = text.lower().split()
        return words_gate(text, words) or not TELLING.isdisjoint(words)

    # --- where a gate is open -------------------------------------------------------------------------------

    def _follow(self, piece: str) -> Scan:
        """Block by block."""
        settled: list[int] = []
        findings: list[Finding] = []
        position = 0
        while position < len(piece):
            size = STRIDE - self._read % STRIDE
            self._block(piece[position : position + size], settled, findings)
            position += size
        return Scan(findings, settled)

    def _block(self, text: str, settled: list[int], findings: list[Finding]) -> None:
        """At most the text up to the next look-out point."""
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
            # The gates of look-out points before the last one weighed have been found shut.
            fresh = read > self._weighed and not self._suspects(self._tail, read, read)
            if self._busy or (read == self._weighed and not fresh):
                self._look(found)
            limits[-1] = self._hold()
        before = self._settled
        passed = [before := max(before, limit) for limit in limits]
        if found:
            findings += self._place(found, passed, start)
        self._settled = before
        self._busy = bool(self._streams) or self._letters.busy or self._words.busy
        settled += passed

    def _hold(self) -> int:
        """The raw offset from which on something is held, or what was read."""
        holds = [stream.hold for stream in self._streams.values()]
        return min(
            (hold for hold in (*holds, self._letters.hold, self._words.hold) if hold is not None),
            default=self._read,
        )

    def _place(self, found: Sequence[Found], passed: Sequence[int], start: int) -> list[Finding]:
        """Findings in the order of ``at``, cut to what had not been settled one character before it."""
        out: list[Finding] = []
        for one in sorted(found, key=lambda one: one.at):
            floor = passed[one.at - start - 1] if one.at > start and passed else self._settled
            finding = self._spans.place(one, floor, self._read)
            if finding is not None:
                out.append(finding)
        return out

    def _look(self, found: list[Found]) -> None:
        """Close what has gone by, open what can be read, read backwards what looks so."""
        tail, read, two, three = self._tail[-KEEP:], self._read, self._two, self._three
        for key, stream in list(self._streams.items()):
            if stream.transducer.expired(tail, read, stream.hold is not None):
                found += stream.finish(read - 1)
                del self._streams[key]
        glance = Glance(tail, read)
        if language.forward(two, 2 * STRIDE) < _STRANGE:
            self._open(STRANGE, glance, found)
        if (
            language.letters(two, 2 * STRIDE) < _SCRAMBLED_TWO
            or language.letters(three, 3 * STRIDE) < _SCRAMBLED_THREE
        ):
            self._open(SCRAMBLED, glance, found)
        if language.marks(three):
            self._open(MARKED, glance, found)
        back = language.backward(three, 3 * STRIDE)
        suspected = back > max(LEAST, language.forward(three, 3 * STRIDE))
        self._rewind(self._letters, suspected, self._detector.inner, found)
        recent = tail[-_WORDS:]
        reordered = (
            not read % _BEGINS_EVERY and self._begins is not None and words_begin(recent, self._begins)
        )
        if read % _WORDS_EVERY == 0:
            words = recent.lower().split()
            reordered = reordered or words_gate(recent, words)
            if not TELLING.isdisjoint(words):
                self._open(SPELT, glance, found)
        self._rewind(self._words, reordered, self._detector.runs, found)

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

    def _rewind(self, rewind: Rewind, suspected: bool, inner: Sequence[Detector], found: list[Found]) -> None:
        def scanners() -> list[Scanner]:
            return [detector.scanner(self._view) for detector in inner]

        found += rewind.look(self._tail, self._read, suspected, scanners)
