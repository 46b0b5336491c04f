"""Ordinary text is neither held nor changed by what looks for encoded text, and costs it no memory."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.detectors.decoders.transducer import KEEP
from tests.detectors.benign import BENIGN
from tests.detectors.encodings import CHINESE, ENGLISH, b64
from tests.detectors.reference import cut, run, view
from tests.detectors.test_encoded import AFTER, PROSE, check, detector


@pytest.mark.parametrize("name", BENIGN)
def test_ordinary_text_is_neither_held_nor_changed(name: str) -> None:
    """No finding; held are at most the few characters of an escape or a group that is not complete."""
    secrets = (
        "Nothing of what stands here resembles any of these texts by more than a word or two.",
        CHINESE[0][::-1],
    )
    for before in PROSE:
        text = before + BENIGN[name] + AFTER
        findings, settled = run(detector(*secrets).scanner(view()), list(text))
        check(findings, settled)
        assert findings == []
        held = [read - limit for read, limit in enumerate(settled, 1)]
        assert max(held) <= 12
        assert sum(held) / len(held) <= 1.5


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=400))
def test_arbitrary_characters_raise_nothing_and_hold_little(text: str) -> None:
    """No text, however odd, makes the scanner raise, or hold more than one unfinished escape."""
    findings, settled = run(detector(ENGLISH[0]).scanner(view()), [text])
    check(findings, settled)
    assert findings == []
    assert all(read - limit <= 24 for read, limit in enumerate(settled, 1))


def test_a_long_answer_needs_no_more_memory_than_a_short_one() -> None:
    """What is kept of a run does not grow with it."""
    scanner = detector(ENGLISH[0]).scanner(view())
    raw = b64("some words that go on and on, as an answer may. " * 500)
    for piece in cut(raw, [997]):
        scanner.feed(piece)
    streams = vars(scanner)["_streams"].values()
    assert streams
    for stream in streams:
        assert len(stream._starts) == len(stream._done) < 2000
    assert len(vars(scanner)["_tail"]) <= 3 * KEEP


def test_an_inner_detector_that_holds_is_held_for_and_no_longer() -> None:
    """Encoded text that begins like a secret is held while it goes on like it, and then let go."""
    start = ENGLISH[0][:26]
    raw = b64(start + " and nothing of it after that, but other words altogether, for a while.")
    findings, settled = run(detector(ENGLISH[0]).scanner(view()), list(PROSE[0] + raw + AFTER))
    assert findings == []
    held = [read - limit for read, limit in enumerate(settled, 1)]
    assert 8 <= max(held) <= len(b64(start))
    assert held[-1] == 0
