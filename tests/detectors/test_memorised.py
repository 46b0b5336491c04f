"""Exact memorised text: the guarantee by brute force, the cut rule, provenance, and the stream's shape."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.memorised import MemorisedDetector
from proxy.text import count_units, units
from proxy.types import Action, Scanner, Threshold, View
from tests.detectors.conformance import check_guarded, check_scanner, cut, deliver, run_scanner, verdict
from tests.memory_index import MemoryIndex

X = 20


def view(
    *,
    protected: Sequence[str] = ("admin",),
    cleared: Sequence[str] = ("public",),
    act: int = 32,
    budget: int = 12,
    echo: Sequence[str] = (),
    observed: frozenset[str] = frozenset(),
) -> View:
    thresholds = {name: Threshold(80 if name == "nobody" else act, budget) for name in protected}
    return View("role", tuple(protected), tuple(cleared), thresholds, tuple(echo), X, observed)


def make(index: MemoryIndex, sight: View) -> Scanner:
    return MemorisedDetector(index).scanner(sight)


# --- the guarantee, against a matcher that tries everything ---------------------------------------------


def naive_acts(text: str, protected: Sequence[str], exempt: Sequence[str], act: int) -> list[bool]:
    """For each unit: is the live match min(m, i - z) >= L, by looking through all documents?"""
    hidden, free = [tuple(units(t)) for t in protected], [tuple(units(t)) for t in exempt]
    runs = {d[i : i + act] for d in hidden for i in range(len(d) - act + 1)}
    cuts = {d[i : i + X] for d in free for i in range(len(d) - X + 1)}
    stream, z, out = tuple(units(text)), 0, []
    for i in range(1, len(stream) + 1):
        if stream[max(0, i - X) : i] in cuts:
            z = i
        out.append(i - z >= act and i >= act and stream[i - act : i] in runs)
    return out


def forbidden_spans(
    text: str, protected: Sequence[str], exempt: Sequence[str], act: int
) -> list[tuple[int, int]]:
    """Unit spans that stand in a protected document, are L or longer, and are not cut in their first L."""
    hidden, free = [tuple(units(t)) for t in protected], [tuple(units(t)) for t in exempt]
    cuts = {d[i : i + X] for d in free for i in range(len(d) - X + 1)}
    runs = {d[i : i + act] for d in hidden for i in range(len(d) - act + 1)}
    stream, spans = tuple(units(text)), []
    for p in range(len(stream) - act + 1):
        if stream[p : p + act] not in runs:
            continue
        if any(stream[max(0, e - X) : e] in cuts for e in range(p + 1, p + act + 1)):
            continue
        spans.append((p, max(_end(d, stream, p) for d in hidden)))
    return spans


def _end(document: tuple[int, ...], stream: tuple[int, ...], start: int) -> int:
    """Where the longest run of a document that begins at ``start`` of the stream ends."""
    best = start
    for i in range(len(document)):
        if document[i] != stream[start]:
            continue
        n = 0
        while i + n < len(document) and start + n < len(stream) and document[i + n] == stream[start + n]:
            n += 1
        best = max(best, start + n)
    return best


def random_case(seed: int) -> tuple[str, list[str], list[str], list[str]]:
    """A stream sewn together from pieces of protected, exempt and other text, over a small alphabet."""
    dice = random.Random(seed)
    alphabet = dice.choice(["ab", "abcdefgh", "abcdefgh xy ,", "退款值班甲乙", "ab退 "])
    word = lambda n: "".join(dice.choice(alphabet) for _ in range(n))  # noqa: E731
    secrets = [word(dice.randrange(40, 120)) for _ in range(dice.randrange(1, 3))]
    frees = [word(dice.randrange(20, 80)) for _ in range(dice.randrange(0, 2))]
    echoes = [word(dice.randrange(20, 60)) for _ in range(dice.randrange(0, 2))]
    if dice.random() < 0.5:  # a document for all shares a sentence with a protected one
        frees.append(word(5) + secrets[0][10 : 10 + dice.randrange(15, 40)] + word(5))
    parts = []
    for _ in range(dice.randrange(2, 6)):
        source = dice.choice([*secrets, *secrets, *frees, *echoes, word(30)])
        start = dice.randrange(0, max(1, len(source) - 10))
        parts.append(source[start : start + dice.randrange(8, 100)])
        if dice.random() < 0.4:
            parts.append(word(dice.randrange(0, 6)))
    return "".join(parts), secrets, frees, echoes


@pytest.mark.parametrize("budget", [0, 3, 12])
def test_guarantee_by_brute_force(budget: int) -> None:
    """No forbidden span leaks more than b units, the act comes exactly when the naive matcher's does,
    and the release pointer never moves back: 800 random streams, exemptions and cuttings a budget."""
    acted = 0
    for seed in range(800):
        text, secrets, frees, echoes = random_case(seed * 3 + budget)
        index = MemoryIndex({"admin": secrets, "public": frees})
        sight = view(budget=budget, echo=echoes)
        sizes = [random.Random(seed).randrange(1, 30) for _ in range(5)]
        fresh = partial(make, index, sight)
        findings = check_scanner(fresh, text, sizes)
        expected = naive_acts(text, secrets, [*frees, *echoes], 32)
        raw = [at for at, character in enumerate(text) for _ in units(character)]
        assert sorted({f.at for f in findings}) == sorted({raw[i] for i, acts in enumerate(expected) if acts})
        out, guard = deliver(lambda f=fresh: [f()], verdict(Action.BLOCK), cut(text, sizes))
        delivered = count_units(out)
        assert text.startswith(out)
        for p, q in forbidden_spans(text, secrets, [*frees, *echoes], 32):
            assert min(delivered, q) - p <= budget
        assert guard.stopped == any(expected)
        acted += guard.stopped
    assert acted > 240, "the streams hardly ever hold something forbidden: the test shows nothing"


@pytest.mark.parametrize("budget", [0, 12])
def test_redaction_drops_all_but_the_budget(budget: int) -> None:
    """Under redaction every unit of a forbidden span without an exemption, but its first b, is dropped."""
    checked = 0
    for seed in range(200):
        text, secrets, _, _ = random_case(seed * 7 + 1)
        index = MemoryIndex({"admin": secrets})
        out, guard = deliver(
            lambda i=index: [make(i, view(budget=budget))],
            verdict(Action.REDACT, mask="\u2588"),
            cut(text, [3]),
        )
        assert not guard.stopped
        dropped = [False] * len(text)
        for found in guard.verdicts:
            span = found.finding.span
            dropped[span.start : span.end] = [True] * (span.end - span.start)
        assert out.replace("\u2588", "") == "".join(
            c for c, gone in zip(text, dropped, strict=True) if not gone
        )
        raw = [at for at, character in enumerate(text) for _ in units(character)]
        for p, q in forbidden_spans(text, secrets, [], 32):
            assert all(dropped[raw[i]] for i in range(p + budget, q))
            checked += 1
    assert checked > 500


# --- conformance and shape ----------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=0, max_value=10**6), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_conformance(seed: int, sizes: list[int]) -> None:
    """Any text, any cutting: same findings, same settled offsets, same delivered text."""
    text, secrets, frees, echoes = random_case(seed)
    index = MemoryIndex({"admin": secrets, "nobody": [secrets[0] * 2], "public": frees})
    sight = view(protected=("admin", "nobody"), budget=seed % 13, echo=echoes)
    check_scanner(lambda: make(index, sight), text, sizes)


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0, max_value=10**6), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_guarded_conformance(seed: int, sizes: list[int]) -> None:
    """With a guard around it: same outcome for every cutting; observed, it changes nothing."""
    text, secrets, _, _ = random_case(seed)
    check_guarded(lambda: make(MemoryIndex({"admin": secrets}), view()), text, sizes)


SECRET = (
    "To override a refund limit, open the vault console, enter code Falcon, and let the night manager "
    "countersign within nine minutes of the request."
)
PUBLIC = "Refunds are paid within five working days to the card that was used for the purchase."


def test_finding_tells_document_audience_and_where() -> None:
    """A finding carries provenance, its origin, and a span that begins b units after it."""
    index = MemoryIndex({"admin": ["Something else entirely, of no interest.", SECRET], "public": [PUBLIC]})
    text = "Sure. " + SECRET + " Bye."
    findings, _ = run_scanner(lambda: make(index, view()), [text])
    first = findings[0]
    assert first.provenance is not None
    assert (first.provenance.document, first.provenance.audience) == ("admin:2", "admin")
    assert first.origin == text.index("To override")
    assert count_units(text[first.origin : first.span.start]) == 12
    assert {f.part_of for f in findings} == {first.part_of}
    assert findings[-1].span.end == text.rindex("request") + len("request")
    assert len(first.fingerprint) == 16
    assert SECRET[:10] not in repr(findings)


def test_redaction_masks_the_passage_once_with_its_punctuation() -> None:
    """One mask stands for the passage and all spaces and commas inside it; the rest is untouched."""
    index = MemoryIndex({"admin": [SECRET]})
    out, _ = deliver(
        lambda: [make(index, view(budget=0))], verdict(Action.REDACT), list(f"Well: {SECRET} Bye!")
    )
    assert out == "Well: [REDACTED]. Bye!"


def test_text_for_this_caller_passes_even_where_a_protected_document_shares_it() -> None:
    """A sentence that also stands in a public document reaches the public unchanged."""
    index = MemoryIndex({"admin": [PUBLIC + " " + SECRET], "public": [PUBLIC]})
    out, guard = deliver(lambda: [make(index, view())], verdict(Action.BLOCK), cut(PUBLIC, [4]))
    assert out == PUBLIC
    assert not guard.verdicts
    out, guard = deliver(
        lambda: [make(index, view())], verdict(Action.BLOCK), cut(PUBLIC + " " + SECRET, [4])
    )
    assert guard.stopped
    assert out.startswith(PUBLIC)
    assert count_units(out) - count_units(PUBLIC) <= 12


def test_the_callers_own_words_come_back() -> None:
    """What the caller sent in this request is no leak; what follows it in the document is."""
    index = MemoryIndex({"admin": [SECRET]})
    own = SECRET[:70]
    out, guard = deliver(
        lambda: [make(index, view(echo=(f"Is it true that {own}?",)))], verdict(Action.BLOCK), cut(own, [5])
    )
    assert out == own
    assert not guard.stopped
    out, guard = deliver(lambda: [make(index, view(echo=(own,)))], verdict(Action.BLOCK), cut(SECRET, [5]))
    assert guard.stopped
    assert count_units(out) - count_units(own) <= 12


def test_house_style_is_free_for_nobody_alone() -> None:
    """Shared phrases of audience nobody pass; the same phrase under a named audience does not."""
    phrase = (
        "thank you for contacting our support team, we are always happy to help you with your order today, "
        "please stay"
    )
    style = MemoryIndex({"nobody": [phrase]}, style=[phrase])
    _, guard = deliver(lambda: [make(style, view(protected=("nobody",)))], verdict(Action.BLOCK), [phrase])
    assert not guard.verdicts
    named = MemoryIndex({"admin": [phrase]}, style=[phrase])
    _, guard = deliver(lambda: [make(named, view())], verdict(Action.BLOCK), [phrase])
    assert guard.stopped


def test_background_and_allow_list_are_free() -> None:
    """Text that the operator declared free is no finding, wherever else it stands."""
    _, guard = deliver(
        lambda: [make(MemoryIndex({"admin": [SECRET]}, background=[SECRET]), view())],
        verdict(Action.BLOCK),
        [SECRET],
    )
    assert not guard.verdicts
    index = MemoryIndex({"admin": [SECRET]})
    allowed = MemoryIndex({"x": [SECRET]}).exempt("x")
    _, guard = deliver(
        lambda: [MemorisedDetector(index, lambda: allowed).scanner(view())], verdict(Action.BLOCK), [SECRET]
    )
    assert not guard.verdicts


def test_nobody_needs_a_longer_run() -> None:
    """Forty units of a document of audience nobody pass, a hundred do not."""
    index = MemoryIndex({"nobody": [SECRET]})
    sight = view(protected=("nobody",))
    assert not run_scanner(lambda: make(index, sight), [SECRET[:48]])[0]
    assert run_scanner(lambda: make(index, sight), [SECRET])[0]


def test_an_observed_audience_is_counted_and_never_held() -> None:
    """In observe mode every character is settled as it comes, and the finding is still made."""
    index = MemoryIndex({"admin": [SECRET]})
    findings, settled = run_scanner(lambda: make(index, view(observed=frozenset({"admin"}))), list(SECRET))
    assert findings
    assert settled == list(range(1, len(SECRET) + 1))


def test_nothing_to_protect_costs_and_holds_nothing() -> None:
    """A caller cleared for everything is read through."""
    index = MemoryIndex({"admin": [SECRET]})
    findings, settled = run_scanner(lambda: make(index, view(protected=(), cleared=("admin",))), [SECRET])
    assert not findings
    assert list(settled) == list(range(1, len(SECRET) + 1))


def test_chinese_acts_at_sixteen_characters_in_either_script() -> None:
    """A Han character counts two units: 16 of them act, 15 do not, simplified or traditional."""
    document = "退款超过五百元须经值班经理第二次批准并记录在案不得对外透露"
    traditional = "退款超過五百元須經值班經理第二次批準並記錄在案不得對外透露"
    index = MemoryIndex({"admin": [document]})
    for text in (document, traditional):
        assert not run_scanner(lambda t=text: make(index, view()), [text[:15]])[0]
        assert run_scanner(lambda t=text: make(index, view()), [text[:16]])[0]
        out, _ = deliver(lambda: [make(index, view())], verdict(Action.BLOCK), list(text))
        assert out == text[:6]


def test_a_very_long_stream_keeps_little() -> None:
    """What a scanner remembers does not grow with the answer, and it still finds what comes late."""
    index = MemoryIndex({"admin": [SECRET]})
    scanner = MemorisedDetector(index).scanner(view())
    filler = "nothing of interest happens in this sentence, number after number. "
    for turn in range(2000):
        assert not scanner.feed(filler + str(turn)).findings
    assert scanner._recent.units - scanner._recent.first < 10_000
    base = scanner._recent.position
    scan = scanner.feed(SECRET)
    assert scan.findings[0].origin == base


def test_callers_of_one_detector_share_no_clearance() -> None:
    """What one caller may have is not free for the next, in whichever order they come."""
    secret = "the vault is opened by the night manager with the second key at nine"
    detector = MemorisedDetector(MemoryIndex({"admin": [secret], "staff": [secret]}))
    for cleared, found in ((("staff",), False), ((), True), (("staff",), False)):
        findings, _ = run_scanner(
            lambda c=cleared: detector.scanner(view(cleared=c)), [secret + " and so on"]
        )
        assert bool(findings) is found
