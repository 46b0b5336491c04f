"""Builds the house: settings -> policy, index, detectors, keys, upstream, trail, metrics -> the app.

May import: every room and this door; only this file constructs. The rule that must stay true: nothing
is served before everything that guards has been opened; what is wrong is a ConfigError for a person.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager

from fastapi import FastAPI

from proxy import __version__
from proxy.audit import Trail
from proxy.dialects import DIALECTS
from proxy.guard import HOLD_EXCEEDED
from proxy.index import index_key, open_index
from proxy.keys import KeyStore
from proxy.metrics import Metrics
from proxy.policy import NO_RULE, Policy, load_policy
from proxy.server.firewall import Firewall
from proxy.server.routes import add_routes
from proxy.server.settings import SETTINGS_VARIABLE, Settings
from proxy.server.state import House
from proxy.upstreams.openai import OpenAIUpstream

UPSTREAM_KEY = "SLUICEGATE_UPSTREAM_KEY"


def open_house(settings: Settings, environment: Mapping[str, str]) -> House:
    """Open everything a worker needs. Raises ConfigError."""
    policy = load_policy(settings.policy)
    index = open_index(settings.index, index_key(settings.index, environment))
    upstream = OpenAIUpstream(settings.upstream, key=environment.get(UPSTREAM_KEY, "").strip() or None)
    firewall = Firewall.assemble(policy, index)
    metrics = _metrics(policy)
    manifest = index.manifest
    metrics.index_opened(manifest.documents, manifest.index_bytes, manifest.built)
    with ExitStack() as opened:
        keys = KeyStore(settings.state)
        opened.callback(keys.close)
        trail = Trail(settings.trail_path)
        opened.pop_all()
    return House(settings, firewall, keys, upstream, trail, metrics)


def _metrics(policy: Policy) -> Metrics:
    return Metrics(
        roles=policy.roles,
        rules=[*(rule.id for rule in policy.rules), NO_RULE, HOLD_EXCEEDED],
        policy=(policy.name, policy.version),
        observe=policy.observe,
        version=__version__,
        endpoints=[*(f"/v1{path}" for path in DIALECTS), "/v1/models"],
    )


def create_app(house: House) -> FastAPI:
    """The ASGI application of one worker."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
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
    add_routes(app, house, metrics=house.settings.metrics_port is None)
    return app


def create_from_environment() -> FastAPI:
    """The application of one of several workers, from what its parent left in the environment."""
    settings = Settings.from_json(os.environ[SETTINGS_VARIABLE])
    return create_app(open_house(settings, os.environ))
