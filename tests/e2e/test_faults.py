"""What can go wrong behind the proxy, before it, and in it: nothing uncleared leaves, the error is clear, it
is counted, nothing is left over, and the process lives."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from proxy import sse
from proxy.text import units
from proxy.upstreams.scripted import CUT, STALL, Raw, Said, Says, Step
from tests.cli.running import running
from tests.e2e.surface import CUT as PIECE
from tests.e2e.surface import PLACES, STREAMED, asked
from tests.serving import Served, model_server, serving
from tests.training import ADMIN, NOBODY, SmallIndex

BUDGET = 12
ENDPOINTS = {"/chat/completions": "content", "/completions": "text", "/responses": "text"}
SAYS = f"Before: {ADMIN} -- after."
CLEAN = "Nothing of note, 一切正常。"
endpoints = pytest.mark.parametrize("endpoint", ENDPOINTS)


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy; the model's server is given little time."""
    with serving(small_index, tmp_path_factory.mktemp("faults")) as made:
        client: Any = made.house.upstream.default.client  # type: ignore[union-attr]
        client._first_byte, client._idle = 5.0, 0.5
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left_over(served: Served) -> Iterator[None]:
    """After each test no answer is in flight, no task is left, and the next answer is as good as any."""
    yield
    for _ in range(200):
        if not (served.metric("sluicegate_in_flight_streams") or tasks(served)):
            break
        time.sleep(0.02)
    assert served.metric("sluicegate_in_flight_streams") == 0
    assert tasks(served) == []
    served.up._script.clear()
    served.up.script(Says(Said("Alive.")))
    assert served.ask().json()["choices"][0]["message"]["content"] == "Alive."


def tasks(served: Served) -> list[str]:
    """The names of what the server's loop works at for an answer."""
    client: Any = served.house.upstream.default.client  # type: ignore[union-attr]
    if client._opened is None:
        return []
    found = [task.get_coro() for task in asyncio.all_tasks(client._opened._loop)]
    names = [getattr(each, "__qualname__", "") for each in found]
    return [name for name in names if name.startswith(("EventStream.", "_gone", "_disconnect", "relay_"))]


def events(endpoint: str, *texts: str) -> list[bytes]:
    """What the model's server sends for a whole streamed answer, event by event."""
    place = PLACES[endpoint][ENDPOINTS[endpoint]]
    made = STREAMED[endpoint](place, texts)
    return [sse.encode(orjson.dumps(event), event.get("type")) for event in made]


def ask(served: Served, endpoint: str, stream: bool = True, n: int = 1) -> httpx.Response:
    place = PLACES[endpoint][ENDPOINTS[endpoint]]
    body = asked(endpoint, place, n, stream)
    return served.web.post(f"/v1{endpoint}", json=body, headers=served.headers("public"))


def runs(text: str) -> set[tuple[int, ...]]:
    made = units(text)
    return {tuple(made[at : at + BUDGET + 1]) for at in range(len(made) - BUDGET)}


FORBIDDEN = runs(ADMIN) | runs(NOBODY)


def check(answer: httpx.Response) -> list[Any]:
    """Nothing uncleared is on the wire, in one event or across them; the events."""
    assert FORBIDDEN.isdisjoint(runs(answer.text))
    if "event-stream" not in answer.headers["content-type"]:
        return []
    parser = sse.SseParser()
    data = [event.data for event in parser.feed(answer.content) + parser.finish()]
    made = [orjson.loads(each) for each in data if each != "[DONE]"]
    said = "".join(text for each in made for text in spoken(each))
    assert FORBIDDEN.isdisjoint(runs(said))
    return made


def spoken(event: Mapping[str, Any]) -> Iterator[str]:
    yield event["delta"] if isinstance(event.get("delta"), str) else ""
    for choice in event.get("choices", []):
        yield choice.get("delta", choice).get("content") or choice.get("text") or ""


def failed(made: Sequence[Any]) -> str:
    """The message of the error that ends a stream."""
    last = made[-1]
    if last.get("type") == "response.failed":
        return str(last["response"]["error"]["message"])
    return str(last["message"] if last.get("type") == "error" else last["error"]["message"])


def outcomes(served: Served, endpoint: str, outcome: str) -> float:
    labels = {"endpoint": f"/v1{endpoint}", "role": "public", "outcome": outcome}
    return served.metric("sluicegate_requests_total", **labels)


# --- behind the proxy ------------------------------------------------------------------------------


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
    assert {c["finish_reason"] for c in choices if c["index"] == 0} == {None, "content_filter"}


# --- in the proxy ----------------------------------------------------------------------------------


def test_the_index_is_deleted_while_serving(small_index: SmallIndex, tmp_path: Path) -> None:
    """What is open stays open: the same is stopped as before."""
    copy = SmallIndex(tmp_path / "copy.idx", small_index.key)
    shutil.copytree(small_index.path, copy.path)
    with serving(copy, tmp_path) as other:
        shutil.rmtree(copy.path)
        for stream in (True, False):
            other.up.script(Says(Said(SAYS)))
            answer = ask(other, "/chat/completions", stream)
            check(answer)
            assert "content_filter" in answer.text


def test_the_state_is_locked(small_index: SmallIndex, tmp_path: Path) -> None:
    """While another process holds the state nobody gets more than is theirs, and nothing breaks."""
    with serving(small_index, tmp_path) as other:
        headers = other.headers("public")
        lock = sqlite3.connect(other.house.settings.state)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            other.up.script(Says(Said(SAYS)))
            body = asked("/chat/completions", PLACES["/chat/completions"]["content"], 1, True)
            answer = other.web.post("/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code in (200, 500, 503)
            if answer.status_code == 200:
                check(answer)
        finally:
            lock.rollback()
            lock.close()
        other.up._script.clear()
        other.up.script(Says(Said("Alive.")))
        assert other.ask().status_code == 200


# --- before the proxy ------------------------------------------------------------------------------


@endpoints
def test_the_caller_leaves(served: Served, endpoint: str) -> None:
    """The model's server learns that nobody listens any more."""
    served.up.script(Raw([*events(endpoint, CLEAN)[:6], STALL]))
    client: Any = served.house.upstream.default.client  # type: ignore[union-attr]
    body = asked(endpoint, PLACES[endpoint][ENDPOINTS[endpoint]], 1, True)
    client._idle = 30.0
    try:
        with served.web.stream(
            "POST", f"/v1{endpoint}", json=body, headers=served.headers("public")
        ) as answer:
            next(answer.iter_bytes())
        received = served.up.received[-1]
        for _ in range(500):
            if received.left.is_set():
                break
            time.sleep(0.02)
        assert received.left.is_set()
        assert served.trail()[-1]["outcome"] == "cancelled"
    finally:
        client._idle = 0.5


class Endless(Raw):
    """Says much, and counts what was taken."""

    taken = 0

    def steps(self, body: Mapping[str, Any]) -> Iterator[Step]:
        for _ in range(2000):
            Endless.taken += 1
            choice = {"index": 0, "delta": {"content": "word " * 4000}, "finish_reason": None}
            yield sse.encode(orjson.dumps({"choices": [choice]}))


def test_the_caller_hardly_reads(served: Served) -> None:
    """A caller who takes a byte now and then does not make the proxy read the model's answer ahead."""
    Endless.taken = 0
    served.up.script(Endless([]))
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.key('public')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    host, port = served.url.removeprefix("http://").split(":")
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect((host, int(port)))
        caller.sendall(head.encode() + body)
        for _ in range(20):
            assert caller.recv(1)
            time.sleep(0.1)
        # What lies between is filled first, which a busy machine takes its time for; then all stands still.
        taken, until = -1, time.monotonic() + 60
        while taken < Endless.taken < 1000 and time.monotonic() < until:
            taken = Endless.taken
            time.sleep(1)
        assert Endless.taken == taken
        assert Endless.taken < 1000  # of 40 MB less than the half
    assert served.ask().status_code in (200, 502)


def test_it_is_told_to_end_in_the_middle_of_an_answer(small_index: SmallIndex, tmp_path: Path) -> None:
    """An answer that has begun is finished; then the process ends well."""
    with model_server(Says(Said("word " * 40), cut=5, delay=0.05)) as upstream:
        arguments = ("serve", "--index", small_index.path, "--upstream", upstream, "--port", "0")
        with running(*arguments, cwd=tmp_path, **small_index.environment) as server:
            url = server.wait_for("listening on").rpartition(" ")[2].removesuffix("/v1")
            key = create_key(tmp_path)
            body = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}
            headers = {"Authorization": f"Bearer {key}"}
            with (
                httpx.Client(trust_env=False, timeout=60) as web,
                web.stream("POST", f"{url}/v1/chat/completions", json=body, headers=headers) as answer,
            ):
                parts = answer.iter_bytes()
                first = next(parts)
                server.process.send_signal(signal.SIGTERM)
                rest = b"".join(parts)
            assert (first + rest).endswith(sse.DONE)
            assert (first + rest).count(b"word") == 40
            assert server.process.wait(60) in (0, -signal.SIGTERM, 143)


def create_key(folder: Path) -> str:
    """A key for the state in ``folder``."""
    from proxy.keys import KeyStore

    store = KeyStore(folder / "sluicegate.sqlite")
    try:
        return store.create("public").secret
    finally:
        store.close()
