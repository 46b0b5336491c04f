"""Requests that no client library sends: each is answered or closed, none is run twice or smuggled in."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest

from proxy.upstreams.scripted import Said, Says
from tests.serving import CHAT, QUESTION, Served, serving
from tests.training import SmallIndex

BODY = json.dumps({"model": "m", "messages": QUESTION}).encode()
MOST = 200_000


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("http"), max_body=MOST) as made:
        yield made


def exchange(served: Served, *pieces: bytes, wait: float = 10.0) -> bytes:
    """Everything that the server sends until it closes, or is silent after an answer."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=wait) as connection:
        received = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while block := connection.recv(65536):
                received += block
                if b"\r\n0\r\n\r\n" in received or _whole(received):
                    connection.settimeout(0.5)  # whatever else comes, comes now
        except (TimeoutError, ConnectionError):
            pass
        return received


def _whole(received: bytes) -> bool:
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False


def post(served: Served, *headers: bytes, line: bytes = b"POST " + CHAT.encode() + b" HTTP/1.1") -> bytes:
    """The head of a request with the key of a public caller."""
    key = b"Authorization: Bearer " + served.key("public").encode()
    lines = [line, b"Host: localhost", key, b"Content-Type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def statuses(received: bytes) -> list[int]:
    """The status of each response."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def asked(served: Served) -> int:
    """How often the model was asked."""
    return len(served.up.received)


def test_an_ordinary_request_is_answered(served: Served) -> None:
    """The measure of the others."""
    served.up.script(Says(Said("Hi")))
    before = asked(served)
    received = exchange(served, post(served, b"Content-Length: %d" % len(BODY)) + BODY)
    assert statuses(received) == [200]
    assert asked(served) == before + 1


SMUGGLED = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Length: 0", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 4"],
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Content-Length: 5, 6"],
        [b"Content-Length: +5"],
        [b"Content-Length: 0x5"],
        [b"Content-Length: -1"],
        [b"Content-Length: 99999999999999999999999"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"Transfer-Encoding : chunked"],
        [b"Transfer-Encoding:\x0bchunked"],
        [b"X: a\r\n Transfer-Encoding: chunked"],
    ],
)
def test_a_request_of_two_lengths_smuggles_nothing(served: Served, headers: list[bytes]) -> None:
    """It is refused or closed; what comes behind it is not run as a request with the key of the first."""
    before = asked(served)
    received = exchange(served, post(served, *headers) + b"0\r\n\r\n" + SMUGGLED, wait=5)
    assert all(400 <= status < 500 or status in (501, 505) for status in statuses(received)), received[:300]
    assert asked(served) == before


@pytest.mark.parametrize(
    "raw",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\nGET  HTTP/1.1\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n",
        b"GET http://elsewhere.example/v1/models HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-A: \x00\r\n\r\n",
        b"GET /v1/models HTTP/1.1\nHost: x\n\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_no_answer_of_a_model(served: Served, raw: bytes) -> None:
    """A refusal or a closed connection; never 200, never a hop to another place, never what was sent."""
    before = asked(served)
    received = exchange(served, raw, wait=12)
    assert all(status >= 400 for status in statuses(received)), received[:300]
    assert b"a=b" not in received
    assert b"101 Switching" not in received
    assert asked(served) == before


def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    """Without chunks, whole; the connection ends with it."""
    served.up.script(Says(Said("Hi")))
    line = b"POST " + CHAT.encode() + b" HTTP/1.0"
    received = exchange(served, post(served, b"Content-Length: %d" % len(BODY), line=line) + BODY)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"chunked" not in received.partition(b"\r\n\r\n")[0].lower()
    assert json.loads(received.partition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"] == "Hi"


def test_expect_100_continue_is_heeded(served: Served) -> None:
    """The body is asked for, then the answer comes; with a body that is too large it is refused."""
    served.up.script(Says(Said("Hi")))
    head = post(served, b"Content-Length: %d" % len(BODY), b"Expect: 100-continue")
    received = exchange(served, head, BODY)
    assert statuses(received)[-1] == 200
    before = asked(served)
    large = post(served, b"Content-Length: %d" % (MOST + 1), b"Expect: 100-continue")
    received = exchange(served, large, wait=5)
    assert 413 in statuses(received) or received in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    assert asked(served) == before


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_of_a_hundred_megabytes_is_refused_before_it_is_read(served: Served, chunked: bool) -> None:
    """With a length at once, in chunks when there are too many bytes; nothing of it reaches the model."""
    before = asked(served)
    block = b"x" * 65536
    if chunked:
        pieces = [post(served, b"Transfer-Encoding: chunked"), *[b"10000\r\n" + block + b"\r\n"] * 1600]
    else:
        pieces = [post(served, b"Content-Length: 104857600"), *[block] * 1600]
    received = exchange(served, *pieces)
    assert statuses(received) in ([413], [])  # reset where it still sent
    assert asked(served) == before
    served.up.script(Says(Said("Hi")))
    assert served.ask("public").status_code == 200


def test_the_server_is_as_before(served: Served) -> None:
    """After all of that."""
    served.up.script(Says(Said("Hi")))
    assert served.ask("public").json()["choices"][0]["message"]["content"] == "Hi"
