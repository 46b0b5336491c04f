"""The real OpenAI client against the real server: calls and structured output are read and masked as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.upstreams.scripted import Said, Says
from tests.e2e.sdk import BUDGET, MASK, both, secrets
from tests.serving import Served, serving
from tests.training import NOBODY, NOBODY_ZH, SmallIndex, shared_units


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy."""
    with serving(small_index, tmp_path_factory.mktemp("default")) as made:
        yield made


@both
def test_a_tool_call_passes(served: Served, request_answer: Any) -> None:
    """A call reaches the caller with its name and its arguments, letter for letter."""
    arguments = json.dumps({"city": "Ghent", "note": "早上好", "days": [1, 2.5, None]})
    served.up.script(Says(Said(calls=[("get_weather", arguments)], finish="tool_calls")))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", arguments)


@both
@secrets
def test_a_secret_spelt_in_escapes_is_blocked(served: Served, request_answer: Any, secret: str) -> None:
    r"""Arguments are matched as JSON says them: ``\u`` escapes hide nothing, and half a call is withheld."""
    spelt = "".join(f"\\u{ord(c):04x}" for c in secret)
    served.up.script(Says(Said(calls=[("note", f'{{"text": "{spelt}"}}')], finish="tool_calls")))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "content_filter"
    for call in choice.message.tool_calls or ():
        # Streamed, what was let go before is out; it says no more than the budget.
        said = json.loads(call.function.arguments.rstrip("}").removesuffix('"') + '"}')["text"]
        assert shared_units(secret, said) <= BUDGET


@both
@pytest.mark.parametrize("text", [NOBODY, NOBODY_ZH], ids=["English", "Chinese"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_redacted_arguments_are_still_json(
    served: Served, request_answer: Any, text: str, ascii_only: bool
) -> None:
    """A redaction in arguments leaves JSON that parses, the mask in the string and the rest untouched."""
    arguments = json.dumps({"to": "desk", "lines": [f"A: {text}", "B"], "n": 3}, ensure_ascii=ascii_only)
    served.up.script(Says(Said(calls=[("file_complaint", arguments)], finish="tool_calls")))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "tool_calls"
    said = json.loads(choice.message.tool_calls[0].function.arguments)
    assert (said["to"], said["n"], said["lines"][1]) == ("desk", 3, "B")
    assert said["lines"][0].count(MASK) == 1
    assert shared_units(text, said["lines"][0].removeprefix("A: ")) <= BUDGET


@both
def test_structured_output_stays_json(served: Served, request_answer: Any) -> None:
    """Content that was asked for as JSON is redacted as JSON."""
    served.up.script(Says(Said(json.dumps({"quote": NOBODY, "fine": True}))))
    content = request_answer(served, response_format={"type": "json_object"}).choices[0].message.content
    said = json.loads(content)
    assert said["fine"] is True
    assert MASK in said["quote"]
