"""Chat requests: what is refused, what is passed on, and whose words count."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects import chat
from proxy.dialects.chat import ChatRequest
from proxy.errors import RequestError

ALL = ("system", "developer", "user", "assistant", "tool", "function")


def ask(*, allow_logprobs: bool = False, **fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    return chat.request(body | fields, allow_logprobs=allow_logprobs)


def test_a_request_is_passed_on_as_it_came() -> None:
    """Known and unknown fields reach the upstream; the defaults are those of OpenAI."""
    request = ask(temperature=0.5, guided_regex="a+", n=None, stream=None, top_logprobs=0, logprobs=False)
    assert request.body["temperature"] == 0.5
    assert request.body["guided_regex"] == "a+"
    assert (request.model, request.stream, request.choices) == ("m", False, 1)
    assert (request.include_usage, request.json_output) == (False, False)


def test_what_the_answer_depends_on_is_read() -> None:
    """Streaming, the number of choices and the wish for the usage are read from the request."""
    request = ask(stream=True, n=128, stream_options={"include_usage": True})
    assert (request.stream, request.choices, request.include_usage) == (True, 128, True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": "m" * 257}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [7]}]}, "messages[0].content[0]"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.0}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"response_format": "json"}, "response_format"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 5}, "logprobs"),
        ({"top_logprobs": 5}, "logprobs"),
    ],
)
def test_a_wrong_request_is_refused(fields: dict[str, Any], param: str) -> None:
    """A request that cannot be served is refused with the name of the field."""
    with pytest.raises(RequestError) as error:
        ask(**fields)
    assert (error.value.param, error.value.status) == (param, 400)
    assert param.split("[")[0] in str(error.value) or param == "logprobs"


@pytest.mark.parametrize("body", [None, [], "text", 7])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    """A body must be a JSON object."""
    with pytest.raises(RequestError, match="JSON object"):
        chat.request(body, allow_logprobs=False)


def test_logprobs_may_be_allowed() -> None:
    """Whoever may see all text may ask for log-probabilities."""
    assert ask(logprobs=True, top_logprobs=5, allow_logprobs=True).allow_logprobs


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"response_format": {"type": "json_object"}}, True),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, True),
        ({"guided_json": {"type": "object"}}, True),
        ({"structured_outputs": {"json": {"type": "object"}}}, True),
        ({"response_format": {"type": "text"}}, False),
        ({"structured_outputs": {"regex": "a"}}, False),
    ],
)
def test_which_channels_are_json(fields: dict[str, Any], expected: bool) -> None:
    """Content is JSON where the request asks for it; the arguments of calls always are."""
    request = ask(**fields)
    assert request.json_output is expected
    assert request.is_json("content") is expected
    assert request.is_json("tool:0:arguments")
    assert request.is_json("function:arguments")
    for channel in ("tool:0:name", "tool:0:input", "refusal", "reasoning_content"):
        assert not request.is_json(channel)


MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "sys"},
    {"role": "developer", "content": "dev"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "part"}, {"type": "image_url"}, "bare"],
        "name": "Ann",
    },
    {"role": "assistant", "content": "mine", "name": "bot"},
    {"role": "tool", "content": "result", "tool_call_id": "call_a"},
    {"role": "function", "content": None, "name": "find"},
]


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ((), ()),
        (("user",), ("part", "bare", "Ann", "guess")),
        (("tool",), ("result",)),
        (("function",), ("find",)),
        (("system",), ("sys", "lookup\nwhat it does")),
        (("assistant",), ()),
        (ALL, ("sys", "dev", "part", "bare", "Ann", "result", "find", "guess", "lookup\nwhat it does")),
    ],
)
def test_own_words(roles: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """The words of the roles that count are the caller's own; the assistant's never are."""
    request = ask(
        messages=MESSAGES,
        tools=[{"lookup": "what it does"}],
        prediction={"type": "content", "content": "guess"},
    )
    assert request.own_words(roles) == expected


def test_own_words_of_a_schema() -> None:
    """The names and descriptions in tools and in the schema of the answer count with the system's words."""
    request = ask(
        functions=[{"name": "find", "enum": ["a", {"b": 1}]}],
        response_format={"type": "json_schema", "json_schema": {"name": "out", "strict": True}},
    )
    words = "\n".join(request.own_words(("developer",))).split()
    assert {"find", "a", "b", "json_schema", "out"} <= set(words)


def test_own_words_of_escaped_json() -> None:
    """A tool's answer in JSON counts as it stands and as what it says."""
    content = r' {"name": "\u5f20\u4e09", "note": "one\ntwo"}'
    request = ask(messages=[{"role": "tool", "content": content}])
    assert request.own_words(("tool",)) == (content, ' {"name": "张三", "note": "one\ntwo"}')
    plain = ask(messages=[{"role": "tool", "content": r"a path: C:\new"}])
    assert plain.own_words(("tool",)) == (r"a path: C:\new",)
