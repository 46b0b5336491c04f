"""Keep the sessions of answers that others relay: by key, role and name, bounded in number and bytes.

May import: every room and this door. The invariants: two keys, or two named roles, never meet in a session;
a stream that lost its session to others does not go on as if nothing had been read.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from proxy.errors import RequestError
from proxy.server.guarding import Session
from proxy.types import Caller

if TYPE_CHECKING:
    from proxy.server.state import House

IDLE = 600.0
"""Seconds after which an answer of which nothing more came counts as ended."""

_MOST_EVICTED = 20_000
"""Names of evicted streams that are remembered, as hashes."""

_Key = tuple[str, str, str]
"""Key id, role, name of the stream."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most sessions, and the most bytes that one session and all of them together keep."""

    sessions: int = 2_000
    one: int = 192 * 1024 * 1024
    all: int = 256 * 1024 * 1024


class Sessions:
    """The answers that are being guarded for others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, caps: Caps | None = None) -> None:
        self.caps = Caps() if caps is None else caps
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._sessions: OrderedDict[_Key, Session] = OrderedDict()
        self._sizes: dict[_Key, int] = {}
        self._evicted: OrderedDict[bytes, None] = OrderedDict()

    @property
    def kept(self) -> int:
        """The bytes that all sessions keep, about."""
        return sum(self._sizes.values())

    @asynccontextmanager
    async def using(self, house: House, caller: Caller, name: str) -> AsyncIterator[Session]:
        """The session of an answer, in its turn; "" names none, and is always a new one.

        Raises RequestError: 409 for a stream whose session was evicted, 413 for one that keeps too much, 429
        where there is no room for another one.
        """
        if not name:
            session = Session(house, caller)
            async with session.turn:
                try:
                    yield session
                finally:
                    session.record()
            return
        key = (caller.key_id, caller.role, name)
        session = await self._take(house, caller, key)
        try:
            yield session
            if session.kept > self.caps.one:
                self._evict(key)
                raise RequestError(
                    "This stream is too long for a named one; send its whole text without a name.",
                    status=413,
                    code="stream_too_large",
                )
        finally:
            session.turn.release()
            self._settle(key, session)

    def forget(self, before: float = float("inf")) -> None:
        """Record the answers of which nothing has come since."""
        for key, session in list(self._sessions.items()):
            if session.used > before:
                return
            if session.turn.locked():
                continue
            self._drop(key)
            session.record()

    async def _take(self, house: House, caller: Caller, key: _Key) -> Session:
        """The session in its turn. While one waits, the session may go and another one come."""
        while True:
            self.forget(self._clock() - IDLE)
            session = self._sessions.get(key)
            if session is None:
                if self._mark(key) in self._evicted:
                    raise RequestError(
                        "This stream was given up to make room for others; start again under another name.",
                        status=409,
                        code="stream_evicted",
                    )
                self._make_room(1)
                session = self._sessions[key] = Session(house, caller)
                session.used = self._clock()
            await session.turn.acquire()
            if self._sessions.get(key) is session:
                session.used = self._clock()
                self._sessions.move_to_end(key)
                return session
            session.turn.release()

    def _settle(self, key: _Key, session: Session) -> None:
        """After a call: forget a session that has not begun, and keep within the bytes."""
        if self._sessions.get(key) is not session:
            return
        if not session.begun:
            self._drop(key)
            return
        self._sizes[key] = session.kept
        self._make_room(0)

    def _make_room(self, more: int) -> None:
        """Evict sessions until there is room for ``more``: the oldest of the key that takes most of it."""
        while (many := len(self._sessions) + more > self.caps.sessions) or self.kept > self.caps.all:
            victim = self._victim(count=many)
            if victim is None:
                if more:
                    raise RequestError(
                        "Too many streams are being guarded at the same time. Please try again later.",
                        status=429,
                        kind="requests",
                        code="rate_limit_exceeded",
                    )
                return
            self._evict(victim)

    def _victim(self, *, count: bool) -> _Key | None:
        """The oldest session, not in use, of the key that has most of them (``count``) or most bytes."""
        taken: dict[str, int] = {}
        for key in self._sessions:
            taken[key[0]] = taken.get(key[0], 0) + (1 if count else self._sizes.get(key, 0))
        for owner in sorted(taken, key=lambda each: -taken[each]):
            for key, session in self._sessions.items():
                if key[0] == owner and not session.turn.locked():
                    return key
        return None

    def _evict(self, key: _Key) -> None:
        session = self._drop(key)
        if session is not None:
            self._evicted[self._mark(key)] = None
            if len(self._evicted) > _MOST_EVICTED:
                self._evicted.popitem(last=False)
            session.record()

    def _drop(self, key: _Key) -> Session | None:
        self._sizes.pop(key, None)
        return self._sessions.pop(key, None)

    def _mark(self, key: _Key) -> bytes:
        """What is remembered of the name of an evicted stream."""
        name = "\0".join(key).encode("utf-8", "surrogatepass")
        return blake2b(name, key=self._secret, digest_size=16).digest()
