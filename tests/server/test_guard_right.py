"""Who may ask the guard, over HTTP: the walks that read an index through it, and what one call may cost.

The figures of before are those of a ``public`` key on the two endpoints, without a model.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.index import BuildOptions, build_index
from proxy.server.guard_sessions import Caps, Sessions
from proxy.server.guard_work import Bounds
from proxy.types import Document, Value
from proxy.upstreams.scripted import Said, Says
from tests.limits import unlimited
from tests.redis_server import redis_server
from tests.serving import CHAT, QUESTION, Served, serving, write_policy
from tests.training import ADMIN, KEY, SmallIndex

NEUTRAL = "/v1/guard"
LITELLM = "/beta/litellm_basic_guardrail_api"
ORDERS = ["W7301846", "W7302295", "W7309517", "W7316620", "W7348801"]
"""The order numbers of a small made-up set."""

WITHOUT = ("public", "staff", "admin")
"""Roles without the right."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An index of orders, one a document, and of the admin's procedure."""
    folder = tmp_path_factory.mktemp("right")
    sent = "Order {} was sent to the customer's new address on Monday."
    documents = [Document(f"o:{n}", (sent.format(order),), "admin") for n, order in enumerate(ORDERS)]

    def values(document: Document) -> list[Value]:
        return [Value("order", order) for order in ORDERS if order in document.texts[0]]

    documents.append(Document("p:1", (ADMIN,), "admin"))
    build_index(documents, folder / "o.idx", BuildOptions(key=KEY), values=values)
    with serving(SmallIndex(folder / "o.idx", KEY), folder) as made:
        yield made


def calls(served: Served, ended: str, role: str) -> float:
    return served.metric("sluicegate_guard_calls_total", role=role, outcome=ended)


def ask(served: Served, by: str, path: str = NEUTRAL, **body: Any) -> httpx.Response:
    return served.web.post(path, json=body, headers=served.headers(by))


def learned(answer: httpx.Response) -> object:
    """Everything of an answer that could depend on the index."""
    kept = {k: v for k, v in answer.headers.items() if k not in ("date", "x-request-id")}
    return answer.status_code, answer.content, kept


@pytest.mark.parametrize("role", WITHOUT)
def test_held_tells_no_order_numbers_digit_by_digit(served: Served, role: str) -> None:
    """Before: `held` told which next digit is a live prefix; all 1,000 order numbers in 21 requests, all 239
    payment ids in 11. Now every guess, right or wrong, has the very same answer."""
    before = calls(served, "forbidden", role)
    prefixes = [f"It is W73{digit}" for digit in "0123456789"]
    prefixes += [f"It is {ORDERS[0][:n]}" for n in range(1, 9)]
    answers = [ask(served, role, texts=prefixes, final=False, stream="walk")]
    answers += [ask(served, role, text=prefix, final=False) for prefix in prefixes]
    answers += [ask(served, role, LITELLM, input_type="response", texts=[prefix]) for prefix in prefixes]
    assert len({repr(learned(each)) for each in answers}) == 1
    assert answers[0].status_code == 403
    assert answers[0].json()["error"]["code"] == "guard_not_allowed"
    assert calls(served, "forbidden", role) == before + len(answers)


@pytest.mark.parametrize("role", WITHOUT)
def test_documents_are_not_extended_from_known_units(served: Served, role: str) -> None:
    """Before: from 16 known units an internal document was read on at 2 units a request, by trying what the
    hold grows with. Now neither the words, nor which of them are right, change the answer."""
    known = ADMIN[:20]
    true, wrong = known + ADMIN[20:22], known + "qz"
    assert len({repr(learned(ask(served, role, text=each, final=False))) for each in (true, wrong)}) == 1
    walk = {repr(learned(ask(served, role, texts=[ADMIN[:n]], final=False))) for n in range(16, 60, 2)}
    assert len(walk) == 1


def test_the_walk_would_work_for_a_gateway(served: Served) -> None:
    """The right is what stops the walk: whoever has it sees `held`, so its keys are secrets."""
    live, dead = (
        ask(served, "gateway", text=f"It is W73{digit}", final=False).json()["held"][0] for digit in "09"
    )
    assert live != dead


def test_a_refusal_does_not_depend_on_the_call(served: Served) -> None:
    """Not on its form, its size or its role; the body is not even read."""
    bodies: list[bytes] = [b"", b"no JSON", b"[" * 1000, b'{"text": "a", "role": "admin"}', b"x" * 100_000]
    seen = set()
    for path in (NEUTRAL, LITELLM):
        for body in bodies:
            answer = served.web.post(path, content=body, headers=served.headers("staff"))
            seen.add((answer.status_code, answer.content))
    assert len(seen) == 1


def test_who_has_no_key(served: Served) -> None:
    """401, as everywhere."""
    for path in (NEUTRAL, LITELLM):
        for headers in ({}, {"Authorization": "Bearer sk-sg-" + "A" * 43}):
            assert served.web.post(path, json={"text": "a"}, headers=headers).status_code == 401


def test_a_gateways_key_on_other_endpoints(served: Served) -> None:
    """It uses no model: 403, nothing reaches the model server, and no model is listed."""
    received = len(served.up.received)
    for path in (CHAT, "/v1/completions", "/v1/responses", "/v1/embeddings"):
        body = {"model": "m", "messages": QUESTION, "prompt": "Hi", "input": "Hi"}
        answer = ask(served, "gateway", path, **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "role_not_allowed")
    assert len(served.up.received) == received
    models = served.web.get("/v1/models", headers=served.headers("gateway"))
    assert models.json() == {"object": "list", "data": []}


def test_a_gateway_with_models_reads_nothing(served: Served, tmp_path: Path) -> None:
    """Where the policy gives it models, an answer to it is guarded as for one who is cleared for nothing."""
    policy = gateway_policy(tmp_path, "    models: [m]\n")
    index = SmallIndex(served.house.settings.index, KEY)
    with serving(index, tmp_path, policy=policy) as made:
        made.up.script(Says(Said(ADMIN)))
        assert made.ask("gateway").json()["choices"][0]["finish_reason"] == "content_filter"


def test_calls_are_counted_by_how_they_ended(served: Served) -> None:
    """Before, 242 of 245 calls of the walk counted as "passed". Nothing of a text is in the metrics."""
    cases = [
        ({"text": "Hello."}, "passed"), ({"text": ADMIN}, "blocked"),
        ({"text": ADMIN[:24], "final": False}, "held"), ({"text": f"It is {ORDERS[0]}."}, "redacted"),
        ({"text": 7}, "refused"), ({"text": "a", "user": 7}, "refused"),
        ({"text": "a", "role": "nobody"}, "forbidden"),
    ]  # fmt: skip
    for body, ended in cases:
        role = "gateway" if ended == "forbidden" or "user" in body else "public"
        before = calls(served, ended, role)
        ask(served, "gateway", **body)
        assert calls(served, ended, role) == before + 1, body
    labels = {"endpoint": NEUTRAL, "role": "public", "outcome": "held"}
    assert served.metric("sluicegate_requests_total", **labels) >= 1
    assert ADMIN[:24] not in served.web.get("/metrics").text


# --- counting and limits ---------------------------------------------------------------------------


def gateway_policy(folder: Path, gateway: str = "", public: str = "") -> Path:
    """The default policy with more fields of two roles."""
    return write_policy(
        folder,
        unlimited(),
        ("    default_role: public\n", f"    default_role: public\n{gateway}"),
        ("    clearance: [public]\n", f"    clearance: [public]\n{public}"),
    )


@pytest.fixture(params=["memory", "file", "redis"])
def limited(request: pytest.FixtureRequest, small_index: SmallIndex, tmp_path: Path) -> Iterator[Served]:
    """3,000 texts a minute for the gateway's key, 5 and one at a time for each public end user."""
    policy = gateway_policy(
        tmp_path, "    requests_per_minute: 3000\n", "    requests_per_minute: 5\n    concurrent: 1\n"
    )
    if request.param == "redis":
        with (
            redis_server(tmp_path) as redis,
            serving(small_index, tmp_path, policy=policy, redis=redis.url) as made,
        ):
            yield made
        return
    workers = 2 if request.param == "file" else 1
    with serving(small_index, tmp_path, policy=policy, workers=workers) as made:
        yield made


def test_each_text_counts_as_a_request(limited: Served) -> None:
    """Before, 2,048 texts counted as one request. Now as 2,048, of the key and of the end user."""
    texts = ["a"] * 2048
    first = ask(limited, "gateway", texts=texts)
    assert (first.status_code, first.headers["x-ratelimit-remaining-requests"]) == (200, "952")
    refused = ask(limited, "gateway", texts=texts)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert calls(limited, "limited", "public") >= 1
    user = ask(limited, "gateway", texts=["a"] * 6, user="ann")
    assert (user.status_code, user.json()["error"]["message"][:27]) == (429, "This call counts as 6 reque")
    assert ask(limited, "gateway", texts=["a"] * 2049).status_code == 400


def test_end_users_are_counted_with_the_limits_of_their_role(limited: Served) -> None:
    """One user at its limit stops nobody else; those without a name share one share."""

    def statuses(count: int, **body: Any) -> list[int]:
        return [ask(limited, "gateway", text="a", **body).status_code for _ in range(count)]

    assert statuses(6, user="ann") == [200] * 5 + [429]
    assert statuses(1, user="bob") == [200]
    assert statuses(1, user="ann", role="staff") == [200]
    assert statuses(3, user="") + statuses(3, user=" ") == [200] * 5 + [429]
    assert statuses(6) == [200] * 6
    user = {"user_api_key_end_user_id": "carl"}
    body = {"input_type": "response", "texts": ["a"], "request_data": user}
    assert [ask(limited, "gateway", LITELLM, **body).status_code for _ in range(6)] == [200] * 5 + [429]
    line = limited.trail()[-1]
    assert line["subject"].startswith("usr_")


def test_a_stream_counts_once(limited: Served) -> None:
    """However often its text is sent on; another text in its place counts again."""
    whole = "A few words that are sent on one by one."
    for end in range(1, len(whole)):
        assert ask(limited, "gateway", text=whole[:end], stream="s", user="ann").status_code == 200
    for number in range(4):
        assert ask(limited, "gateway", text=f"{number}", stream="s", user="ann").status_code == 200
    assert ask(limited, "gateway", text="other", stream="s", user="ann").status_code == 429


def test_places_are_given_back(limited: Served) -> None:
    """After an answer, a refusal and an error alike."""
    for body in ({"text": "a"}, {"text": 7}, {"text": "a", "role": "x"}, {"text": "a"}):
        ask(limited, "gateway", user="ann", **body)
    assert ask(limited, "gateway", text="a", user="ann").status_code == 200


# --- what a call may cost --------------------------------------------------------------------------


def test_time_that_is_up_is_never_a_pass(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is stopped, counted as a fault, and its stream lets nothing go later."""
    monkeypatch.setattr(served.house, "guard_bounds", Bounds(seconds=0.0))
    before = served.metric("sluicegate_faults_total", where="scan-time")
    for body in ({"text": "Hello there."}, {"text": "Hello there.", "stream": "late"}):
        answer = ask(served, "gateway", **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "guard_fault")
        assert "Hello" not in answer.text
    lite = ask(served, "gateway", LITELLM, input_type="response", texts=["Hello there."])
    assert lite.status_code == 500
    monkeypatch.undo()
    later = ask(served, "gateway", text="Hello there. More.", stream="late")
    assert later.json()["error"]["code"] == "guard_fault"
    assert calls(served, "stopped", "public") >= 4
    assert served.metric("sluicegate_faults_total", where="scan-time") >= before + 2


def test_too_much_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of the texts, with the caller's own words, once decoded; and the number of calls."""
    monkeypatch.setattr(served.house, "guard_bounds", Bounds(judged=100, sent=200))
    messages = [{"role": "user", "content": "b" * 201}]
    call = {"function": {"name": "f", "arguments": "c" * 101}}
    for path, body in (
        (NEUTRAL, {"text": "a" * 101}), (NEUTRAL, {"text": "\u65e0" * 34}),
        (NEUTRAL, {"text": "a", "input": "b" * 200}),
        (LITELLM, {"input_type": "request", "texts": [], "structured_messages": messages}),
        (LITELLM, {"input_type": "response", "texts": [], "tool_calls": [call]}),
    ):  # fmt: skip
        answer = ask(served, "gateway", path, **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large"), body
    many = [{"function": {"name": "f", "arguments": ""}}] * 129
    refused = ask(served, "gateway", LITELLM, input_type="response", texts=[], tool_calls=many)
    assert refused.status_code == 400


def test_streams_are_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, 20 named streams of 8 MB took 122 MB. Now there is a ceiling, and a stream above it fails."""
    monkeypatch.setattr(served.house, "sessions", Sessions(caps=Caps(all=1_500_000)))
    for number in range(20):
        body = {"text": "A few words. " * 40, "stream": str(number), "input": "x" * 1_000}
        assert ask(served, "gateway", **body).status_code == 200
        assert served.house.sessions.kept <= 1_500_000
    gone = ask(served, "gateway", text="A few words. " * 41, stream="0")
    assert (gone.status_code, gone.json()["error"]["code"]) == (409, "stream_evicted")


UUENCODED = "\n".join("M" + "".join(chr(33 + (7 * n + 13 * k) % 63) for k in range(60)) for n in range(1600))
"""100 kB that look like uuencode."""


def test_a_client_that_leaves_ends_the_work(served: Served) -> None:
    """Before: 100 kB of this cost 13.7 s of CPU after the client had left. Now it ends between two parts."""
    url = httpx.URL(served.url)
    house, stop = served.house, threading.Event()
    body = json.dumps({"text": UUENCODED}).encode()
    head = (
        f"POST {NEUTRAL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.key('gateway')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    record = house.record
    received: list[Any] = []

    def note(decision: Any, *rest: Any) -> None:
        received.append(decision)
        record(decision, *rest)
        stop.set()

    house.record = note  # type: ignore[method-assign]
    try:
        before = calls(served, "gone", "public")
        with socket.create_connection((url.host, url.port or 0)) as client:
            client.sendall(head.encode() + body)
            time.sleep(0.3)
        assert stop.wait(60), "the work goes on"
    finally:
        house.record = record  # type: ignore[method-assign]
    (decision,) = received
    assert decision.outcome == "cancelled"
    assert decision.received < len(UUENCODED)
    for _ in range(200):
        if calls(served, "gone", "public") == before + 1:
            return
        time.sleep(0.02)
    pytest.fail("the call was not counted")


def test_two_calls_of_one_stream_at_the_same_time(served: Served) -> None:
    """Over HTTP too: all get the right result for their text, and there is one answer in the trail."""
    text = f"{'Words and words. ' * 100}Look: {ADMIN}"
    ends = [200 + 100 * n for n in range(12)] + [len(text)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda end: ask(served, "gateway", text=text[:end], stream="race"), ends))
    assert {each.status_code for each in answers} == {200}
    last = ask(served, "gateway", text=text, stream="race").json()
    assert last["action"] == "block"
    for answer in answers:
        assert ADMIN[:40] not in answer.text
