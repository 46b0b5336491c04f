"""Builds the house: settings -> policy, index, detectors, keys, upstream, trail, metrics -> the app.

May import: every room and this door; only this file constructs. The rule that must stay true: nothing
is served before everything that guards has been opened; what is wrong is a ConfigError for a person.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager

from fastapi import FastAPI

from proxy import __version__
from proxy.audit import Trail, trail_key
from proxy.dialects import DIALECTS
from proxy.keys import open_served_state, redis_password
from proxy.metrics import Metrics
from proxy.policy import Policy, load_policy
from proxy.server.counts import FileCounts, RedisCounts
from proxy.server.firewall import Firewall
from proxy.server.guard_routes import NEUTRAL
from proxy.server.identify import Identify
from proxy.server.loops import HOP_HEADER, hop_of
from proxy.server.models_file import open_models
from proxy.server.opening import admit, open_served
from proxy.server.reload import LOOK_SECONDS, Reloader
from proxy.server.routes import add_routes
from proxy.server.settings import Settings
from proxy.server.shared_limits import SharedLimits
from proxy.server.state import House
from proxy.server.traces import Parent, Traces
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.router import Router, Server

UPSTREAM_KEY = "SLUICEGATE_UPSTREAM_KEY"
_log = logging.getLogger("sluicegate")


def open_house(settings: Settings, environment: Mapping[str, str]) -> House:
    """Open everything a worker needs. Raises ConfigError."""
    policy = load_policy(settings.policy)
    served = open_served(settings, environment, later=settings.verify == "later")
    index = served.index
    headers = {HOP_HEADER: hop_of(index.key)}
    upstream = _upstream(settings, environment, policy, headers)
    firewall = Firewall.assemble(policy, index)
    endpoints = [*(f"/v1{path}" for path in DIALECTS), "/v1/models", NEUTRAL]
    metrics = Metrics(version=__version__, endpoints=endpoints)
    metrics.traffic.known(upstreams=[each.name for each in upstream.servers()], models=upstream.names())
    with ExitStack() as opened:
        opened.callback(served.close)
        keys = open_served_state(settings.redis or settings.state, environment)
        opened.callback(keys.close)
        trail = Trail(
            settings.trail_path,
            key=trail_key(environment),
            size=settings.trail_size,
            files=settings.trail_files,
        )
        opened.callback(trail.close)
        admit(settings, keys, trail, index.manifest)
        house = House(settings, firewall, keys, upstream, trail, metrics)
        house.check = served.check
        upstream.observe = house.upstream_answered
        if settings.redis is not None:
            house.limits = SharedLimits(RedisCounts(settings.redis, redis_password(environment)))
        elif settings.workers > 1:
            house.limits = SharedLimits(FileCounts(settings.state.with_name(settings.state.stem + ".counts")))
        if settings.traces:
            house.traces = Traces()
        house.reloader = Reloader(house, environment)
        house.reloader.start()
        opened.pop_all()
    return house


def _upstream(
    settings: Settings, environment: Mapping[str, str], policy: Policy, headers: Mapping[str, str]
) -> Router:
    """The servers of a file, or the one that was named."""
    if settings.upstreams is not None:
        return open_models(settings.upstreams, environment, policy.roles, headers)
    key = environment.get(UPSTREAM_KEY, "").strip() or None
    client = OpenAIUpstream(settings.upstream or "", key=key, headers=headers)
    return Router(default=Server(client, name=client.name))


def spare_collector() -> None:
    """What the start has made stays: the collector of cycles need not go through it while answers wait.

    It would take some 50 ms each time. For a process that does nothing but serve.
    """
    gc.collect()
    gc.freeze()


def create_app(house: House) -> FastAPI:
    """The ASGI application of one worker."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        house.check_index()
        async with watching(house.reloader):
            yield
        await house.close()

    app = FastAPI(
        title="Sluicegate",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Identify, metrics=house.metrics, hop=hop_of(house.firewall.index.key))
    if house.traces is not None:
        app.add_middleware(Parent)
    add_routes(app, house, metrics=house.settings.metrics_port is None)
    return app


@asynccontextmanager
async def watching(reloader: Reloader | None) -> AsyncIterator[None]:
    """Look for changes once a second, and at once on SIGHUP, while the body runs."""
    if reloader is None:
        yield
        return
    loop, wake = asyncio.get_running_loop(), asyncio.Event()

    def heed() -> None:
        _log.info("SIGHUP: reading policy, index and state again", extra={"fields": {"event": "sighup"}})
        reloader.force()
        wake.set()

    async def watch() -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), LOOK_SECONDS)
            wake.clear()
            await asyncio.to_thread(reloader.look)

    main = threading.current_thread() is threading.main_thread()
    if main:
        loop.add_signal_handler(signal.SIGHUP, heed)
    task = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        if main:
            loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it must not kill what is about to end
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
