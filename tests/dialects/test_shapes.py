"""The shapes: every dialect of the table has them, and a block says the same for every cause."""

from __future__ import annotations

import pytest

from proxy.dialects import DIALECTS
from proxy.dialects.shapes import CONTENT_FILTER_RESULTS, error_frame, refusal

BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("path", ["/chat/completions"])
def test_a_dialect_has_its_shapes(path: str) -> None:
    """A request of each dialect gives a streamed and a whole answer."""
    request = DIALECTS[path](BODY, allow_logprobs=False)
    answer = request.streamed("id", "Stopped.")
    assert not answer.over
    assert list(answer.cut().ended) == []
    assert list(request.whole({"choices": []}, "id", "Stopped.").deltas) == []


def test_a_block_does_not_say_its_cause() -> None:
    """Both categories are said to be found, and the sentence holds the incident's number."""
    assert all(result == {"detected": True, "filtered": True} for result in CONTENT_FILTER_RESULTS.values())
    assert len(CONTENT_FILTER_RESULTS) == 2
    assert refusal("Stopped.", "inc-1") == "Stopped. (incident inc-1)"


def test_an_error_in_a_stream_is_openais() -> None:
    """An error that comes after the stream has begun has OpenAI's fields."""
    assert error_frame("It broke.", code="upstream").data == {
        "error": {"message": "It broke.", "type": "upstream_error", "param": None, "code": "upstream"}
    }
