"""Which server answers for which model: by weight, and the next one when a server fails.

A request is tried again only before the first byte of an answer has come: once where the server cannot be
reached or hangs up, and at each further server of its model also where one is busy or out of order.

May import: the ground floor and this room. The rule that must stay true: an answer of which one byte has
been read is never begun again.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.errors import UpstreamError

REST = 5.0
"""Seconds for which a server that could not be reached is asked last."""

_SAME = ("connect", "broken_off")
_BUSY = (429, 502, 503, 504)


class Answer(Protocol):
    """An answer whose head has come."""

    async def begin(self) -> None:
        """Wait for its first byte. Raises UpstreamError."""
        ...

    def stream(self) -> AsyncIterator[bytes]:
        """Its bytes as they come."""
        ...

    async def gather(self, seconds: float) -> None:
        """Between two pieces: let more come for ``seconds``, to be read together."""
        ...

    async def json(self) -> Any: ...


class Observer(Protocol):
    """Is called at the end of each request to a server."""

    def __call__(self, server: str, result: str, first_byte: float | None) -> None:
        """``result``: ``ok``, ``cancelled``, or where an ``UpstreamError`` says that it failed."""
        ...


class Client(Protocol):
    """A client of one server."""

    def open(
        self, path: str, body: Mapping[str, Any], *, stream: bool
    ) -> AbstractAsyncContextManager[Answer]: ...

    async def models(self) -> Sequence[str]: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class Server:
    """One server of a model. ``model``: what it calls the model, where that is another name.

    ``weight``: its share of the requests; 0: only when the others fail.
    """

    client: Client
    model: str | None = None
    weight: int = 1
    name: str = ""
    """What metrics and logs call it: host and port, or the provider's name of the model."""
    resting_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """A model that callers may ask for. ``roles`` None: every role may."""

    servers: tuple[Server, ...]
    aliases: tuple[str, ...] = ()
    roles: frozenset[str] | None = None


@dataclass(slots=True)
class Router:
    """The servers of all models. ``default`` answers for models that have no route; None: nobody does."""

    routes: Mapping[str, Route] = field(default_factory=dict)
    default: Server | None = None
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random)
    observe: Observer | None = None
    _named: dict[str, Route] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, route in self.routes.items():
            for each in (name, *route.aliases):
                self._named[each] = route

    def serves(self, model: str, role: str) -> bool:
        """Whether a role may ask for a model, as far as it is a matter of routes."""
        route = self._named.get(model)
        if route is None:
            return self.default is not None
        return route.roles is None or role in route.roles

    async def models(self, role: str) -> tuple[str, ...]:
        """The names that a role may ask for; those of the default server are asked of it."""
        named = tuple(name for name in self._named if self.serves(name, role))
        if self.default is None:
            return named
        theirs = await self.default.client.models()
        return (*named, *(name for name in theirs if name not in self._named))

    @asynccontextmanager
    async def open(self, path: str, body: Mapping[str, Any], *, stream: bool) -> AsyncIterator[Answer]:
        """POST ``body`` to a server of its model. Gives the answer once its first byte has come."""
        waiting = self._order(str(body.get("model")))
        first = waiting[0]
        again = True
        while True:
            server = waiting.pop(0)
            began, first_byte = time.perf_counter(), None
            async with AsyncExitStack() as opened:
                try:
                    asked = body if server.model is None else {**body, "model": server.model}
                    answer = await opened.enter_async_context(server.client.open(path, asked, stream=stream))
                    await answer.begin()
                    first_byte = time.perf_counter() - began
                except UpstreamError as error:
                    self._observe(server, error.where, None)
                    if error.where == "connect":
                        server.resting_until = self.clock() + REST
                    if again and server is first and not waiting and error.where in _SAME:
                        again = False
                        waiting.append(server)
                    elif not waiting or not _may_move(error):
                        raise
                    continue
                result = "cancelled"
                try:
                    yield answer
                    result = "ok"
                except UpstreamError as error:
                    result = error.where
                    raise
                finally:
                    self._observe(server, result, first_byte)
                return

    def servers(self) -> list[Server]:
        """Return every server, each once."""
        listed = [server for route in self.routes.values() for server in route.servers]
        return [*listed, *([self.default] if self.default is not None else [])]

    def names(self) -> tuple[str, ...]:
        """Return the names of models that have routes, aliases included."""
        return tuple(self._named)

    def _observe(self, server: Server, result: str, first_byte: float | None) -> None:
        if self.observe is not None:
            self.observe(server.name, result, first_byte)

    def _order(self, model: str) -> list[Server]:
        """The servers to ask, one after the other: drawn by weight, those that rest at the end."""
        route = self._named.get(model)
        if route is None:
            if self.default is None:
                raise UpstreamError("No model server is set up for this model.", status=404, where="route")
            return [self.default]
        if len(route.servers) == 1:
            return list(route.servers)
        now = self.clock()
        drawn = {
            id(server): self.chance.random() ** (1 / server.weight) if server.weight else -1.0
            for server in route.servers
        }
        return sorted(route.servers, key=lambda each: (each.resting_until > now, -drawn[id(each)]))

    async def close(self) -> None:
        for server in self.servers():
            await server.client.close()


def _may_move(error: UpstreamError) -> bool:
    """Whether another server may do better."""
    if error.where == "status":
        return error.status in _BUSY
    return error.where in ("connect", "broken_off", "timeout")
