"""Text completions: prompts, choices, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects import completions
from proxy.dialects.completions import CompletionRequest
from proxy.errors import RequestError


def ask(*, allow_logprobs: bool = False, **fields: Any) -> CompletionRequest:
    return completions.request({"model": "m", "prompt": "Hi"} | fields, allow_logprobs=allow_logprobs)


@pytest.mark.parametrize(
    ("prompt", "n", "choices"),
    [
        ("a", None, 1),
        ("a", 3, 3),
        (["a", "b"], 2, 4),
        ([1, 2, 3], 2, 2),
        ([[1], [2, 3]], None, 2),
        (None, None, 1),
    ],
)
def test_choices_of_all_prompts(prompt: object, n: int | None, choices: int) -> None:
    """Each prompt gives n choices; a list of tokens is one prompt."""
    assert ask(prompt=prompt, n=n).choices == choices


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"), ({"prompt": {}}, "prompt"), ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [[]]}, "prompt"), ({"prompt": ["a"] * 1025, "n": 2}, "prompt"), ({"n": 0}, "n"),
        ({"best_of": 1, "n": 2}, "best_of"), ({"best_of": 3, "stream": True}, "best_of"),
        ({"logprobs": 0}, "logprobs"), ({"logprobs": 5}, "logprobs"), ({"suffix": 7}, "suffix"),
        ({"echo": "yes"}, "echo"), ({"model": ""}, "model"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused(fields: dict[str, Any], param: str) -> None:
    """The refusal names the field."""
    with pytest.raises(RequestError) as error:
        ask(**fields)
    assert error.value.param == param


def test_the_prompt_is_the_callers_own() -> None:
    """Prompts and the suffix count under user, tokens cannot be read."""
    assert ask(prompt=["a", "b"], suffix="c").own_words(("user",)) == ("a", "b", "c")
    assert ask(prompt="a").own_words(("system",)) == ()
    assert ask(prompt=[1, 2]).own_words(("user",)) == ()


def test_structured_output_is_json_but_for_an_echo() -> None:
    """With the prompt before it an answer is no JSON."""
    assert ask(response_format={"type": "json_object"}).is_json("text")
    assert not ask(response_format={"type": "json_object"}, echo=True).is_json("text")
