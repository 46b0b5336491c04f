"""What can go wrong behind the proxy: nothing uncleared leaves, the error is clear, it is counted, nothing is
left over, and the process lives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy import sse
from proxy.upstreams.scripted import CUT, STALL, Raw, Step
from tests.e2e.faults import (
    CLEAN,
    FORBIDDEN,
    SAYS,
    ask,
    check,
    endpoints,
    events,
    failed,
    hurried,
    nothing_is_left_over,
    outcomes,
    runs,
    spoken,
)
from tests.e2e.surface import CUT as PIECE
from tests.serving import Served, serving
from tests.training import ADMIN, NOBODY, SmallIndex


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with hurried(small_index, tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.fixture(autouse=True)
def clean_afterwards(served: Served) -> Iterator[None]:
    """After each test the server is as it was before."""
    yield
    nothing_is_left_over(served)


@endpoints
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("steps", [[CUT], [0.1, CUT]], ids=["before the head", "after it"])
def test_it_dies_before_it_has_said_anything(
    served: Served, endpoint: str, stream: bool, steps: list[Step]
) -> None:
    """A server that hangs up is asked once more; when it hangs up again the answer is a 502."""
    before = outcomes(served, endpoint, "upstream_error")
    served.up.script(Raw(steps), Raw(steps))
    answer = ask(served, endpoint, stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    assert outcomes(served, endpoint, "upstream_error") == before + 1


@endpoints
@pytest.mark.parametrize("stream", [True, False])
def test_it_never_says_anything(served: Served, endpoint: str, stream: bool) -> None:
    """A server that takes the request and is silent: 504 when its time is over, and it is hung up on."""
    before = outcomes(served, endpoint, "upstream_error")
    client: Any = served.house.upstream.default.client  # type: ignore[union-attr]
    client._first_byte = 0.5
    try:
        served.up.script(Raw([STALL]))
        answer = ask(served, endpoint, stream)
    finally:
        client._first_byte = 5.0
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_error")
    assert outcomes(served, endpoint, "upstream_error") == before + 1
    received = served.up.received[-1]
    for _ in range(500):
        if received.left.is_set():
            break
        time.sleep(0.02)
    assert received.left.is_set()


@endpoints
@pytest.mark.parametrize("stream", [True, False])
def test_it_refuses(small_index: SmallIndex, tmp_path: Path, endpoint: str, stream: bool) -> None:
    """Nobody listens there: 502, at once."""
    with serving(small_index, tmp_path, upstream="http://127.0.0.1:1/v1") as other:
        answer = ask(other, endpoint, stream)
        assert answer.status_code == 502
        assert "cannot be reached" in answer.json()["error"]["message"]
        assert outcomes(other, endpoint, "upstream_error") == 1


BROKEN: Mapping[str, list[Step]] = {
    "stalls": [STALL],
    "dies between events": [CUT],
    "dies in an event": [b'data: {"choi', CUT],
    "dies in a character": ['data: {"choices": "中'.encode()[:-1], CUT],
    "ends in a character": ['data: {"choices": "中'.encode()[:-1]],
    "ends in an event": [b'data: {"choi'],
    "sends no UTF-8": [b"data: \xff\xfe\n\n"],
    "sends garbage": [b"\x00\x01\x02\r\ndata: \x03\n\n"],
    "sends half a JSON": [b'data: {"a": \n\n'],
    "sends a list": [b"data: [1]\n\n"],
    "reports an error": [b'data: {"error": {"message": "' + ADMIN.encode() + b'"}}\n\n'],
    "sends an event of 33 MB": [b"data: " + b" " * 33_000_000 + b"\n\n"],
}


@endpoints
@pytest.mark.parametrize("said", [CLEAN, f"Well, {NOBODY[:70]}"], ids=["clean", "in a word that is held"])
@pytest.mark.parametrize("kind", BROKEN)
def test_it_breaks_in_the_middle(served: Served, endpoint: str, kind: str, said: str) -> None:
    """The caller reads what was cleared and an error in our words; what was held stays behind."""
    before = outcomes(served, endpoint, "upstream_error")
    begun = events(endpoint, said)
    heads = {"/chat/completions": 1, "/completions": 0, "/responses": 3}[endpoint]
    served.up.script(Raw([*begun[: heads + len(said) // PIECE - 1], *BROKEN[kind]]))
    made = check(ask(served, endpoint))
    assert "model server" in failed(made)
    assert outcomes(served, endpoint, "upstream_error") == before + 1
    assert served.trail()[-1]["outcome"] == "upstream_error"


@pytest.mark.parametrize("endpoint", ["/chat/completions", "/completions"])
def test_no_finish_is_made_up(served: Served, endpoint: str) -> None:
    """A stream that ends without a finish gives its held text, and no reason."""
    served.up.script(Raw([each for each in events(endpoint, CLEAN) if b'finish_reason":"' not in each]))
    made = check(ask(served, endpoint))
    assert "".join(text for each in made for text in spoken(each)) == CLEAN
    assert all(choice["finish_reason"] is None for each in made for choice in each["choices"])


@endpoints
def test_after_the_end_nothing_is_read(served: Served, endpoint: str) -> None:
    """A second [DONE], and text after the first, are not looked at."""
    served.up.script(Raw([*events(endpoint, CLEAN), sse.DONE, sse.DONE, *events(endpoint, SAYS), sse.DONE]))
    answer = ask(served, endpoint)
    made = check(answer)
    assert answer.text.count("[DONE]") == (0 if endpoint == "/responses" else 1)
    assert "".join(text for each in made for text in spoken(each)) == CLEAN


@endpoints
def test_an_event_of_more_than_a_megabyte(served: Served, endpoint: str) -> None:
    """It is read like any other: what is clean passes, a secret in its middle does not."""
    for said, finish in ((CLEAN * 40_000, None), (CLEAN * 40_000 + ADMIN + CLEAN * 9000, "content_filter")):
        served.up.script(Raw(large(endpoint, said)))
        answer = ask(served, endpoint)
        assert len(answer.content) > 1_000_000
        assert ("content_filter" in answer.text) is (finish is not None)
        assert FORBIDDEN.isdisjoint(runs(answer.text[-20_000:]))


def large(endpoint: str, said: str) -> list[bytes]:
    """An answer whose text comes in one event."""
    if endpoint == "/responses":
        where = {"item_id": "it_0", "output_index": 0, "content_index": 0}
        whole = {"id": "r", "status": "completed", "output": [], "model": "m"}
        made = [
            {"type": "response.output_text.delta", **where, "delta": said},
            {"type": "response.completed", "response": whole},
        ]
    else:
        text = {"delta": {"content": said}} if endpoint == "/chat/completions" else {"text": said}
        made = [{"choices": [{"index": 0, "finish_reason": None, **text}]}]
        made += [{"choices": [{"index": 0, "finish_reason": "stop", "text": "", "delta": {}}]}]
    return [sse.encode(orjson.dumps(each)) for each in made]


@pytest.mark.parametrize("endpoint", ["/chat/completions", "/completions"])
def test_two_choices_that_take_turns(served: Served, endpoint: str) -> None:
    """Each has its own guards: one is blocked, the other comes whole."""
    served.up.script(Raw([*events(endpoint, SAYS, CLEAN), sse.DONE]))
    made = check(ask(served, endpoint, n=2))
    choices = [choice for each in made for choice in each["choices"]]
    said = "".join(
        c.get("delta", c).get("content") or c.get("text") or "" for c in choices if c["index"] == 1
    )
    assert said == CLEAN
    assert {c["finish_reason"] for c in choices if c["index"] == 0} - {None} == {"content_filter"}
