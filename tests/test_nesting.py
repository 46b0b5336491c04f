"""JSON under a limit on nesting: the limit is exact, and reading needs no recursion."""

from __future__ import annotations

import orjson
import pytest

from proxy.nesting import DEEPEST, TooDeep, loads


def nested(levels: int) -> str:
    """Arrays and objects in turn."""
    openings = ["[" if level % 2 else '{"a":' for level in range(levels)]
    closings = ["]" if level % 2 else "}" for level in reversed(range(levels))]
    return "".join(openings) + "1" + "".join(closings)


@pytest.mark.parametrize("kind", [str, str.encode])
def test_the_limit_is_exact(kind: type) -> None:
    assert orjson.dumps(loads(kind(nested(DEEPEST)))).decode() == nested(DEEPEST)
    with pytest.raises(TooDeep):
        loads(kind(nested(DEEPEST + 1)))


@pytest.mark.parametrize("text", ["1", '"[[[["', "null", "[]", "{}", "[" + "[]," * 500 + "[]]"])
def test_wide_and_flat_values_are_read(text: str) -> None:
    assert loads(text) == orjson.loads(text)


def test_brackets_in_strings_are_not_levels() -> None:
    assert loads(orjson.dumps(["[{" * 1000])) == ["[{" * 1000]


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[1,]", "NaN", '"\\ud800"'])
def test_text_that_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)
