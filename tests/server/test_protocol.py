"""What is no HTTP is refused in OpenAI's form, and the server goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.serving import Served, serving
from tests.training import SmallIndex


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("protocol")) as made:
        yield made


def sent(served: Served, raw: bytes) -> bytes:
    """All that comes back before the connection is closed."""
    where = urlsplit(served.url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(raw)
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
        return b"".join(parts)


@pytest.mark.parametrize(
    "raw",
    [
        b"SECRET not http at all\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: SECRET\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\nSECRET name: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=["words", "length", "name", "tls"],
)
def test_what_is_no_http_is_refused_in_the_usual_form(served: Served, raw: bytes) -> None:
    """Words, a length that is none, a bad header, TLS: 400, closed, and nothing is said back."""
    head, _, body = sent(served, raw).partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    assert status == b"HTTP/1.1 400 Bad Request"
    assert b"content-type: application/json" in headers
    assert b"content-length: %d" % len(body) in headers
    assert b"connection: close" in headers
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == "invalid_http"
    assert b"SECRET" not in head + body
    assert served.web.get("/v1/models", headers=served.headers("public")).status_code == 200
