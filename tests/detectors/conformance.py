"""What every scanner must keep, whatever it looks for: the properties that the guard stands on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from proxy.guard import StreamGuard
from proxy.types import Action, Finding, Scanner, Verdict, in_full

MakeScanner = Callable[[], Scanner]


def cut(text: str, sizes: Sequence[int]) -> list[str]:
    """The text in pieces of these sizes, over and over."""
    pieces, at, turn = [], 0, 0
    while at < len(text):
        size = max(1, sizes[turn % len(sizes)])
        pieces.append(text[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def run_scanner(make: MakeScanner, pieces: Sequence[str]) -> tuple[list[Finding], list[int]]:
    """All findings and the settled offset after every character."""
    scanner, findings, settled = make(), [], []
    for piece in pieces:
        scan = in_full(scanner.feed(piece), len(settled), len(piece))
        assert len(scan.settled) == len(piece)
        findings.extend(scan.findings)
        settled.extend(scan.settled)
    findings.extend(scanner.finish())
    return findings, settled


def check_scanner(make: MakeScanner, text: str, sizes: Sequence[int]) -> list[Finding]:
    """Cutting (P1) and settling (P2) of one scanner on one text; returns its findings."""
    findings, settled = run_scanner(make, list(text))
    again, settled_again = run_scanner(make, cut(text, sizes))
    assert again == findings, "findings depend on the cutting"
    assert settled_again == settled, "settled offsets depend on the cutting"
    assert all(a <= b for a, b in pairwise(settled)), "the settled offset moved back"
    assert all(offset <= index + 1 for index, offset in enumerate(settled)), "settled what was not read"
    assert [f.at for f in findings] == sorted(f.at for f in findings), "findings out of order"
    for finding in findings:
        before = settled[finding.at - 1] if finding.at else 0
        assert 0 <= finding.span.start < finding.span.end <= min(finding.at + 1, len(text))
        assert finding.span.start >= before, "a finding begins in text that was settled"
    return findings


def deliver(
    make: Callable[[], Sequence[Scanner]],
    decide: Callable[[Finding], Verdict],
    pieces: Sequence[str],
    ceiling: int = 100_000,
) -> tuple[str, StreamGuard]:
    """What a guard with these scanners lets go of the pieces."""
    guard = StreamGuard(make(), decide, ceiling=ceiling)
    out = []
    for piece in pieces:
        step = guard.feed(piece)
        out.append(step.text)
        if step.stopped:
            return "".join(out), guard
    out.append(guard.finish().text)
    return "".join(out), guard


def verdict(
    action: Action, *, enforced: bool = True, mask: str = "[REDACTED]"
) -> Callable[[Finding], Verdict]:
    """A policy of one rule."""
    return lambda finding: Verdict(action, "rule", finding, enforced, mask)


def check_guarded(make: MakeScanner, text: str, sizes: Sequence[int]) -> None:
    """With a guard around it: same outcome for every cutting, and identity where nothing is enforced."""
    for action in (Action.REDACT, Action.BLOCK):
        one, first = deliver(lambda: [make()], verdict(action), list(text))
        two, second = deliver(lambda: [make()], verdict(action), cut(text, sizes))
        assert (one, first.stopped, first.verdicts) == (two, second.stopped, second.verdicts)
    same, guard = deliver(lambda: [make()], verdict(Action.BLOCK, enforced=False), cut(text, sizes))
    assert same == text
    assert not guard.stopped
