"""Any server that speaks OpenAI's API: vLLM, SGLang, llama.cpp, Ollama, OpenAI itself.

May import: the ground floor and this room. The rules that must stay true: what fails raises
``UpstreamError`` in our own words, never the server's (they may hold text of the model or of the
caller); nothing of the caller's headers goes out; leaving :meth:`OpenAIUpstream.open` before the answer
has ended closes the connection, which is how the server learns that it can stop.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
import orjson
from yarl import URL

from proxy.errors import ConfigError, UpstreamError
from proxy.upstreams.answer import FAILURES, LONGEST, Answer, failed

_AT_ONCE = 65_536
"""Bytes of a request that are written in one piece; aiohttp writes a file in small ones, which give way."""

_KEPT = {
    400: "The model server found the request invalid.",
    404: "The model server does not know this model or path.",
    413: "The request is too large for the model server.",
    422: "The model server found the request invalid.",
    429: "The model server is busy or its quota is used up.",
}
"""Refusals whose status tells the caller what to do."""
_TOO_LONG = (b"context_length_exceeded", b"maximum context length")
_ERROR_BYTES = 65_536


class UpstreamRefusal(UpstreamError):
    """The server answered with an error. ``status`` is the one for the caller.

    ``retry_after``: seconds, where the server named them. ``code``: ``context_length_exceeded`` where it
    said so, because clients shorten their history on that word; else None.
    """

    def __init__(
        self, message: str, *, status: int, retry_after: int | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, status=status, where="status")
        self.retry_after = retry_after
        self.code = code


class OpenAIUpstream:
    """A client of one server; use it within one event loop, and close it.

    ``base_url`` is written as for an OpenAI client, with ``/v1`` where the server has it. ``key`` goes out
    as a bearer token. ``connect``, ``first_byte`` and ``idle`` are seconds: for a connection, for the
    head and then the first byte of an answer, and between two pieces of it. ``proxy_from_env``: whether
    ``HTTP_PROXY`` and its kin count; None means unless the server is on this machine. ``headers`` go out with
    each request.
    Raises ``ConfigError``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        connect: float = 10.0,
        first_byte: float = 600.0,
        idle: float = 120.0,
        longest: int = LONGEST,
        proxy_from_env: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._base = _base(base_url)
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "sluicegate", **(headers or {})}
        if key:
            if not (key.isascii() and key.isprintable()) or " " in key:
                raise ConfigError("upstream key: it holds a blank, a line end or a non-ASCII character")
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect)
        self._first_byte, self._idle, self._longest = first_byte, idle, longest
        if proxy_from_env is None:
            proxy_from_env = not _is_loopback(self._base.host or "")
        self._proxy = _proxy(self._base) if proxy_from_env else None
        self._opened: aiohttp.ClientSession | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server."""
        return self._base.host or "", self._base.port or 0

    @property
    def name(self) -> str:
        """The address as metrics and logs show it."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @asynccontextmanager
    async def open(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        stream: bool = False,
        first_byte: float | None = None,
    ) -> AsyncIterator[Answer]:
        """POST ``body`` (GET where there is none) to ``path``, such as ``/chat/completions``.

        Gives the answer once its head has come and its status is 2xx; raises ``UpstreamError`` else.
        """
        first_byte = self._first_byte if first_byte is None else first_byte
        headers = {"Accept": "text/event-stream" if stream else "application/json"}
        data: bytes | io.BytesIO | None = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            written = orjson.dumps(body)
            data = io.BytesIO(written) if len(written) > _AT_ONCE else written
        try:
            async with asyncio.timeout(first_byte):
                response = await self._session().request(
                    "GET" if body is None else "POST",
                    self._base.with_path(
                        self._base.raw_path.rstrip("/") + path, encoded=True, keep_query=True
                    ),
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                    proxy=self._proxy,
                )
        except FAILURES as failure:
            raise failed(failure) from None
        try:
            await _check(response, stream)
            yield Answer(response, first_byte=first_byte, idle=self._idle, longest=self._longest)
        finally:
            response.close()  # an answer read to its end has already given its connection back

    async def models(self, *, wait: float = 20.0) -> tuple[str, ...]:
        """The ids of the server's models, from ``GET /models``. ``wait``: seconds for the first byte."""
        async with self.open("/models", first_byte=wait) as answer:
            body = await answer.json()
        listed = body.get("data") if isinstance(body, dict) else None
        if not isinstance(listed, list):
            raise UpstreamError("The model server's list of models cannot be read.", where="answer")
        ids = (model.get("id") for model in listed if isinstance(model, dict))
        return tuple(name for name in ids if isinstance(name, str))

    async def close(self) -> None:
        """Close all connections; answers that are still open end."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            # Four seconds: uvicorn, under which most of them run, closes an idle connection after five.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0)
            self._opened = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,  # it would also read ~/.netrc; the proxy is told with each request
            )
        return self._opened


async def _check(response: aiohttp.ClientResponse, stream: bool) -> None:
    status = response.status
    if 300 <= status < 400:
        raise UpstreamError(
            "The model server answered with a redirect, which is not followed.", where="status"
        )
    if not 200 <= status < 300:
        raise await _refusal(response)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UpstreamError(
            "The model server compressed its answer, though it was asked not to.", where="encoding"
        )
    if stream and "json" in response.content_type:
        raise UpstreamError("The model server did not stream its answer.", where="answer")


async def _refusal(response: aiohttp.ClientResponse) -> UpstreamRefusal:
    status = response.status
    if status in (401, 403):
        return UpstreamRefusal("The model server did not accept the proxy's key.", status=502)
    if status not in _KEPT:
        message = f"The model server answered with status {status}."
        return UpstreamRefusal(message, status=504 if status == 504 else 502)
    after = response.headers.get("Retry-After", "")
    retry_after = int(after) if after.isascii() and after.isdigit() and len(after) <= 5 else None
    if status in (400, 413, 422):
        # Looked at for one word, and thrown away.
        text = await _beginning(response)
        if any(word in text for word in _TOO_LONG):
            return UpstreamRefusal(
                "The request is longer than the model's context.", status=400, code="context_length_exceeded"
            )
    return UpstreamRefusal(_KEPT[status], status=status, retry_after=retry_after)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of an error; as much of them as comes soon."""
    text = b""
    with suppress(*FAILURES):  # the status alone says enough
        async with asyncio.timeout(2.0):
            while len(text) < _ERROR_BYTES and (data := await response.content.readany()):
                text += data
    return text


def _base(base_url: str) -> URL:
    try:
        url = URL(base_url.strip())
        host = url.host
    except ValueError:
        raise ConfigError("upstream: not a URL; write it like http://127.0.0.1:8000/v1") from None
    if url.scheme not in ("http", "https") or not host:
        raise ConfigError("upstream: not an http(s) URL; write it like http://127.0.0.1:8000/v1")
    if url.user is not None or url.password is not None:
        raise ConfigError("upstream: the URL holds a password; give the key in SLUICEGATE_UPSTREAM_KEY")
    return url.with_fragment(None)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _proxy(url: URL) -> URL | None:
    """The proxy that the environment names for ``url``, if any."""
    if proxy_bypass(url.host or ""):
        return None
    named = getproxies_environment()
    value = named.get(url.scheme) or named.get("all")
    if not value:
        return None
    if not value.startswith(("http://", "https://")):
        raise ConfigError("proxy of the environment: only http:// and https:// proxies are supported")
    return URL(value)
