"""What the connections of one worker share: their limits, who waits, and who is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """``head``: seconds in which a request head must be complete. ``stuck``: seconds in which a client must
    take something of what is sent to it. ``most``: connections of one worker."""

    head: float = 10.0
    stuck: float = 60.0
    most: int = 1000


class Connection(Protocol):
    """What is asked of a connection."""

    def unsent(self) -> int:
        """Return how many bytes wait to be taken by the client."""
        ...

    def drop(self, why: str) -> None:
        """Close the connection, and count it."""
        ...


class Connections:
    """The open connections of one worker, on one event loop.

    A connection waits while it has no request in progress. One that has not sent a whole head since it was
    made gives way before one that has been used, and the longest waiting first.
    """

    def __init__(self, limits: ConnectionLimits, count: Callable[[str], None]) -> None:
        """``count`` is called with one of ``metrics.CLOSED`` for each connection that a limit closes."""
        self.limits = limits
        self.count = count
        self._new: dict[Connection, None] = {}
        self._used: dict[Connection, None] = {}
        self._open: dict[Connection, tuple[int, float]] = {}
        """For each connection the unsent bytes at the last look, and since when there are as many."""
        self._looking = False

    def opened(self, connection: Connection) -> bool:
        """Take a new connection in. At the limit one that waits is dropped for it; return False where none
        waits, so that the new one must go."""
        full = len(self._open) >= self.limits.most
        oldest = next(iter(self._new or self._used), None) if full else None
        if oldest is not None:
            self.closed(oldest)
            oldest.drop("evicted")
        self._open[connection] = (0, 0.0)
        self._new[connection] = None
        if not self._looking:
            self._look_later()
        return not full or oldest is not None

    def waits(self, connection: Connection) -> None:
        """Note that a request of a connection has been answered."""
        self._used[connection] = None

    def works(self, connection: Connection) -> None:
        """Note that a connection has a request, or is being closed: it does not wait."""
        self._new.pop(connection, None)
        self._used.pop(connection, None)

    def closed(self, connection: Connection) -> None:
        """Forget a connection. May be called again."""
        self._open.pop(connection, None)
        self.works(connection)

    # --- clients that take nothing

    def _look_later(self) -> None:
        self._looking = True
        asyncio.get_running_loop().call_later(self.limits.stuck / 6, self._look)

    def _look(self) -> None:
        """Drop the connections whose client has taken nothing for too long."""
        now = asyncio.get_running_loop().time()
        for connection, (before, since) in list(self._open.items()):
            unsent = connection.unsent()
            if not unsent or unsent != before:
                self._open[connection] = (unsent, now)
            elif now - since >= self.limits.stuck:
                self.closed(connection)
                connection.drop("stuck")
        self._looking = False
        if self._open:
            self._look_later()
