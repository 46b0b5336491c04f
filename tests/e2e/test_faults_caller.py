"""What callers and operators do to an answer that is on its way: they leave, hardly read, end the process."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from proxy import sse
from proxy.upstreams.scripted import STALL, Raw, Said, Says, Step
from tests.cli.running import running
from tests.e2e.faults import CLEAN, ENDPOINTS, endpoints, events, hurried, nothing_is_left_over
from tests.e2e.replies import asked
from tests.e2e.surface import PLACES
from tests.serving import Served, model_server
from tests.training import SmallIndex


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
