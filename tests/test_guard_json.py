"""The guard and JSON: read as it is meant, and kept whole."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.guard import StreamGuard
from proxy.jsontext import JsonCells
from proxy.types import Action
from tests.detectors.conformance import cut, verdict
from tests.toy_scanners import MASK, SIZES, Words

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(alphabet='abx\\"\n中', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="abxn", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def strings(value: Any) -> list[str]:
    """All strings of a JSON value, names of members too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(said for part in value.values() for said in strings(part))]
    return [said for part in value for said in strings(part)] if isinstance(value, list) else []


@settings(max_examples=200)
@given(VALUES, SIZES, st.booleans(), st.sampled_from([("ab", "bx"), ("中",), ("1", "tr", "a"), ("x", "\n")]))
def test_redacted_json_stays_json(
    value: Any, sizes: list[int], ascii_only: bool, words: tuple[str, ...]
) -> None:
    """JSON goes in and JSON comes out, for every cutting, without the redacted words."""
    raw = json.dumps(value, ensure_ascii=ascii_only)
    outcomes = set()
    for pieces in (cut(raw, sizes), list(raw), [raw]):
        guard = StreamGuard([Words(*words)], verdict(Action.REDACT, mask=MASK), cells=JsonCells())
        outcomes.add("".join(guard.feed(piece).text for piece in pieces) + guard.finish().text)
    (out,) = outcomes
    if not guard.verdicts:
        assert out == raw
        return
    assert not any(word in said for word in words for said in strings(json.loads(out)))


def test_json_is_read_decoded() -> None:
    """Escapes are undone before the scanners look, so a word spelt in escapes is found and dropped."""
    raw = '{"note": "\\u0061b and \\u4e2d", "n": 12}'
    guard = StreamGuard([Words("ab", "中")], verdict(Action.REDACT, mask=MASK), cells=JsonCells())
    out = guard.feed(raw).text + guard.finish().text
    assert json.loads(out) == {"note": f"{MASK} and {MASK}", "n": 12}
    assert guard.received < len(raw)


def test_an_escape_that_never_ends_is_judged_at_the_end() -> None:
    """What waits for the rest of an escape reaches the scanners at ``finish``, and can still stop there."""
    guard = StreamGuard([Words("\\u00")], verdict(Action.BLOCK), cells=JsonCells())
    assert guard.feed('"a\\u00').text == '"a'
    assert guard.finish().stopped
