"""Who goes from document to document shows as a number, for an hour, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.server import probing
from proxy.server.probing import Probing
from proxy.types import Action, Decision, Finding, Provenance, Span, Verdict


@dataclass(slots=True)
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def decision(
    key: str, *documents: str, action: Action = Action.BLOCK, enforced: bool = True, subject: str = ""
) -> Decision:
    verdicts = tuple(
        Verdict(action, "r", Finding("d", "e", Span(0, 1), 0, provenance=Provenance(name, "a")), enforced)
        for name in documents
    )
    return Decision("i", 0.0, key, "public", "m", "/v1/x", "blocked", verdicts, subject=subject)


def test_documents_are_counted_by_key() -> None:
    """The same document twice is one; the number is that of the key with the most."""
    seen = Probing()
    assert seen.most() == 0
    for each in ("a", "b", "a", "c"):
        seen.note(decision("one", each))
    seen.note(decision("other", "d", "e"))
    assert seen.most() == 3


def test_what_was_not_stopped_does_not_count() -> None:
    """A verdict that only observes, one that allows, and one without a document."""
    seen = Probing()
    seen.note(decision("k", "a", enforced=False))
    seen.note(decision("k", "b", action=Action.ALLOW))
    seen.note(
        Decision(
            "i",
            0.0,
            "k",
            "r",
            "m",
            "p",
            "blocked",
            (Verdict(Action.BLOCK, "r", Finding("d", "e", Span(0, 1), 0)),),
        )
    )
    assert seen.most() == 0


def test_an_hour_later_it_is_forgotten() -> None:
    """Each document for itself."""
    clock = Clock()
    seen = Probing(clock)
    seen.note(decision("k", "a", "b"))
    clock.seconds = 3000.0
    seen.note(decision("k", "b"))
    clock.seconds = 3700.0
    assert seen.most() == 1
    clock.seconds = 7000.0
    assert seen.most() == 0


def test_memory_is_bounded() -> None:
    """Of too many documents, and of too many keys, the oldest go."""
    seen = Probing()
    for number in range(probing.MOST_DOCUMENTS + 5):
        seen.note(decision("k", str(number)))
    assert seen.most() == probing.MOST_DOCUMENTS
    for number in range(probing.MOST_KEYS):
        seen.note(decision(f"k{number}", "a"))
    assert seen.most() == 1


def test_subjects_are_counted() -> None:
    """The keys of one owner count together; so do the users of one key, whatever names it sends."""
    seen = Probing()
    for number, key in enumerate(("one", "two", "three")):
        seen.note(decision(key, f"d{number}", subject="own_0123456789abcdef"))
    assert seen.most() == 3
    for number in range(5):
        seen.note(decision("shared", f"e{number}", subject=f"usr_{number}"))
    assert seen.most() == 5
