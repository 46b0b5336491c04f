"""proxy/patterns/shapes.py: a shape's twin fits every beginning of what the shape fits, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.patterns import PATTERNS
from proxy.patterns.shapes import Shape, any_case, chars, either, maybe, seq, several, text

SHAPES = {
    "text": text("ab."),
    "any_case": any_case("aB1"),
    "chars": chars("[ab]", 1, 3),
    "seq": seq("a", chars("[01]", 2), maybe("-"), "b"),
    "either": either("ab", seq("a", chars("[0]", 1, 2)), "ba"),
    "several": several(seq("a", maybe("-")), 2, 3),
    "nested": seq(maybe(either("a", "b0")), several(either("ab", chars("[01]")), 1, 2), "b"),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_live_fits_the_beginnings_and_only_these(shape: Shape, data: st.DataObject) -> None:
    """Compared with all that the shape fits, spelt out."""
    whole = data.draw(
        st.from_regex(re.compile(shape.full), fullmatch=True, alphabet=st.sampled_from("aAbB01-."))
    )
    assert len(whole) <= shape.longest
    for end in range(len(whole) + 1):
        assert re.fullmatch(shape.live, whole[:end])
    other = data.draw(st.text("ab01-.", max_size=6))
    if re.fullmatch(shape.live, other):
        assert _completes(shape, other), other


def _completes(shape: Shape, start: str, depth: int = 7) -> bool:
    """Whether some text that begins so fits the shape, by trying."""
    if re.fullmatch(shape.full, start):
        return True
    if depth == 0 or len(start) >= shape.longest or not re.fullmatch(shape.live, start):
        return False
    return any(_completes(shape, start + sign, depth - 1) for sign in "aAbB01-.")


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_every_pattern_stays_open_until_its_value_ends(pattern: object) -> None:
    """No value is let go in part: each beginning of an example is live for its pattern."""
    from proxy.patterns import Matcher, Pattern

    assert isinstance(pattern, Pattern)
    matcher = Matcher([pattern])
    for example in pattern.leaks:
        for found in matcher.find(example):
            data = matcher.alphabet.fold(example)
            least = found.end if not pattern.grows else found.start
            for end in range(found.opened, least + 1):
                assert matcher.closed_at(data[:end], found.opened) == end
