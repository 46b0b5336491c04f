"""The client of a model server, against the scripted one over loopback, with every fault."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.errors import ConfigError, UpstreamError
from proxy.upstreams.openai import OpenAIUpstream, UpstreamRefusal
from proxy.upstreams.scripted import CUT, STALL, Raw, ScriptedUpstream, Step
from tests.upstreams.asking import BODY, CHAT, HELLO, SECRET, ask, both, fault


async def test_what_the_server_gets() -> None:
    """The body goes out as JSON with our key and nothing of the caller's; no compression is wanted."""
    async with both(key="sk-ours") as (up, client):
        await ask(client)
        await ask(client, stream=False)
        first, second = up.received
    assert first.body == BODY
    assert first.headers["Authorization"] == "Bearer sk-ours"
    assert first.headers["Accept-Encoding"] == "identity"
    assert (first.headers["Accept"], second.headers["Accept"]) == ("text/event-stream", "application/json")
    names = {
        "Host",
        "Authorization",
        "Accept",
        "Accept-Encoding",
        "User-Agent",
        "Content-Type",
        "Content-Length",
    }
    assert set(first.headers) == set(second.headers) == names


async def test_no_cookie_is_kept() -> None:
    """What one answer sets is not sent with the next request, which may be another caller's."""
    async with ScriptedUpstream(HELLO) as up:
        # Under a name: a cookie of a bare address is not kept by any jar.
        client = OpenAIUpstream(up.url.replace("127.0.0.1", "localhost"))
        up.script(Raw([b"{}"], headers={"Set-Cookie": "a=b"}))
        await ask(client)
        await ask(client)
        await client.close()
        assert "Cookie" not in up.received[1].headers


async def test_without_a_key_there_is_no_authorization() -> None:
    """A server without a key gets no Authorization header."""
    async with both() as (up, client):
        await ask(client)
        assert "Authorization" not in up.received[0].headers


@pytest.mark.parametrize(
    ("suffix", "path"),
    [
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("", "/chat/completions"),
        ("/", "/chat/completions"),
        ("/a/b%20c/v1?api-version=1", "/a/b%20c/v1/chat/completions?api-version=1"),
    ],
)
async def test_the_base_url_is_joined_as_an_openai_client_does(suffix: str, path: str) -> None:
    """The path is put behind the base URL, with or without a slash; nothing is guessed."""
    async with ScriptedUpstream(HELLO) as up:
        client = OpenAIUpstream(up.url.removesuffix("/v1") + suffix)
        await ask(client)
        await client.close()
        assert up.received[0].path == path


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8000/v1", "ftp://host/v1", "http://", "http://user:secret@host/v1", "http://[bad/v1"],
)
async def test_a_base_url_that_cannot_be_used_is_refused(url: str) -> None:
    """The operator is told at once, without the URL's own text: it may hold a password."""
    with pytest.raises(ConfigError) as error:
        OpenAIUpstream(url)
    assert "secret" not in str(error.value)


async def test_a_key_with_a_line_end_is_refused() -> None:
    """A key that would end its header is the operator's fault, and is not shown."""
    with pytest.raises(ConfigError) as error:
        OpenAIUpstream("http://127.0.0.1/v1", key="secret\nX: y")
    assert "secret" not in str(error.value)


async def test_connections_are_used_again() -> None:
    """An answer that was read to its end gives its connection back."""
    async with both() as (_, client):
        await ask(client)
        await ask(client, stream=False)
        connector = client._session().connector
        assert connector is not None
        assert sum(map(len, connector._conns.values())) == 1


async def test_leaving_early_tells_the_server() -> None:
    """Leaving before the end closes the connection, and the server notices."""
    async with both() as (up, client):
        up.script(Raw([b"data: a\n\n", STALL]))
        async with client.open(CHAT, BODY, stream=True) as answer:
            async for _ in answer.stream():
                break
        await asyncio.wait_for(up.received[0].left.wait(), 5)


async def test_a_cancelled_request_tells_the_server() -> None:
    """A task that is cancelled while it waits for the answer closes the connection."""
    async with both() as (up, client):
        up.script(Raw([STALL]))
        task = asyncio.create_task(ask(client))
        while not up.received:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(up.received[0].left.wait(), 5)


async def test_an_error_of_the_consumer_passes() -> None:
    """What goes wrong while the answer is read is not taken for the server's fault."""
    async with both() as (_, client):
        with pytest.raises(ZeroDivisionError):
            async with client.open(CHAT, BODY) as answer:
                _ = 1 / (answer.status - 200)


STATUSES = {
    400: 400, 401: 502, 403: 502, 404: 404, 409: 502, 413: 413, 422: 422, 429: 429, 500: 502, 502: 502,
    503: 502, 504: 504,
}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
async def test_an_error_status_in_our_words(status: int) -> None:
    """A refusal keeps the status where that helps the caller, and none of the server's words."""
    async with both() as (up, client):
        up.script(Raw([b'{"error": {"message": "the secret is 12345"}}'], status=status))
        error = await fault(client)
        assert isinstance(error, UpstreamRefusal)
        assert error.status == STATUSES[status]
        assert (error.retry_after, error.code) == (None, None)
        assert await ask(client), "the client is still of use"


@pytest.mark.parametrize(
    ("given", "expected"), [("7", 7), ("123456", None), ("Wed, 21 Oct", None), ("²", None)]
)
async def test_when_to_come_again(given: str, expected: int | None) -> None:
    """Retry-After is passed on where it is a number of seconds."""
    async with both() as (up, client):
        up.script(Raw([b"busy"], status=429, headers={"Retry-After": given}))
        error = await fault(client)
        assert isinstance(error, UpstreamRefusal)
        assert (error.status, error.retry_after) == (429, expected)


@pytest.mark.parametrize(
    "text", ["This model's maximum context length is 4096", '{"error": {"code": "context_length_exceeded"}}']
)
@pytest.mark.parametrize("end", [[], [CUT]], ids=["whole", "cut"])
async def test_a_request_that_is_too_long(text: str, end: list[Step]) -> None:
    """Clients shorten their history on this code, so it is passed on, in our words."""
    async with both() as (up, client):
        up.script(Raw([f"{SECRET} {text}".encode(), *end], status=400))
        error = await fault(client)
        assert isinstance(error, UpstreamRefusal)
        assert (error.status, error.code) == (400, "context_length_exceeded")


async def test_a_redirect_is_not_followed() -> None:
    """The request goes to the server that was configured and to no other."""
    async with both() as (up, client):
        up.script(Raw([], status=307, headers={"Location": up.url + CHAT}))
        error = await fault(client)
        assert (error.status, len(up.received)) == (502, 1)


async def test_nobody_listens() -> None:
    """A refused connection is a 502 in our words."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = OpenAIUpstream(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        error = await fault(client)
        await client.close()
    assert (error.status, error.where) == (502, "connect")


async def test_an_unknown_name() -> None:
    """A host that does not exist is a 502 in our words."""
    client = OpenAIUpstream("http://model.invalid/v1", proxy_from_env=False)
    error = await fault(client)
    await client.close()
    assert (error.status, error.where) == (502, "connect")


async def test_a_server_that_speaks_no_tls() -> None:
    """A failed TLS handshake is a 502 in our words."""
    async with ScriptedUpstream(HELLO) as up:
        client = OpenAIUpstream(up.url.replace("http:", "https:"))
        error = await fault(client)
        await client.close()
    assert (error.status, error.where) == (502, "connect")


@asynccontextmanager
async def saying(words: bytes) -> AsyncIterator[str]:
    """The base URL of a server that answers one request with ``words`` and waits for the client to go."""
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        await asyncio.wait_for(gone.wait(), 5)


async def test_no_head_in_time() -> None:
    """A server that takes the request and says nothing is a 504, and its connection is closed."""
    async with saying(b"") as url:
        client = OpenAIUpstream(url, first_byte=0.05)
        error = await fault(client)
        await client.close()
    assert (error.status, error.where) == (504, "timeout")


async def test_a_server_that_speaks_no_http() -> None:
    """A head that is no HTTP is an error, in words that hold nothing of it."""
    async with saying(b"the secret is 12345\r\n\r\n") as url:
        client = OpenAIUpstream(url)
        error = await fault(client)
        await client.close()
    assert (error.status, error.where) == (502, "broken_off")


async def test_a_compressed_answer() -> None:
    """A server that compresses though it was asked not to is not read."""
    async with both() as (up, client):
        up.script(Raw([gzip.compress(b"{}")], headers={"Content-Encoding": "gzip"}))
        assert (await fault(client)).where == "encoding"


async def test_a_whole_answer_where_a_stream_was_asked() -> None:
    """A stream that turns out to be one JSON body is an error, not an empty stream."""
    async with both() as (up, client):
        up.script(*[Raw([b"{}"], headers={"Content-Type": "application/json"})] * 2)
        assert (await fault(client)).where == "answer"
        assert await ask(client, stream=False) == b"{}"


async def test_the_models_are_listed() -> None:
    """The ids of the models come from GET /models; a list of another shape is an error."""
    async with both() as (up, client):
        up.models = ("a", "org/b")
        assert await client.models() == ("a", "org/b")
        assert (up.received[0].method, up.received[0].path) == ("GET", "/v1/models")
    async with ScriptedUpstream(Raw([b'{"data": {}}'])) as up:
        client = OpenAIUpstream(up.url + "/odd")
        with pytest.raises(UpstreamError, match="list of models"):
            await client.models()
        await client.close()


async def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the environment names serves other hosts, and this machine only when asked to."""
    async with ScriptedUpstream(HELLO) as up:
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", up.url.removesuffix("/v1"))
        distant = OpenAIUpstream("http://model.invalid/v1")
        await ask(distant)
        await distant.close()
        assert up.received[0].headers["Host"] == "model.invalid"
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        near = OpenAIUpstream(up.url)
        await ask(near)
        await near.close()
        monkeypatch.setenv("no_proxy", "model.invalid")
        assert OpenAIUpstream("http://model.invalid/v1")._proxy is None
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
        with pytest.raises(ConfigError, match="proxies are supported"):
            OpenAIUpstream("http://other.invalid/v1")
