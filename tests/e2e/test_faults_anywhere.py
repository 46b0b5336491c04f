"""Any step of the proxy may raise: the caller reads an error in OpenAI's form, nothing uncleared leaves, the
failure is counted once by its kind, and what was raised is quoted nowhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from proxy.dialects import chat, completions, responses
from proxy.dialects.chat_plain import ChatPlain
from proxy.dialects.chat_stream import ChatStream
from proxy.dialects.completions_answers import CompletionPlain, CompletionStream
from proxy.dialects.responses_plain import ResponsePlain
from proxy.dialects.responses_stream import ResponseStream
from proxy.guard import StreamGuard
from proxy.policy import Policy
from proxy.server import answering, guard_routes, relay
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.server.gather import Gather
from proxy.server.guarding import Session
from proxy.server.limits import MemoryLimits
from proxy.server.state import House
from proxy.sse import SseParser
from proxy.upstreams.router import Router
from tests.e2e.faults import FORBIDDEN, SAYS, ask, check, endpoints, nothing_is_left_over, reply_of, runs
from tests.e2e.test_faults import in_the_middle
from tests.serving import Served, serving
from tests.training import SmallIndex

SECRET = "the text that made it fail"

Place = tuple[Any, str]

BEFORE: dict[str, Place] = {
    "reading the body": (answering, "read_body"),
    "the policy's role": (Policy, "role"),
    "the guards": (Firewall, "guards"),
    "the view": (Policy, "view"),
    "limits": (MemoryLimits, "admit"),
    "the model's name": (Router, "serves"),
}
"""Steps before the model is asked, the same for every endpoint."""

DIALECT: dict[str, dict[str, Place]] = {
    "/chat/completions": {
        "checking": (chat, "wrong"),
        "own words": (chat.ChatRequest, "own_words"),
        "streamed": (chat.ChatRequest, "streamed"),
        "read": (ChatStream, "read"),
        "write": (ChatStream, "write"),
        "cut": (ChatStream, "cut"),
        "whole": (ChatPlain, "__init__"),
        "written": (ChatPlain, "write"),
    },
    "/completions": {
        "own words": (completions.CompletionRequest, "own_words"),
        "streamed": (completions.CompletionRequest, "streamed"),
        "read": (CompletionStream, "read"),
        "write": (CompletionStream, "write"),
        "whole": (CompletionPlain, "__init__"),
        "written": (CompletionPlain, "write"),
    },
    "/responses": {
        "own words": (responses.ResponseRequest, "own_words"),
        "streamed": (responses.ResponseRequest, "streamed"),
        "read": (ResponseStream, "read"),
        "write": (ResponseStream, "write"),
        "whole": (ResponsePlain, "__init__"),
        "written": (ResponsePlain, "write"),
    },
}
GUARDS: dict[str, Place] = {
    "a guard's text": (StreamGuard, "feed"),
    "a guard's end": (StreamGuard, "finish"),
    "opening a guard": (AnswerGuards, "_guard"),
    "a verdict": (Policy, "decide"),
    "noting a step": (AnswerGuards, "_note"),
    "gathering": (Gather, "add"),
    "reading events": (SseParser, "feed"),
    "encoding": (relay, "_encode"),
}


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("faults")) as made:
        made.key("public")
        made.key("admin")
        made.key("gateway")
        yield made


def break_at(patch: pytest.MonkeyPatch, place: Place, time: int) -> list[int]:
    """Let a step raise at its ``time``-th call only; what is in the list counts the calls."""
    owner, name = place
    real, calls = getattr(owner, name), [0]

    def broken(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == time:
            raise RuntimeError(SECRET)
        return real(*arguments, **named)

    patch.setattr(owner, name, broken)
    return calls


def faults(served: Served) -> float:
    return sum(served.metric("sluicegate_faults_total", where=where) for where in ("relay", "unhandled"))


def steps() -> list[Any]:
    made = []
    for endpoint, places in DIALECT.items():
        for name, place in itertools.chain(BEFORE.items(), places.items(), GUARDS.items()):
            made.append(pytest.param(endpoint, place, id=f"{endpoint[1:]}-{name.replace(' ', '_')}"))
    return made


@pytest.mark.parametrize("time", [1, 2, 4])
@pytest.mark.parametrize(("endpoint", "place"), steps())
def test_a_step_that_raises(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    endpoint: str,
    place: Place,
    time: int,
) -> None:
    for stream in (True, False):
        before = faults(served)
        with monkeypatch.context() as patch:
            calls = break_at(patch, place, time)
            served.up._script.clear()
            served.up.script(reply_of(endpoint, SAYS, stream))
            answer = ask(served, endpoint, stream)
        check(answer)
        assert SECRET not in answer.text
        if calls[0] < time:
            continue  # this way of answering does not take the step so often
        assert faults(served) == before + 1
        if answer.status_code != 200:
            assert answer.status_code == 500
            assert answer.headers["content-type"] == "application/json"
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        else:
            assert '"error"' in answer.text or "response.failed" in answer.text
            assert "[DONE]" not in answer.text
    assert SECRET not in "".join(capfd.readouterr())
    assert SECRET not in served.house.settings.trail_path.read_text("utf-8")
    nothing_is_left_over(served)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/readyz", (House, "faults")),
        ("/metrics", None),
        ("/v1/models", (Router, "models")),
        ("/v1/nowhere", None),
    ],
)
def test_a_page_that_raises(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str, place: Place | None
) -> None:
    headers = served.headers("public")
    if place is None and path != "/metrics":
        answer = served.web.request("OPTIONS", path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
        return
    before = faults(served)
    with monkeypatch.context() as patch:
        break_at(patch, place or (served.house.metrics, "render"), 1)
        answer = served.web.get(path, headers=headers)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert answer.headers["x-request-id"] in answer.json()["error"]["message"]
    assert SECRET not in answer.text
    assert faults(served) == before + 1


@pytest.mark.parametrize("path", ["/v1/guard", "/beta/litellm_basic_guardrail_api"])
@pytest.mark.parametrize(
    "place",
    [(Session, "read"), (guard_routes, "read_body"), (StreamGuard, "feed"), (Firewall, "guards")],
    ids=["session", "body", "guard", "guards"],
)
def test_a_guard_endpoint_that_raises(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str, place: Place
) -> None:
    body = {"text": SAYS} if path == "/v1/guard" else {"input_type": "response", "texts": [SAYS]}
    with monkeypatch.context() as patch:
        calls = break_at(patch, place, 1)
        answer = served.web.post(path, json=body, headers=served.headers("gateway"))
    if calls[0]:
        assert answer.status_code == 500
        assert answer.json()["error"]["type"] == "server_error"
    assert SECRET not in answer.text


@endpoints
def test_a_stream_whose_error_cannot_be_written_breaks_off(
    served: Served, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """Nothing but the end of the connection is left then; the server lives and has counted it."""
    kinds = {"/chat/completions": ChatStream, "/completions": CompletionStream, "/responses": ResponseStream}
    before = faults(served)
    with (
        monkeypatch.context() as patch,
        pytest.raises(httpx.RemoteProtocolError),
        in_the_middle(served, endpoint) as got,
    ):
        break_at(patch, (kinds[endpoint], "read"), 1)
        break_at(patch, (kinds[endpoint], "failed"), 1)
    assert FORBIDDEN.isdisjoint(runs(b"".join(got).decode()))
    assert faults(served) == before + 2
    nothing_is_left_over(served)
