"""Near-verbatim text: found though words were changed, and held only while a chain lives."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.ladder import NEAR_PASSAGE
from proxy.detectors.memorised import MemorisedDetector
from proxy.detectors.near import CLOSE_GAP, GAP, HOLD, SPAN, Chain
from proxy.types import Action, Finding, Scanner, Threshold, View
from tests.detectors.conformance import check_guarded, check_scanner, cut, deliver, run_scanner, verdict
from tests.memory_index import MemoryIndex

SECRET = (
    "When a guest reports a broken lantern, the clerk opens the amber ledger, writes the lantern number "
    "and the hour, and walks to the north gate to fetch the spare. If no spare is left, the clerk calls "
    "the harbour office, asks for the night supply, and signs for two lanterns. The guest receives a "
    "paper token worth one free crossing, and the token is stamped with the seal of the day before it "
    "leaves the desk."
)
OTHER = "Ferries leave every hour from pier two. Tickets are sold at the kiosk beside the old clock tower."
WORDS = ["river", "stone", "cloud", "paper", "winter", "garden", "silver", "window", "yellow", "forest"]


def view(**changes: object) -> View:
    made = {
        "role": "public",
        "protected": ("admin",),
        "cleared": ("public",),
        "thresholds": {"admin": Threshold(32, 12, 48)},
    }
    return View(**{**made, **changes})  # type: ignore[arg-type]


def make(index: MemoryIndex, sight: View | None = None) -> Scanner:
    return MemorisedDetector(index).scanner(sight or view())


def swapped(text: str, share: float, seed: int = 3) -> str:
    dice = random.Random(seed)
    return " ".join(dice.choice(WORDS) if dice.random() < share else word for word in text.split())


def every_fifth_word(text: str) -> str:
    """No run of 32 units is left: only the chain can find it."""
    return " ".join(WORDS[i % 10] if i % 5 == 4 else word for i, word in enumerate(text.split()))


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.entity for finding in findings}


INDEX = MemoryIndex({"admin": [OTHER[::-1], SECRET], "public": [OTHER]})


def test_every_fifth_word_changed_is_found_by_the_chain() -> None:
    """With no exact run of L left, the chain still finds the passage, and tells its document."""
    findings, _ = run_scanner(lambda: make(INDEX), [every_fifth_word(SECRET)])
    assert kinds(findings) == {NEAR_PASSAGE}
    assert findings[0].provenance is not None
    assert findings[0].provenance.document == "admin:2"
    assert findings[0].span.end <= len(every_fifth_word(SECRET))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_random_swaps_are_found(share: float) -> None:
    """Ten, twenty and thirty per cent of the words swapped: the passage is stopped, ten times of ten."""
    for seed in range(10):
        text = f"{OTHER} {swapped(SECRET, share, seed)}"
        _, guard = deliver(lambda t=text: [make(INDEX)], verdict(Action.BLOCK), cut(text, [7]))
        assert guard.stopped


def test_shuffled_groups_of_words_are_found() -> None:
    """The passage in groups of seven words in another order has no diagonal, and is found all the same."""
    words = SECRET.split()
    groups = [words[i : i + 5] for i in range(0, len(words), 5)]
    random.Random(4).shuffle(groups)
    text = " ".join(" ".join(group) for group in groups)
    assert run_scanner(lambda: make(INDEX), [text])[0]


def test_ordinary_text_is_neither_found_nor_held() -> None:
    """Text that shares no seeds with the index passes as it comes."""
    text = " ".join(swapped(SECRET, 1.0, seed) for seed in range(5))
    findings, settled = run_scanner(lambda: make(INDEX), list(text))
    assert not findings
    assert settled == list(range(1, len(text) + 1))


def test_seeds_of_text_for_this_caller_are_not_distinctive() -> None:
    """Where the same passage stands in a public document too, its changed form is free."""
    shared = MemoryIndex({"admin": [SECRET], "public": [SECRET]})
    findings, settled = run_scanner(lambda: make(shared), list(every_fifth_word(SECRET)))
    assert not findings
    # The exact match still holds what its budget does not let go, until X units of it are free.
    assert max(index + 1 - offset for index, offset in enumerate(settled)) <= 12


def test_the_callers_own_words_are_free() -> None:
    """A passage that the caller sent is no leak in a changed form either."""
    sight = view(echo=(SECRET,))
    findings, _ = run_scanner(lambda: make(INDEX, sight), [every_fifth_word(SECRET)])
    assert not findings


def test_the_callers_own_words_build_no_chain() -> None:
    """Half of a document is repeated from the question: what follows it must be enough by itself."""
    half = SECRET.index("The guest receives")
    rest = every_fifth_word(SECRET[half : half + 50])
    text = f"{SECRET[:half]}{rest} and that is all there is to say of it."
    findings, _ = run_scanner(lambda: make(INDEX, view(echo=(SECRET[:half],))), [text])
    assert not findings
    findings, _ = run_scanner(lambda: make(INDEX), [text])
    assert NEAR_PASSAGE in kinds(findings)
    whole = SECRET[:half] + every_fifth_word(SECRET[half:])
    findings, _ = run_scanner(lambda: make(INDEX, view(echo=(SECRET[:half],))), [whole])
    assert kinds(findings) == {NEAR_PASSAGE}
    assert min(finding.span.start for finding in findings) >= half


def test_background_is_free() -> None:
    """Seeds of declared free text count for nothing."""
    index = MemoryIndex({"admin": [SECRET]}, background=[SECRET])
    assert not run_scanner(lambda: make(index), [every_fifth_word(SECRET)])[0]


def test_cover_zero_switches_it_off() -> None:
    """A threshold of 0 units means no chains at all."""
    sight = view(thresholds={"admin": Threshold(32, 12, 0)})
    assert not run_scanner(lambda: make(INDEX, sight), [every_fifth_word(SECRET)])[0]


def test_observed_chains_hold_nothing() -> None:
    """In observe mode the finding is made and every character is settled as it comes."""
    sight = view(observed=frozenset({"admin"}))
    findings, settled = run_scanner(lambda: make(INDEX, sight), list(every_fifth_word(SECRET)))
    assert kinds(findings) == {NEAR_PASSAGE}
    assert settled == list(range(1, len(settled) + 1))


def test_a_chain_that_dies_lets_go() -> None:
    """Text held for a chain that never acts is released once no seed has come for GAP units."""
    start = " ".join(SECRET.split()[:9])  # enough to hold, too little to act
    after = " ".join(WORDS * 5)
    index = MemoryIndex({"admin": [SECRET]}, acts={"admin": 80})
    sight = view(thresholds={"admin": Threshold(80, 12, 60)})
    findings, settled = run_scanner(lambda: make(index, sight), list(f"{start} {after}"))
    assert not findings
    held = [index + 1 - offset for index, offset in enumerate(settled)]
    assert max(held) > 0
    assert held[-1] == 0
    assert max(held) < 2 * (GAP + SPAN)


def test_text_that_acts_late_is_held_late() -> None:
    """Where C is high, ordinary text that is alike in places is held from C / 3 on, and not for long."""

    def most_held(cover: int) -> int:
        sight = view(thresholds={"admin": Threshold(80, 12, cover)})
        index = MemoryIndex({"admin": [SECRET]}, acts={"admin": 80})
        start = " ".join(SECRET.split()[:9])
        _, settled = run_scanner(lambda: make(index, sight), list(f"{start} {' '.join(WORDS * 5)}"))
        return max(at + 1 - offset for at, offset in enumerate(settled))

    low, high = most_held(60), most_held(136)
    assert low > GAP > CLOSE_GAP
    assert high < low


def test_the_mask_runs_from_the_first_held_character() -> None:
    """What was held when the chain acts is masked too, and one mask stands for the passage."""
    text = f"Well: {every_fifth_word(SECRET)} Bye bye."
    out, _ = deliver(lambda: [make(INDEX)], verdict(Action.REDACT), list(text))
    assert out.count("[REDACTED]") == 1
    assert out.startswith("Well: ")
    assert len(out) < len(text) / 2


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.floats(0.0, 0.6),
    st.lists(st.integers(1, 60), min_size=1, max_size=4),
    st.sampled_from([0, 5, 12]),
)
def test_conformance(seed: int, share: float, sizes: list[int], budget: int) -> None:
    """Any changed passage between other text, any cutting: same findings and settled offsets."""
    text = f"{OTHER} {swapped(SECRET, share, seed)} {OTHER}"
    sight = view(thresholds={"admin": Threshold(32, budget, 48)})
    check_scanner(lambda: make(INDEX, sight), text, sizes)
    check_guarded(lambda: make(INDEX, sight), text, sizes)


def test_a_chain_counts_each_unit_once() -> None:
    """Overlapping intervals add up to their union, and what is older than SPAN no longer counts."""
    chain = Chain(0, 0, 0)
    chain.touch(0, 12)
    chain.touch(4, 16)
    assert chain.cover == 16
    chain.touch(30, 42)
    assert chain.cover == 28
    chain.touch(SPAN + 20, SPAN + 32)
    assert chain.cover == 24
    assert chain.cover >= HOLD


def test_the_mask_ends_with_the_passages_last_words() -> None:
    """The words after the last intact run belong to the passage too; what follows it does not."""
    words = SECRET.split()
    words[-4] = "velvet"  # "before it leaves the desk." has no intact run of a seed's length left
    words[-7] = "orange"
    text = " ".join(words) + " Thank you for asking, and have a very pleasant evening by the sea tonight."
    sight = view(thresholds={"admin": Threshold(159, 12, 48)})
    index = MemoryIndex({"admin": [SECRET]}, acts={"admin": 159})
    out, guard = deliver(lambda: [make(index, sight)], verdict(Action.REDACT), list(text))
    assert out.endswith("Thank you for asking, and have a very pleasant evening by the sea tonight.")
    assert "leaves the desk" not in out
    assert guard.verdicts[0].finding.score > 0.8


def test_a_passage_at_the_end_of_the_answer_is_masked_to_its_end() -> None:
    """Where the answer ends with the passage, its last words are masked though no seed reaches them."""
    text = " ".join([*SECRET.split()[:-2], "velvet", "desk."])
    sight = view(thresholds={"admin": Threshold(159, 12, 48)})
    index = MemoryIndex({"admin": [SECRET]}, acts={"admin": 159})
    out, _ = deliver(lambda: [make(index, sight)], verdict(Action.REDACT), list(text))
    assert out.endswith("[REDACTED].")
