"""Known values against a reader that tries every span: all are covered, and nothing else."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.types import Value
from proxy.values import forms_of
from proxy.values.reading import MEETS, SEPARATOR, UNSEEN, read
from tests.detectors.conformance import check_guarded, check_scanner, cut, deliver, run_scanner
from tests.detectors.shop import make
from tests.value_index import trie_of, typed, view


def occurrences(text: str, forms: set[str]) -> list[tuple[int, int]]:
    """Every raw span whose letters, in some reading, are a form, and where a word may begin and end."""
    glyphs = [read(character) for character in text]
    seen = [at for at, glyph in enumerate(glyphs) if glyph.kind != UNSEEN]
    kinds = {at: glyphs[at].kind for at in seen}
    before = {at: kinds[seen[n - 1]] if n else SEPARATOR for n, at in enumerate(seen)}
    after = {at: kinds[seen[n + 1]] if n + 1 < len(seen) else SEPARATOR for n, at in enumerate(seen)}
    longest = max(map(len, forms), default=0)
    found = []
    for start in seen:
        if not glyphs[start].letters or not MEETS[before[start]][kinds[start]]:
            continue
        readings = {""}
        for end in range(start, len(text)):
            glyph = glyphs[end]
            if glyph.letters:
                readings = {r + more for r in readings for more in (glyph.letters, glyph.digit) if more}
                readings = {r for r in readings if len(r) <= longest}
                if readings & forms and MEETS[kinds[end]][after[end]]:
                    found.append((start, end + 1))
            if not readings:
                break
    return found


ALPHABETS = ["ab", "aB1 ", "ab12-", "王小一1", "abcdefgh ", "a一1."]


def random_case(seed: int) -> tuple[str, list[str]]:
    """A text sewn together from values, pieces of them and separators, over a small alphabet."""
    dice = random.Random(seed)
    alphabet = dice.choice(ALPHABETS)
    word = lambda low, high: "".join(dice.choice(alphabet) for _ in range(dice.randrange(low, high)))  # noqa: E731
    values = [word(7, 14) for _ in range(dice.randrange(1, 5))]
    parts = []
    for _ in range(dice.randrange(1, 8)):
        piece = dice.choice([*values, word(1, 12)])
        if dice.random() < 0.3:
            piece = piece[dice.randrange(len(piece)) :]
        if dice.random() < 0.3:
            piece = dice.choice(["-", " ", "\u200b", "\u0301"]).join(piece)
        parts.append(piece.upper() if dice.random() < 0.2 else piece)
    return dice.choice(["", " ", ", ", "\n"]).join(parts), values


def test_every_occurrence_is_covered_and_nothing_else() -> None:
    """What the findings cover is what a reader finds that tries all spans; in 300 random texts."""
    checked = 0
    for seed in range(300):
        text, values = random_case(seed)
        known = [Value("code", value) for value in values]
        strong = [value for value in known if (forms := forms_of(value)) is not None and not forms.weak]
        index = trie_of({"admin": [[(value.entity, value.text) for value in strong]]})
        forms = {letters for value in strong for letters in forms_of(value).letters}  # type: ignore[union-attr]
        dice = random.Random(seed)
        sizes = [dice.randrange(1, 20) for _ in range(4)]
        findings = check_scanner(lambda i=index: make(i), text, sizes)
        expected = {at for start, end in occurrences(text, forms) for at in range(start, end)}
        covered = {at for f in findings for at in range(f.span.start, f.span.end)}
        marks = {at for at, character in enumerate(text) if read(character).kind == UNSEEN}
        assert covered - marks == expected - marks, (seed, text, values)
        checked += bool(expected)
    assert checked > 120


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_nothing_of_a_masked_value_remains(seed: int, sizes: list[int]) -> None:
    """Of what reaches the caller a second look finds nothing: no value stands in it in any form."""
    text, values = random_case(seed)
    index = trie_of({"admin": [[("code", value) for value in values if len(value) > 6]]})
    out, _ = deliver(lambda: [make(index)], lambda f: typed(f), cut(text, sizes))
    again, _ = run_scanner(lambda: make(index), [out.replace("[CODE]", " [Q] ")])
    assert not again


WEAK_ALPHABETS = ["ab ", "ab, ", "王小 "]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_conformance_with_weak_and_free_values(seed: int, sizes: list[int]) -> None:
    """Short, strong, long, cleared and echoed values together: any cutting gives the same answer."""
    dice = random.Random(seed)
    alphabet = dice.choice([*ALPHABETS, *WEAK_ALPHABETS])
    word = lambda low, high: "".join(dice.choice(alphabet) for _ in range(dice.randrange(low, high)))  # noqa: E731
    record = lambda: [(dice.choice(["code", "person"]), word(3, 12)) for _ in range(4)]  # noqa: E731
    long = word(70, 200)
    records = {"admin": [record(), record(), [("key", long)]], "public": [record()]}
    index = trie_of(records)
    values = [text for each in records.values() for values in each for _, text in values]
    parts = [dice.choice([*values, word(1, 30), long[: dice.randrange(60, 200)]]) for _ in range(12)]
    text = dice.choice(["", " ", ", "]).join(parts)
    sight = view(echo=(" ".join(dice.sample(values, 2)), long[: dice.randrange(100)]))
    check_scanner(lambda: make(index, sight), text, sizes)
    check_guarded(lambda: make(index, sight), text, sizes)
