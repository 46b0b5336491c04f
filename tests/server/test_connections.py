"""Raw connections: what a client may hold, and for how long; nobody keeps others out."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from proxy.server.protocol import LONGEST_HEAD, MOST_PIPELINED
from proxy.upstreams.scripted import STALL, Raw, Said, Says
from tests.serving import QUESTION, Served, chunk, serving
from tests.training import SmallIndex

MOST = 40
STREAM = {"Content-Type": "text/event-stream"}


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with little patience and few places."""
    with serving(
        small_index,
        tmp_path_factory.mktemp("connections"),
        head_timeout=0.5,
        body_timeout=1,
        patience=1.2,
        connections=MOST,
        max_body=200_000,
    ) as made:
        yield made


def connect(served: Served) -> socket.socket:
    where = urlsplit(served.url)
    return socket.create_connection((where.hostname, where.port), timeout=20)


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes; a reset counts as the end."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def answered(connection: socket.socket) -> None:
    """One answer of /healthz is read, and the connection stays open."""
    got = b""
    while not got.endswith(b'{"status":"ok"}'):
        got += connection.recv(1 << 16)
    assert got.startswith(b"HTTP/1.1 200")


def post(served: Served, body: bytes, *headers: bytes) -> bytes:
    """The bytes of a chat request."""
    lines = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: a",
        b"Authorization: Bearer " + served.key("public").encode(),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def error_of(answer: bytes) -> tuple[int, str]:
    """Status and code of an error in OpenAI's form that closes the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"content-type: application/json" in head
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return int(head.split()[1]), error["code"]


def closed(served: Served, why: str) -> float:
    return served.metric("sluicegate_connections_closed_total", why=why)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it has not happened within ten seconds")


def works(served: Served) -> None:
    served.up._script.clear()
    served.up.script(Says(Said("Still here.")))
    assert served.stream().text() == "Still here."


# --- heads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-Half", b"G", b"\r\n", b"POST /v1/chat"],
    ids=["header", "letter", "line end", "target"],
)
def test_a_half_sent_head_is_refused_in_time(served: Served, sent: bytes) -> None:
    """It held its connection for ever."""
    before = closed(served, "late")
    with connect(served) as connection:
        connection.sendall(sent)
        assert error_of(rest_of(connection)) == (408, "request_timeout")
    assert closed(served, "late") == before + 1


def test_a_silent_connection_is_closed(served: Served) -> None:
    with connect(served) as connection:
        assert rest_of(connection) == b""


def test_trickling_bytes_buys_no_time(served: Served) -> None:
    """A byte now and then does not start the time again."""
    with connect(served) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(100):
                connection.sendall(b"x")
                time.sleep(0.1)


@pytest.mark.parametrize("sent", [b"GET /he", b"\r\n"], ids=["target", "line end"])
def test_a_half_sent_second_head_is_refused_in_time(served: Served, sent: bytes) -> None:
    with connect(served) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        answered(connection)
        connection.sendall(sent)
        assert error_of(rest_of(connection)) == (408, "request_timeout")


def test_a_half_sent_head_behind_a_running_answer_does_not_end_it(served: Served) -> None:
    """The answer goes on for longer than a head may take, and comes whole."""
    served.up.script(Says(Said("One two three four five."), cut=4, delay=0.25))
    body = json.dumps({"model": "m", "messages": QUESTION, "stream": True}).encode()
    with connect(served) as connection:
        request = post(served, body, b"Content-Length: %d" % len(body))
        connection.sendall(request + b"GET /healthz HT")
        answer = rest_of(connection)
    assert b"[DONE]" in answer
    assert answer.count(b"HTTP/1.1") == 2  # the second is the error for the half


@pytest.mark.parametrize("part", ["header", "headers", "target"])
def test_a_head_without_end_is_refused(served: Served, part: str) -> None:
    before = closed(served, "head_too_large")
    flood = {
        "header": b"GET / HTTP/1.1\r\nA: " + b"a" * 1_000_000,
        "headers": b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 100_000,
        "target": b"GET /" + b"a" * 1_000_000,
    }[part]
    with connect(served) as connection:
        with suppress(ConnectionError):
            connection.sendall(flood)
        answer = rest_of(connection)
    if answer:  # a reset may overtake it
        assert error_of(answer) == (431, "headers_too_large")
    assert closed(served, "head_too_large") == before + 1


# --- bodies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["announced", "chunked"])
def test_a_trickled_body_is_refused_in_time(served: Served, kind: str) -> None:
    """The connection is closed after the refusal too, though the client goes on sending."""
    header = b"Content-Length: 1000" if kind == "announced" else b"Transfer-Encoding: chunked"
    with connect(served) as connection:
        connection.sendall(post(served, b"", header))
        with pytest.raises(ConnectionError):
            for _ in range(300):
                connection.sendall(b" " if kind == "announced" else b"1\r\n \r\n")
                time.sleep(0.05)


def test_a_body_that_stops_is_a_408(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(post(served, b'{"model"', b"Content-Length: 1000"))
        answer = rest_of(connection)
    assert b" 408 " in answer.partition(b"\r\n")[0]
    assert b"request_timeout" in answer


def test_a_stranger_cannot_hold_a_connection_with_a_body(served: Served) -> None:
    """A 401 is sent at once; the rest of the body is read for a while, then the connection is closed."""
    with connect(served) as connection:
        connection.sendall(b"POST /v1/responses HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{")
        with pytest.raises(ConnectionError):
            for _ in range(300):
                connection.sendall(b" ")
                time.sleep(0.02)


@pytest.mark.parametrize("kind", ["trailers", "one trailer", "tiny chunks", "chunk extensions"])
def test_framing_without_a_body_is_refused(served: Served, kind: str) -> None:
    before = closed(served, "framing") + closed(served, "invalid")
    flood = {
        "trailers": b"2\r\n{}\r\n0\r\n" + b"A: a\r\n" * 100_000,
        "one trailer": b"2\r\n{}\r\n0\r\nA: " + b"a" * 1_000_000,
        "tiny chunks": b"00000000000000000001\r\n \r\n" * 50_000,
        "chunk extensions": b"1;" + b"a" * 1_000_000,
    }[kind]
    with connect(served) as connection:
        with suppress(ConnectionError):
            connection.sendall(post(served, flood, b"Transfer-Encoding: chunked"))
        answer = rest_of(connection)
    assert not answer or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))
    until(lambda: closed(served, "framing") + closed(served, "invalid") == before + 1 or b" 413 " in answer)


def test_a_body_in_small_chunks_is_read(served: Served) -> None:
    """What ordinary clients send, in chunks of a byte, is no flood."""
    served.up.script(Says(Said("Fine.")))
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 30_000}]}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % each for each in body) + b"0\r\nChecksum: none\r\n\r\n"
    with connect(served) as connection:
        connection.sendall(post(served, chunks, b"Transfer-Encoding: chunked", b"Connection: close"))
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Fine." in answer


# --- many connections ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nA", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_thousand_idle_connections_keep_nobody_out(served: Served, sent: bytes) -> None:
    """The one that has waited longest gives way; a request in progress never does."""
    before = closed(served, "evicted")
    served.up._script.clear()
    served.up.script(Says(Said("One two three four five six seven."), cut=3, delay=0.1))
    body = json.dumps({"model": "m", "messages": QUESTION, "stream": True}).encode()
    with ExitStack() as opened:
        running = opened.enter_context(connect(served))
        running.sendall(post(served, body, b"Content-Length: %d" % len(body), b"Connection: close"))
        assert running.recv(1 << 16).startswith(b"HTTP/1.1 200")
        for number in range(1000):
            connection = opened.enter_context(connect(served))
            if sent:
                connection.sendall(sent)
            if sent.endswith(b"\r\n\r\n"):
                answered(connection)
            if number % 250 == 249:
                answer = httpx.get(served.url + "/healthz", trust_env=False)
                assert answer.status_code == 200
        assert rest_of(running).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert closed(served, "evicted") > before
    works(served)


def test_a_connection_that_was_used_gives_way_last(served: Served) -> None:
    """A client that keeps its connection is not robbed of it by connections that never send a request."""
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    with ExitStack() as opened:
        used = opened.enter_context(connect(served))
        for _ in range(5):
            used.sendall(request)
            answered(used)
            for _ in range(MOST):
                opened.enter_context(connect(served))


def test_connections_beyond_those_with_requests_get_a_503(served: Served) -> None:
    """Where every place is taken by a request the next connection is told so at once."""
    body = json.dumps({"model": "m", "messages": QUESTION, "stream": True}).encode()
    request = post(served, body, b"Content-Length: %d" % len(body), b"Connection: close")
    served.up._script.clear()
    served.up.script(*[Raw([chunk({"content": "One "}), STALL], headers=STREAM)] * MOST)
    with ExitStack() as opened:
        running = []
        for _ in range(MOST):
            running.append(opened.enter_context(connect(served)))
            running[-1].sendall(request)
            assert running[-1].recv(15) == b"HTTP/1.1 200 OK"
        with connect(served) as refused:
            assert error_of(rest_of(refused)) == (503, "overloaded")
        for each in running:
            each.recv(1 << 16)
            each.setblocking(False)
            with pytest.raises(BlockingIOError):  # open, and nothing more has come
                each.recv(1)
    assert closed(served, "overloaded") >= 1
    works(served)


# --- answers -----------------------------------------------------------------------------------------------


@contextmanager
def large_answer(served: Served) -> Iterator[socket.socket]:
    """A client with a small buffer that has asked for an answer larger than all buffers on the way."""
    served.up._script.clear()
    vector = [0.123456789012345] * 65_000
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(8)]
    whole = json.dumps({"object": "list", "data": data}).encode()
    served.up.script(Raw([whole], headers={"Content-Type": "application/json"}))
    body = json.dumps({"model": "m", "input": ["x"] * 8}).encode()
    with socket.socket() as connection:
        connection.settimeout(20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        where = urlsplit(served.url)
        connection.connect((where.hostname, where.port))
        request = post(served, body, b"Content-Length: %d" % len(body))
        connection.sendall(request.replace(b"chat/completions", b"embeddings"))
        yield connection


def test_a_client_that_takes_nothing_loses_its_connection(served: Served) -> None:
    before = closed(served, "stuck")
    with large_answer(served):
        until(lambda: closed(served, "stuck") == before + 1)
    works(served)


def test_a_client_that_reads_slowly_is_not_cut(served: Served) -> None:
    """It takes longer than one that takes nothing is waited for."""
    before = closed(served, "stuck")
    with large_answer(served) as connection:
        got = 0
        while got < 4_000_000:
            part = connection.recv(300_000, socket.MSG_WAITALL)
            assert part, "the connection was closed"
            got += len(part)
            time.sleep(0.1)
    assert closed(served, "stuck") == before


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
def test_a_long_answer_is_not_cut(served: Served, stream: bool) -> None:
    """It takes several times what a head, a body and a pause may take."""
    served.up._script.clear()
    event = chunk({"content": "tick "})
    steps = [0.3, event] * 8 if stream else [2.5]
    if stream:
        served.up.script(Raw([*steps, chunk({}, "stop"), b"data: [DONE]\n\n"], headers=STREAM))
        assert served.stream().text() == "tick " * 8
    else:
        whole = b'{"choices":[{"index":0,"message":{"content":"tick"},"finish_reason":"stop"}]}'
        served.up.script(Raw([*steps, whole], headers={"Content-Type": "application/json"}))
        assert served.ask().json()["choices"][0]["message"]["content"] == "tick"


# --- pipelining ---------------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    paths = [b"/healthz", b"/v1/nowhere", b"/healthz"] * 5
    requests = [b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths[:-1]]
    last = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with connect(served) as connection:
        connection.sendall(b"".join(requests) + last)
        answer = rest_of(connection)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"] * 5


def test_a_flood_of_pipelined_requests_is_cut(served: Served) -> None:
    """They were kept without limit while the first was answered."""
    before = closed(served, "pipelined")
    with connect(served) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 3000)
        answer = rest_of(connection)
    assert answer.count(b"HTTP/1.1 ") <= MOST_PIPELINED + 2
    assert closed(served, "pipelined") == before + 1
    works(served)


def test_a_client_that_leaves_behind_a_pipelined_request_is_noticed(served: Served) -> None:
    """uvicorn tells only the request that came last, which waits for this one."""
    served.up._script.clear()
    asked = len(served.up.received)
    tick = chunk({"content": "tick "})
    served.up.script(Raw([tick, *[0.1, tick] * 300], headers=STREAM))
    body = json.dumps({"model": "m", "messages": QUESTION, "stream": True}).encode()
    with connect(served) as connection:
        request = post(served, body, b"Content-Length: %d" % len(body))
        connection.sendall(request + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(1 << 16)
    until(lambda: served.up.received[asked].left.is_set())


def test_a_head_as_long_as_the_limit_is_read(served: Served) -> None:
    name = b"A: " + b"a" * (LONGEST_HEAD - 1000)
    with connect(served) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + name + b"\r\nConnection: close\r\n\r\n")
        assert rest_of(connection).startswith(b"HTTP/1.1 200")
