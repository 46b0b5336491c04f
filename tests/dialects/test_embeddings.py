"""Embeddings: vectors pass, and nothing that is none."""

from __future__ import annotations

import base64
from array import array
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse

from proxy.dialects import embeddings
from proxy.errors import RequestError, UpstreamError


def ask(**fields: Any) -> embeddings.EmbeddingRequest:
    return embeddings.request({"model": "m", "input": "Hi"} | fields, allow_logprobs=False)


def body(*vectors: object, **more: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return {
        "object": "list",
        "data": data,
        "model": "m",
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    } | more


@pytest.mark.parametrize(("given", "choices"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2]], 2)])
def test_inputs_are_counted(given: object, choices: int) -> None:
    """Texts or tokens; a flat list of tokens is one text."""
    assert ask(input=given).choices == choices


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"), ({"input": []}, "input"), ({"input": None}, "input"),
        ({"stream": True}, "stream"), ({"encoding_format": "text"}, "encoding_format"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused(fields: dict[str, Any], param: str) -> None:
    """The refusal names the field."""
    with pytest.raises(RequestError) as error:
        ask(**fields)
    assert error.value.param == param


def test_vectors_come_back() -> None:
    """Numbers or base64 pass as they are; what else stands there does not."""
    encoded = base64.b64encode(array("f", [0.25, -3.0]).tobytes()).decode()
    made = ask(input=["a", "b"]).whole(body([0.5, 1], encoded, note="secret"), "x", "y").write({})
    assert made == body([0.5, 1], encoded)
    assert CreateEmbeddingResponse.model_validate(ask().whole(body([0.5]), "x", "y").write({}))


TEXT = base64.b64encode(b"this is a text of no numbers").decode()


@pytest.mark.parametrize(
    "vector",
    [
        "plain text",
        TEXT,
        TEXT[:-1],
        "",
        None,
        [],
        ["a"],
        [True],
        [float("nan")],
        [float("inf")],
        [1e9],
        {"a": 1},
    ],
)
def test_what_is_no_vector_is_refused(vector: object) -> None:
    """Text, in whatever form, is no vector."""
    with pytest.raises(UpstreamError):
        ask().whole(body(vector), "x", "y")


@pytest.mark.parametrize("count", [0, 2])
def test_one_vector_for_each_input(count: int) -> None:
    """Fewer or more than were asked for cannot be told apart from nonsense."""
    with pytest.raises(UpstreamError):
        ask().whole(body(*([[0.5]] * count)), "x", "y")


def test_there_is_nothing_to_guard() -> None:
    """No channel, no words of the caller's own, no stream."""
    request = ask()
    assert (request.own_words(("user",)), request.is_json("content"), request.stream) == ((), False, False)
    answer = request.whole(body([0.5]), "x", "y")
    assert list(answer.deltas) == []
    with pytest.raises(ValueError, match="no text"):
        answer.write({}, {0: "inc_1"})
    with pytest.raises(ValueError, match="not streamed"):
        request.streamed("x", "y")
