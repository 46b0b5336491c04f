"""An event stream on its way to a caller: kept alive, and not for one who has gone or does not read.

While nothing can be sent (the model is silent, or all that came is held back) a comment goes out now and
then, so that nothing on the way takes the connection for dead. Memory is bounded: an event is asked for when
the one before has been taken; a caller who takes nothing for too long is left.

May import: ``proxy.sse``. The rule that must stay true: however it ends, the events are closed (which closes
the upstream) and ``ended`` is called once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from proxy import sse

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # so that no buffer between here and the caller holds events back
}
_COMMENT = sse.comment()


class EventStream(Response):
    """``first``: the first event, or what will become of it. ``keep_alive``: seconds of silence before a
    comment. ``patience``: seconds that one event may wait for the caller to take it."""

    def __init__(
        self,
        first: bytes | Awaitable[bytes],
        events: AsyncGenerator[bytes],
        headers: Mapping[str, str],
        *,
        keep_alive: float,
        patience: float,
        ended: Callable[[], Awaitable[None]],
    ) -> None:
        self.status_code = 200
        self.background = None
        # As Starlette would write them, but without a length: nobody knows it.
        self.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in {**_HEADERS, **headers}.items()
        ]
        self.body = b""
        self._first = first
        self._events = events
        self._keep_alive = keep_alive
        self._patience = patience
        self._ended = ended
        self._sending_since: float | None = None
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        others = [asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(self._tend(send))]
        try:
            await asyncio.wait({sending, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, *others):
                task.cancel()
            await asyncio.gather(sending, *others, return_exceptions=True)
            try:
                await self._close()
            finally:
                await self._ended()
        failure = None if sending.cancelled() else sending.exception()
        if failure is not None and not isinstance(failure, OSError):  # that one: the caller has gone
            raise failure

    async def _send(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        self._sent_at = loop.time()
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        first = self._first if isinstance(self._first, bytes) else await self._first
        data: bytes | None = first
        while data is not None:
            self._sending_since = loop.time()
            await send({"type": "http.response.body", "body": data, "more_body": True})
            self._sent_at, self._sending_since = loop.time(), None
            data = await anext(self._events, None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tend(self, send: Send) -> None:
        """Send comments while there is silence; end when the caller does not take what is sent."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            since = self._sending_since
            if since is not None:
                if now - since >= self._patience:
                    return
                await asyncio.sleep(min(self._keep_alive, self._patience))
            elif now - self._sent_at >= self._keep_alive > 0:
                self._sent_at = self._sending_since = now
                await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
                self._sending_since = None
            else:
                await asyncio.sleep(max(0.01, self._keep_alive - (now - self._sent_at)))

    async def _close(self) -> None:
        if not isinstance(self._first, bytes) and isinstance(self._first, asyncio.Future):
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)  # told to the caller, if one is left
        await self._events.aclose()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
