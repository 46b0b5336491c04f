"""Which look-out points of a text are worth a closer look."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detectors.decoders.gates import Gates
from proxy.detectors.decoders.gauge import Gauge
from proxy.detectors.decoders.language import is_mark, letter_score, score
from proxy.detectors.decoders.order import words_gate
from proxy.detectors.decoders.transducer import STRIDE
from tests.detectors.benign import BENIGN
from tests.detectors.encodings import CHINESE, ENCODINGS, ENGLISH, SCRAMBLES

_GAUGE = Gauge()
_TEXTS = [*BENIGN.values(), *ENGLISH, *CHINESE]
_TEXTS += [code.encode("abc def") for code in ENCODINGS.values()]
_TEXTS += [code.encode(ENGLISH[0].lower().replace(";", "")[:60]) for code in SCRAMBLES.values()]

Told = tuple[int, frozenset[str], bool, bool, bool]


def told(text: str, sizes: list[int]) -> list[Told]:
    """For each look-out point where a gate is open: who is asked, and what looks reversed."""
    gates, out, at, turn = Gates(_GAUGE, None), list[Told](), 0, 0
    while at < len(text):
        end = min(len(text), at + sizes[turn % len(sizes)])
        look = at - at % STRIDE + STRIDE
        while look <= end and (look := gates.find(text[:end], look, end)):
            names = frozenset(decoder.name for decoder in gates.asked())
            out.append((look, names, gates.backwards, gates.reordered, gates.spelt))
            gates.shut()
            look += STRIDE
        at, turn = end, turn + 1
    return out


def expected(text: str, look: int) -> tuple[bool, bool, bool, bool, bool]:
    """(strange, scrambled, marked, backwards, reordered), from the points of single pairs."""
    two, three = text[max(0, look - 17) : look], text[max(0, look - 25) : look]
    letters = [sum(map(letter_score, part, part[1:])) for part in (two, three)]
    back, words = score(three[::-1]), text[max(0, look - 72) : look]
    return (
        score(two) < -16,
        letters[0] < 25 or letters[1] < 45,
        any(map(is_mark, three[1:])),
        back > max(30, score(three)),
        look % 64 == 0 and words_gate(words, words.lower().split()),
    )


def test_gates_are_open_where_the_points_say_so() -> None:
    """Past the first blocks, which have plain text before them, the sums are those of the pairs."""
    for text in _TEXTS:
        found = {each[0]: each for each in told(text, [len(text)])}
        for look in range(4 * STRIDE, len(text) + 1, STRIDE):
            strange, scrambled, marked, *reversed_ = expected(text, look)
            _, names, backwards, reordered, _ = found.get(look, (look, frozenset[str](), False, False, False))
            asked = [name in names for name in ("base64", "rotation", "percent")]
            assert asked == [strange, scrambled, marked]
            assert [backwards, reordered] == reversed_


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 30), st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_what_is_told_does_not_depend_on_the_cutting(seed: int, sizes: list[int]) -> None:
    """One look-out point at a time or many at once: the same gates are open."""
    dice = random.Random(seed)
    text = "".join(dice.choice(_TEXTS)[: dice.randrange(1, 120)] for _ in range(4))
    assert told(text, sizes) == told(text, [1]) == told(text, [len(text)])


def test_a_word_of_a_spelling_alphabet_is_told_where_words_are_looked_at() -> None:
    """Every 64 characters."""
    text = "We were told that the team is called foxtrot, and that it plays the game on each Monday night."
    assert [(look, spelt) for look, *_, spelt in told(text, [len(text)]) if spelt] == [(64, True)]
