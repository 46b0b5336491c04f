"""Tables, code and drawings written backwards: what looks like no language is told by its letters alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.encoded import EncodedDetector
from proxy.detectors.memorised import MemorisedDetector
from tests.detectors.benign import BENIGN
from tests.detectors.reference import cut, run, view
from tests.memory_index import MemoryIndex

CODE = """
    for (int lane = 0; lane < depth - gate - 1; lane++) {
            if (arr[lane] > arr[lane + 1]) {
                int held = arr[lane];
                arr[lane] = arr[lane + 1];
                arr[lane + 1] = held;
            }
"""
DRAWING = """
    +-------------------+
    |    核对分行名单   |
    +-------------------+
            |
            v
    +-------------------+
    |    封存旧的账册   |
    +-------------------+
            |
            v
    +-------------------+
    | 通知值夜班的经理  |
    +-------------------+
"""
RECORD = """
      "branch": {
         "rack": {
            "@no": "1",
            "kind": "Kept back",
            "type": "Box",
            "lid": "407"
         }
"""
SECRETS = [CODE, DRAWING, RECORD]
BEFORE, AFTER = "Here is what you asked for, as it stands there: ", " I hope that it is of some use to you."


def detector() -> EncodedDetector:
    """Memorised text alone, behind its quick tests, as the server puts the two together."""
    inner = MemorisedDetector(MemoryIndex({"admin": SECRETS}))
    return EncodedDetector([inner], begins=inner.begins)


@pytest.mark.parametrize("secret", SECRETS, ids=["code", "drawing", "record"])
@pytest.mark.parametrize("shift", range(0, 32, 5))
def test_sparse_text_backwards_is_found(secret: str, shift: int) -> None:
    """Wherever the look-out points fall: all is covered but for the budget and the gate's delay."""
    before = BEFORE + "." * shift
    raw = secret[::-1]
    findings, settled = run(detector().scanner(view()), list(before + raw + AFTER))
    assert findings
    covered = {place for finding in findings for place in range(finding.span.start, finding.span.end)}
    left = sum(letter.isalnum() for at, letter in enumerate(raw, len(before)) if at not in covered)
    assert left <= 32
    assert list(settled) == sorted(settled)
    for finding in findings:
        assert finding.span.start >= settled[finding.at - 1]


@pytest.mark.parametrize("text", [*SECRETS, *BENIGN.values()], ids=["code", "drawing", "record", *BENIGN])
def test_text_as_it_is_written_is_left_to_the_plain_scanners(text: str) -> None:
    """The sparse secrets and ordinary text have no finding here and hold a few characters at most."""
    findings, settled = run(detector().scanner(view()), list(BEFORE + text + AFTER))
    assert findings == []
    assert max(read - limit for read, limit in enumerate(settled, 1)) <= 12


def test_a_list_that_the_caller_wrote_is_its_own_either_way() -> None:
    """Read from its end it is in another record. To whom it came from it goes back; others do not get it."""
    listed = "lantern\nharbour\ntoken\nsupply\namber\nledger\npaper\ngate\nclock\ntower\nspare\nkeys\nbrushes"
    backwards = "\n".join(reversed(listed.split("\n")))
    index = MemoryIndex({"admin": [backwards, listed]})
    inner = MemorisedDetector(index)
    encoded = EncodedDetector([inner], begins=inner.begins)
    for text in (f"{listed}\n", f"{backwards}\n"):
        answer = f"{BEFORE}{text}{AFTER}"
        assert run(encoded.scanner(view()), list(answer))[0]
        findings, settled = run(encoded.scanner(view(echo=(f"What is in it?\n{text}",))), list(answer))
        assert findings == []
        assert settled[-1] == len(answer)
        assert run(encoded.scanner(view(echo=("What is in it?", AFTER))), list(answer))[0]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.sampled_from([BEFORE, AFTER, *SECRETS, *(secret[::-1] for secret in SECRETS)]).flatmap(
            lambda text: st.integers(0, len(text)).map(lambda end: text[:end])
        ),
        min_size=1,
        max_size=4,
    ).map("".join),
    st.lists(st.integers(1, 300), min_size=1, max_size=6),
)
def test_cutting_changes_nothing(text: str, sizes: list[int]) -> None:
    """Any cutting gives what one character at a time gives: findings and settled offsets."""
    single = run(detector().scanner(view()), list(text))
    assert run(detector().scanner(view()), list(cut(text, sizes))) == single
    assert run(detector().scanner(view()), [text]) == single
