"""HTTP connections of clients: uvicorn's protocol, with limits on what they may hold and for how long.

* A request head is complete within ``limits.head`` seconds, counted from the connection or from the head's
  first byte, and has at most ``LONGEST_HEAD`` bytes.
* A worker has at most ``limits.most`` connections. A new one takes the place of one that waits without a
  request, the longest first; where all have a request, the new one gets a 503.
* A client that takes nothing of its answer for ``limits.stuck`` seconds loses its connection.
* Malformed HTTP is an error in OpenAI's form; uvicorn would answer in plain text.

Invariants: nothing of what was sent is repeated; a connection with a request in progress is closed only for
what its client does on it.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from proxy.server.connections import ConnectionLimits, Connections
from proxy.server.responses import error_response

LONGEST_HEAD = 65_536
MOST_PIPELINED = 32
"""Requests of one connection that wait for the answer to another."""

_FRAMING = 16
"""Bytes of chunk framing that may come with one byte of a body, beyond ``LONGEST_HEAD``."""

_CODES = {400: "invalid_http", 408: "request_timeout", 431: "headers_too_large", 503: "overloaded"}


def limited(limits: ConnectionLimits, count: Callable[[str], None]) -> type[Protocol]:
    """Return the protocol of one worker. ``count``: see :class:`Connections`."""
    return type("LimitedProtocol", (Protocol,), {"shared": Connections(limits, count)})


def _in_kernel(transport: asyncio.Transport) -> int:
    """Return the bytes that the kernel has taken and the client has not acknowledged.

    The buffer above it moves in steps of hundreds of kB, for which a slow client takes minutes.
    """
    try:
        connection = transport.get_extra_info("socket")
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, AttributeError):
        return 0


class Protocol(HttpToolsProtocol):
    """One connection. Made by what :func:`limited` returns."""

    shared: ClassVar[Connections]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._in_head = True
        self._received = 0
        """Bytes since the current head, or the current body, began."""
        self._body = 0
        self._begun = False
        """Whether a part of the current head has come."""
        self._dropped = False

    @property
    def _busy(self) -> bool:
        """Whether a request whose head is complete has not been answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _may_answer(self) -> bool:
        """Whether an error can be sent: in the middle of an answer it would be taken for a part of it."""
        running = self._running
        if running is None or running.response_complete:
            return self._in_head and not self.pipeline
        return not running.response_started

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if not self.shared.opened(self):
            message = "The proxy serves as many connections as it can. Try again later."
            self._refuse(503, message, "overloaded")
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._dropped = True
        self._stop_timer()
        self.shared.closed(self)
        running = self._running
        super().connection_lost(exc)
        if running is not None and not running.response_complete:
            # uvicorn tells the request that came last; of pipelined ones another is being answered.
            running.disconnected = True
            running.message_event.set()

    def unsent(self) -> int:
        waiting = self.transport.get_write_buffer_size()
        return waiting + _in_kernel(self.transport) if waiting else 0

    def drop(self, why: str) -> None:
        if self._dropped and why != "stuck":
            return
        self._forget(why)
        if self.unsent():
            self.transport.abort()
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str, why: str) -> None:
        """Answer with an error and close: where the next request would begin is not known."""
        if self._dropped:
            return
        self._forget(why)
        if self._may_answer:
            refusal = error_response(
                f"{message} The connection is closed.",
                status=status,
                kind="server_error" if status >= 500 else "invalid_request_error",
                code=_CODES[status],
                headers={"connection": "close"} | ({"retry-after": "1"} if status == 503 else {}),
            )
            lines = [b"%s: %s\r\n" % header for header in refusal.raw_headers]
            self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", bytes(refusal.body)]))
        self.transport.close()

    def _forget(self, why: str) -> None:
        self._dropped = True
        self._stop_timer()
        self._unset_keepalive_if_required()
        self.shared.works(self)
        self.shared.count(why)

    # --- what is received

    def data_received(self, data: bytes) -> None:
        if self._dropped:
            return
        self._received += len(data)
        if self._timer is None and not self._busy:
            self._expect_head()
        super().data_received(data)
        if self._in_head:
            if self._received > LONGEST_HEAD:
                self._refuse(431, f"The request's head has more than {LONGEST_HEAD} bytes.", "head_too_large")
        elif self._received > LONGEST_HEAD + _FRAMING * self._body:
            self._refuse(400, "The request's body has too little in too many chunks.", "framing")

    def on_message_begin(self) -> None:
        self._begun = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are not used
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._begun, self._received, self._body = False, False, 0, 0
        self._stop_timer()
        if self._dropped:
            return
        if len(self.pipeline) >= MOST_PIPELINED:
            self._refuse(400, "Too many requests wait for an earlier one.", "pipelined")
            return
        self.shared.works(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if not self._dropped:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._received = True, 0
        if self._dropped:
            return
        super().on_message_complete()
        if not self._busy:  # answered before its body had come
            self._expect_head()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._dropped or self._busy:
            return
        self.shared.waits(self)
        if self._begun or not self._in_head:  # the next head, or the body, is on its way
            self._expect_head()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, f"{msg} Send it as HTTP/1.1 (RFC 9112).", "invalid")

    # --- time

    def _expect_head(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(self.shared.limits.head, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._busy:  # the next head has begun while a request is answered
            self._expect_head()
        elif self._in_head and (self._begun or self._received):
            self._refuse(408, "The request's head did not come in time.", "late")
        else:
            self.drop("late")
