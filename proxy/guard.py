"""The one exit: text deltas in, cleared text and verdicts out. No I/O, no clock, no policy, no metrics.

Strategy. Every piece goes to all scanners. Each says for every character how far the text is
settled (no finding still to come begins before), and its findings carry ``at``, the character that
decided them. The guard replays findings in the order of ``at``: before each it lets go what all
scanners had settled one character earlier. So the result is that of feeding one
character at a time, however the upstream cut its chunks.

A redaction drops its span and puts one mask where it begins; a block stops: what leaves is what was
settled one character before the character that decided it. A scanner that raises, a finding that comes
too late, or a hold beyond the ceiling stops as well.

May import: ``types`` and ``jsontext``. The rule that must stay true: only this file makes
``Cleared``, and only of text before every scanner's settled offset and outside every enforced span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from proxy.jsontext import Cells, PlainCells
from proxy.types import QUIET, Action, Cleared, Finding, Scan, Scanner, Span, Step, Verdict, in_full

HOLD_EXCEEDED = "hold-exceeded"
"""Rule id of a stop because more text was undecided than the policy allows."""

_GUARD = "guard"
_PART = 128
"""Characters that are given to the scanners at a time."""
_NOTHING = Cleared("")


@dataclass(slots=True)
class _Region:
    """Characters to be dropped. ``parts`` are the findings it grew from; ``masked``: mask is out."""

    start: int
    end: int
    parts: set[tuple[int, int]]
    mask: str
    masked: bool = False


def joined(first: Cleared | None, second: Cleared) -> Cleared:
    """Two cleared texts, one after the other."""
    return second if first is None else Cleared(first + second)


class StreamGuard:
    """Guards one channel of one choice of one answer. Not shared, not reusable."""

    def __init__(
        self,
        scanners: Sequence[Scanner],
        decide: Callable[[Finding], Verdict],
        *,
        ceiling: int = 4096,
        cells: Cells | None = None,
    ) -> None:
        """``ceiling``: most characters ever held undecided. ``cells``: how text is read and redacted."""
        self._scanners = scanners
        self._feeds = [scanner.feed for scanner in scanners]
        self._decide = decide
        self._ceiling = ceiling
        self._cells: Cells = PlainCells() if cells is None else cells
        self._regions: list[_Region] = []
        self._settled = 0
        """What all scanners had settled after the last piece."""
        self._verdicts: dict[tuple[int, int], Verdict] = {}
        self._singles = 0
        self._drops: list[tuple[int, int, str]] = []
        """Characters [start, end) that were dropped, and the mask in their place; in order."""
        self.received = 0
        self.released = 0
        """Characters that are out or dropped: [0, released) is decided and gone."""
        self.held_max = 0
        self.stopped = False

    @property
    def held(self) -> int:
        """Characters received and not yet decided."""
        return self.received - self.released

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts so far, one a span, each with the span as far as it has grown."""
        return tuple(self._verdicts.values())

    def cleared_of(self, text: str) -> Cleared:
        """Return what has left so far, made from ``text``: exactly what this guard was fed, plain text.

        Saves a caller that is sent the same text again from keeping what has left of it.
        """
        out: list[str] = []
        at = 0
        for start, end, mask in self._drops:
            out += text[at:start], mask
            at = end
        out.append(text[at : self.released])
        return Cleared("".join(out))

    def feed(self, raw: str) -> Step:
        """Take the next delta; return what may leave now."""
        if self.stopped:
            return Step(Cleared(""), stopped=True)
        text = self._cells.feed(raw)
        return self._read(text) if len(text) <= _PART else self._read_parts(text)

    def finish(self) -> Step:
        """The text has ended: let go or drop what is still held."""
        if self.stopped:
            return Step(Cleared(""), stopped=True)
        step = self._read_parts(self._cells.finish())
        if step.stopped:
            return step
        findings: list[tuple[int, Finding]] = []
        for number, scanner in enumerate(self._scanners):
            try:
                found = scanner.finish()
                if found:
                    findings += [(number, finding) for finding in found]
            except Exception:  # fail closed: a scanner that cannot finish has cleared nothing
                return self._fault(step.text, step.verdicts, "scanner")
        if not (findings or self._regions):  # nothing is left to be dropped or masked
            rest = self._cells.take(self.received - self.released) if self.released < self.received else ""
            self.released = self.received
            return Step(Cleared(step.text + rest), step.verdicts)
        out: list[str] = [step.text]
        new: list[Verdict] = list(step.verdicts)
        stop = self._apply(findings, new)
        if stop:
            return self._stop(out, new, stop)
        self._advance(self.received, out)
        return Step(Cleared("".join(out)), tuple(new))

    # --- one piece ---------------------------------------------------------------------------------------

    def _read_parts(self, text: str) -> Step:
        """A long piece part by part: behind a stop nothing more is looked at."""
        out: list[str] = []
        verdicts: list[Verdict] = []
        for start in range(0, len(text), _PART):
            step = self._read(text[start : start + _PART])
            out.append(step.text)
            verdicts += step.verdicts
            if step.stopped:
                return Step(Cleared("".join(out)), tuple(verdicts), stopped=True, fault=step.fault)
        return Step(Cleared("".join(out)), tuple(verdicts))

    def _read(self, text: str) -> Step:
        if not text:
            return Step(_NOTHING)
        try:
            scans = [feed(text) for feed in self._feeds]
        except Exception:  # fail closed: whatever a scanner raises, nothing of this piece leaves
            return self._fault("", (), "scanner")
        base, size = self.received, len(text)
        limit = end = base + size
        if self._regions or end - self._settled > self._ceiling:
            return self._replay(scans, base, size)
        for scan in scans:
            if scan is not QUIET:
                if scan.findings or len(scan.settled) != size:
                    return self._replay(scans, base, size)
                last = scan.settled[-1]
                if last > end:
                    return self._fault("", (), "scanner")
                if last < limit:
                    limit = last
        # Nothing was found and nothing is being dropped: what all have settled leaves.
        self._settled = limit
        self.received = end
        out = ""
        if limit > self.released:
            out = self._cells.take(limit - self.released)
            self.released = limit
        held = self.received - self.released
        if held > self.held_max:
            self.held_max = held
        return Step(Cleared(out))

    def _replay(self, scans: Sequence[Scan], base: int, size: int) -> Step:
        """A piece in which something was found, or in which text is dropped, character by character."""
        scans = [in_full(scan, base, size) for scan in scans]
        if any(_malformed(scan, base, size) for scan in scans):
            return self._fault("", (), "scanner")
        out: list[str] = []
        new: list[Verdict] = []
        overflow = self._overflow(scans, base, size)
        for at, group in _by_at(scans):
            if at - base > overflow:
                break
            self.received = at
            self._advance(self._limit(scans, at - base - 1), out)
            stop = self._apply(group, new)
            if stop:
                return self._stop(out, new, stop)
        if overflow < size:
            self.received = base + overflow
            self._advance(self._limit(scans, overflow - 1), out)
            return self._stop(out, [*new, self._exceeded(base + overflow)], "")
        self.received = base + size
        self._settled = min((scan.settled[-1] for scan in scans), default=self.received)
        self._advance(self._settled, out)
        self.held_max = max(self.held_max, self.received - self.released)
        return Step(Cleared("".join(out)), tuple(new))

    def _limit(self, scans: Sequence[Scan], index: int) -> int:
        """What every scanner had settled once character ``index`` of the piece was read."""
        if index < 0:
            return self._settled if scans else self.received
        return min((scan.settled[index] for scan in scans), default=self.received)

    def _overflow(self, scans: Sequence[Scan], base: int, size: int) -> int:
        """Index of the first character at which too much is undecided; ``size`` if there is none."""
        if not scans or base + size - self._settled <= self._ceiling:
            return size
        for index in range(size):
            if base + index + 1 - self._limit(scans, index) > self._ceiling:
                return index
        return size

    def _exceeded(self, at: int) -> Verdict:
        finding = Finding(_GUARD, HOLD_EXCEEDED, Span(self.released, at + 1), at)
        verdict = Verdict(Action.BLOCK, HOLD_EXCEEDED, finding)
        self._note((-1, 0), verdict)
        return verdict

    def _apply(self, group: Iterable[tuple[int, Finding]], new: list[Verdict]) -> str:
        """Ask the policy about findings of one character. Returns why to stop: 'block', 'late' or ''."""
        stop = ""
        for number, finding in group:
            verdict = self._decide(finding)
            if finding.part_of is None:
                self._singles += 1
                key = (-2 - number, self._singles)
            else:
                key = (number, finding.part_of)
            if self._note(key, verdict):
                new.append(verdict)
            if not verdict.enforced or verdict.action is Action.ALLOW:
                continue
            if verdict.action is Action.BLOCK:
                stop = "block"
            elif finding.span.start < self.released and not self._covered(finding.span, key):
                stop = stop or "late"
            else:
                self._mark(finding.span, key, verdict.mask)
        return stop

    def _note(self, key: tuple[int, int], verdict: Verdict) -> bool:
        """Remember a verdict; one that grows a span replaces the earlier. True when it is new."""
        known = self._verdicts.get(key)
        if known is None:
            self._verdicts[key] = verdict
            return True
        first, grown = known.finding, verdict.finding
        span = Span(min(first.span.start, grown.span.start), max(first.span.end, grown.span.end))
        self._verdicts[key] = replace(known, finding=replace(first, span=span, score=grown.score))
        return False

    # --- regions and release ---------------------------------------------------------------------------

    def _covered(self, span: Span, key: tuple[int, int]) -> bool:
        """Whether what lies of a span before the release pointer was dropped, not let go."""
        return any(region.start <= span.start and region.end >= self.released for region in self._regions)

    def _mark(self, span: Span, key: tuple[int, int], mask: str) -> None:
        """Add an enforced redaction. Overlapping spans, and parts of one finding, share one mask."""
        start, end = max(span.start, self.released), span.end
        joined = _Region(start, end, {key}, mask)
        rest: list[_Region] = []
        for region in self._regions:
            touches = region.start < joined.end and joined.start < region.end
            grows = key in region.parts and joined.start <= region.end and region.start <= joined.end
            if touches or grows:
                first = region if region.masked or region.start <= joined.start else joined
                joined = _Region(
                    min(region.start, joined.start),
                    max(region.end, joined.end),
                    region.parts | joined.parts,
                    first.mask,
                    region.masked or joined.masked,
                )
            else:
                rest.append(region)
        self._regions = sorted([*rest, joined], key=lambda region: region.start)

    def _advance(self, limit: int, out: list[str]) -> None:
        """Let go everything before ``limit`` that no region covers; drop what one covers."""
        limit = min(limit, self.received)
        while self.released < limit:
            region = next((r for r in self._regions if r.end > self.released), None)
            if region is None or region.start >= limit:
                out.append(self._cells.take(limit - self.released))
                self.released = limit
            elif region.start > self.released:
                out.append(self._cells.take(region.start - self.released))
                self.released = region.start
            else:
                end = min(region.end, limit)
                mask = self._cells.drop(end - self.released, None if region.masked else region.mask)
                out.append(mask)
                if not mask and self._drops and self._drops[-1][1] == self.released:
                    self._drops[-1] = (self._drops[-1][0], end, self._drops[-1][2])
                else:
                    self._drops.append((self.released, end, mask))
                region.masked = True
                self.released = end
        if self._regions:  # a region that is behind may still grow while nothing after it has been let go
            self._regions = [region for region in self._regions if region.end >= self.released]

    def _stop(self, out: list[str], new: Sequence[Verdict], why: str) -> Step:
        if why == "late":
            return self._fault("".join(out), new, "late-finding")
        self.stopped = True
        return Step(Cleared("".join(out)), tuple(new), stopped=True)

    def _fault(self, text: str, new: Sequence[Verdict], where: str) -> Step:
        self.stopped = True
        return Step(Cleared(text), tuple(new), stopped=True, fault=where)


def _malformed(scan: Scan, base: int, size: int) -> bool:
    """Whether a scan of ``size`` characters from ``base`` on leaves some out, or tells of others."""
    return len(scan.settled) != size or any(not base <= found.at < base + size for found in scan.findings)


def _by_at(scans: Sequence[Scan]) -> list[tuple[int, list[tuple[int, Finding]]]]:
    """The findings of all scanners, grouped by the character that decided them, in order."""
    groups: dict[int, list[tuple[int, Finding]]] = {}
    for number, scan in enumerate(scans):
        for finding in scan.findings:
            groups.setdefault(finding.at, []).append((number, finding))
    return sorted(groups.items())
