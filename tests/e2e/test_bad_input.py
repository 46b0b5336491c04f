"""Callers that misbehave or leave, and roles that are gone: a clear error, and the server lives on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from proxy.upstreams.scripted import STALL, Raw, Said, Says
from tests.limits import unlimited
from tests.serving import CHAT, QUESTION, Served, chunk, serving, write_policy
from tests.training import ADMIN, SmallIndex, shared_units

BUDGET = 12
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy, and a limit of 100 kB on requests."""
    with serving(small_index, tmp_path_factory.mktemp("bad"), max_body=100_000) as made:
        yield made


def still_alive(served: Served) -> None:
    """The next request is answered as if nothing had happened."""
    served.up.script(Says(Said("Still here.")))
    assert served.stream().text() == "Still here."


def wait_for(condition: Callable[[], bool]) -> None:
    """Until something has happened in the server's thread; a test that waits in vain fails."""
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it has not happened within ten seconds")


# --- the caller -----------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
def test_a_request_that_is_too_large(served: Served, announced: bool) -> None:
    """A body above the limit is a 413, whether its length is announced or it comes in pieces."""
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 110_000}]})
    pieces = (body[at : at + 10_000] for at in range(0, len(body), 10_000))
    asked = len(served.up.received)
    answer = served.web.post(CHAT, content=body if announced else pieces, headers=served.headers("public"))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"
    assert len(served.up.received) == asked
    still_alive(served)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b'{"model": "m"}',
        b'{"messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "m", "messages": []}',
        b'{"model": "m", "messages": [5]}',
        b'{"model": "m", "messages": [{"role": "user", "content": 5}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 0}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 1e9}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
        b"[" * 5000,
    ],
    ids=range(17),
)
def test_requests_that_make_no_sense(served: Served, body: bytes) -> None:
    """Malformed requests are a 400 in OpenAI's form, and the model is not asked."""
    asked = len(served.up.received)
    answer = served.web.post(CHAT, content=body, headers=served.headers("public"))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert len(served.up.received) == asked


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
def test_a_caller_who_leaves_before_the_answer(served: Served, stream: bool) -> None:
    """Nobody waits for the answer any more: the model's server is told by the closed connection."""
    served.up.script(Raw([STALL], headers=JSON if not stream else {"Content-Type": "text/event-stream"}))
    asked = len(served.up.received)
    body = {"model": "m", "messages": QUESTION, "stream": stream}
    with pytest.raises(httpx.ReadTimeout):
        served.web.post(
            CHAT, json=body, headers=served.headers("public"), timeout=httpx.Timeout(10, read=0.3)
        )
    wait_for(lambda: len(served.up.received) > asked and served.up.received[asked].left.is_set())
    wait_for(lambda: served.trail()[-1]["outcome"] == "cancelled")
    still_alive(served)


def test_a_caller_who_leaves_in_the_middle(served: Served) -> None:
    """When a caller closes a stream, the upstream's connection is closed and the decision is recorded."""
    served.up.script(Raw([chunk({"content": "Well: " + ADMIN[:40]}), STALL]))
    body = {"model": "m", "messages": QUESTION, "stream": True}
    with served.web.stream("POST", CHAT, json=body, headers=served.headers("public")) as response:
        first = next(response.iter_raw())
    assert shared_units(ADMIN, first.decode()) <= BUDGET
    wait_for(served.up.received[-1].left.is_set)
    wait_for(lambda: served.trail()[-1]["outcome"] in ("cancelled", "blocked"))
    assert served.metric("sluicegate_in_flight_streams") == 0
    still_alive(served)


# --- our own parts --------------------------------------------------------------------------------


def test_a_hold_that_reaches_its_ceiling(small_index: SmallIndex, tmp_path: Path) -> None:
    """Where more would have to be held than the role may, the answer is blocked by rule hold-exceeded."""
    policy = write_policy(
        tmp_path,
        unlimited(),
        ("    clearance: [public]\n", "    clearance: [public]\n    hold: 320\n"),
    )
    with serving(small_index, tmp_path, policy=policy) as served:
        served.up.script(Says(Said("Well: " + ADMIN[:30] + " " * 2000 + "x")))
        streamed = served.stream()
        assert streamed.finish() == "content_filter"
        assert [v["rule"] for v in served.trail()[-1]["verdicts"]] == ["hold-exceeded"]
        assert shared_units(ADMIN, streamed.text()) <= BUDGET


def test_a_key_whose_role_is_gone(served: Served) -> None:
    """A key of a role that the policy no longer has lets nobody in, and is counted as the policy's fault."""
    served.house.keys.create("ghost", "a stale key")
    key = served.key("ghost")
    asked = len(served.up.received)
    assert served.ask("ghost").status_code == 500
    assert key not in served.web.get("/metrics").text
    assert served.metric("sluicegate_faults_total", where="policy") >= 1
    assert len(served.up.received) == asked
