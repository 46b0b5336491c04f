"""An answer of a model server, read under a limit of time and a limit of size.

May import: the ground floor. The rule that must stay true: whatever goes wrong while an answer is read
raises ``UpstreamError`` in our own words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from proxy.errors import UpstreamError
from proxy.nesting import TooDeep, loads

LONGEST = 64 * 1024 * 1024
"""Bytes that one answer may have, streamed or whole."""

FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError)
"""What the HTTP library raises when a connection or an answer fails."""


class Answer:
    """An answer whose head has come. Read it once, by :meth:`stream`, :meth:`read` or :meth:`json`.

    ``first_byte`` and ``idle``: seconds to wait for the first piece, and for each further one.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, *, first_byte: float, idle: float, longest: int
    ) -> None:
        self._response = response
        self._first_byte = first_byte
        self._idle = idle
        self._longest = longest
        self._begun: AsyncIterator[bytes] | None = None
        self._first = b""
        self._gathered: asyncio.Future[None] | None = None
        self._ends = False

    async def begin(self) -> None:
        """Wait for the first byte; it is read again by whichever reads the answer."""
        self._begun = self._pieces(self._longest)
        self._first = await anext(self._begun, b"")

    @property
    def status(self) -> int:
        return self._response.status

    def stream(self, limit: int | None = None) -> AsyncIterator[bytes]:
        """The bytes as they come: all that there are at a time.

        ``limit``: the most in all; a longer answer is an ``UpstreamError``.
        """
        if self._begun is None:
            return self._pieces(self._longest if limit is None else limit)
        return _Begun(self._first, self._begun)

    async def gather(self, seconds: float) -> None:
        """Between two pieces: let bytes come for ``seconds``, to be read together; less if the answer ends.

        They wait in the connection's buffer: once that is full, the server is not read from.
        """
        content = self._response.content
        if content.is_eof():
            return
        loop = asyncio.get_running_loop()
        self._gathered = loop.create_future()
        if not self._ends:
            self._ends = True
            content.on_eof(self._enough)
        timer = loop.call_later(seconds, self._enough)
        try:
            await self._gathered
        finally:
            timer.cancel()
            self._gathered = None

    def _enough(self) -> None:
        if self._gathered is not None and not self._gathered.done():
            self._gathered.set_result(None)

    async def _pieces(self, most: int) -> AsyncIterator[bytes]:
        content, watch = self._response.content, _Watch(self._response)
        wait, size = self._first_byte, 0
        try:
            while True:
                watch.begin(wait)
                data = await content.readany()
                watch.pause()
                if not data:
                    return
                size += len(data)
                if size > most:
                    raise UpstreamError(
                        f"The model server's answer has more than {most} bytes.", where="too_large"
                    )
                yield data
                wait = self._idle
        except FAILURES as failure:
            raise failed(TimeoutError() if watch.rang else failure) from None
        finally:
            watch.stop()

    async def read(self, limit: int | None = None) -> bytes:
        """The whole answer."""
        return b"".join([data async for data in self.stream(limit)])

    async def json(self, limit: int | None = None) -> Any:
        """The whole answer as JSON; ``UpstreamError`` where it is none."""
        data = await self.read(limit)
        try:
            return loads(data)
        except TooDeep:
            raise UpstreamError("The model server's answer is nested too deeply.", where="answer") from None
        except ValueError:
            raise UpstreamError("The model server's answer is not JSON.", where="answer") from None


class _Begun:
    """An iterator of which the first piece has been taken."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        if self._first is None:
            return self._rest.__anext__()
        return self._take()

    async def _take(self) -> bytes:
        first, self._first = self._first, None
        if not first:
            raise StopAsyncIteration
        return first


class _Watch:
    """Closes an answer that keeps its reader waiting too long.

    One timer serves all waits and moves on only when it is due: a timer for each piece would cost more
    than reading the piece does.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None
        self._due_at = 0.0
        self._deadline: float | None = None
        self.rang = False

    def begin(self, seconds: float) -> None:
        self._deadline = deadline = self._loop.time() + seconds
        if self._timer is not None and self._due_at > deadline:
            self.stop()
        if self._timer is None:
            self._set(deadline)

    def pause(self) -> None:
        """The piece has come; the time that its reader takes does not count."""
        self._deadline = None

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, deadline: float) -> None:
        # The time is kept here: for what is due at once uvloop gives a handle that does not know its own.
        self._due_at = deadline
        self._timer = self._loop.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._set(self._deadline)
            return
        self.rang = True
        self._response.close()  # wakes the reader with an error


def failed(failure: Exception) -> UpstreamError:
    """Our words for a failure of the connection."""
    if isinstance(failure, aiohttp.ConnectionTimeoutError):
        return UpstreamError(
            "The model server did not accept a connection in time.", status=504, where="connect"
        )
    if isinstance(failure, TimeoutError):
        return UpstreamError("The model server did not answer in time.", status=504, where="timeout")
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return UpstreamError("The model server's name cannot be resolved.", where="connect")
    if isinstance(failure, aiohttp.ClientSSLError):
        return UpstreamError("The model server's certificate was not accepted.", where="connect")
    if isinstance(failure, aiohttp.ClientConnectorError):
        return UpstreamError("The model server cannot be reached.", where="connect")
    return UpstreamError("The model server broke off its answer.", where="broken_off")
