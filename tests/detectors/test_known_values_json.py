"""Known values in JSON: what is masked is still JSON."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.guard import StreamGuard
from proxy.jsontext import JsonCells
from proxy.types import Value
from proxy.values import forms_of
from tests.detectors.conformance import cut
from tests.detectors.shop import CUSTOMER, SHOP, make
from tests.detectors.test_known_values_reader import occurrences
from tests.value_index import typed

KNOWN = [text for kind, text in CUSTOMER if kind not in ("place",) and text != "80279"]
PLAIN = ["", "ok", 'a "quoted" line', "x\\y", "née", "好的", "7678071", "1.25"]


@st.composite
def documents(draw: st.DrawFn) -> tuple[object, str]:
    """A JSON value with known values among its strings, keys and numbers; and how it is written."""
    words = st.sampled_from([*KNOWN, *(f"<{text}>" for text in KNOWN), *PLAIN])
    scalars = words | st.sampled_from([None, True, 7678072, 13812345678, 0.5])
    value = draw(
        st.recursive(
            scalars,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
            max_leaves=8,
        )
    )
    indent = draw(st.sampled_from([None, 1]))
    return value, json.dumps(value, ensure_ascii=draw(st.booleans()), indent=indent)


@settings(max_examples=150, deadline=None)
@given(documents(), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_json_in_is_json_out(document: tuple[object, str], sizes: list[int]) -> None:
    """A masked document parses, no known value is in it, and the cutting changes nothing."""
    _, text = document
    outs = []
    for pieces in (list(text), cut(text, sizes)):
        guard = StreamGuard([make(SHOP)], typed, ceiling=100_000, cells=JsonCells())
        outs.append("".join(guard.feed(piece).text for piece in pieces) + guard.finish().text)
        assert not guard.stopped
    assert outs[0] == outs[1]
    left = json.dumps(json.loads(outs[0]), ensure_ascii=False)
    forms = {letters for kind, each in CUSTOMER for letters in _letters(kind, each)}
    assert not [form for form in forms if occurrences(left, {form})]


def _letters(kind: str, text: str) -> tuple[str, ...]:
    forms = forms_of(Value(kind, text))
    return () if forms is None or forms.weak else forms.letters


def test_a_thousand_objects_one_in_another() -> None:
    """The value at the bottom is masked, and the document stays one."""
    depth = 1000
    text = '{"a": [' * depth + '"noah.brown7922@example.com"' + "]}" * depth
    guard = StreamGuard([make(SHOP)], typed, ceiling=100_000, cells=JsonCells())
    out = "".join(guard.feed(character).text for character in text) + guard.finish().text
    assert out == text.replace("noah.brown7922@example.com", "[EMAIL]")
