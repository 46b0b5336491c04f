"""What a server reports when it starts: what it serves, and what keeps it from being of use."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing

from proxy.errors import ConfigError, ProxyError
from proxy.keys import State, Worker, open_state
from proxy.server.settings import Settings
from proxy.server.state import House
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.router import Router

PROBE_SECONDS = 2.0
"""For a connection to each model server at start. They are tried at the same time."""

_log = logging.getLogger("sluicegate")


def addresses(router: Router) -> list[tuple[str, int]]:
    """Return host and port of each model server that has an address."""
    clients = (server.client for server in router.servers())
    return list(dict.fromkeys(client.address for client in clients if isinstance(client, OpenAIUpstream)))


def warn_of_no_keys(state: State, settings: Settings) -> None:
    """Log a warning where nobody has a key, with the command that makes one."""
    try:
        keys = state.list()
    except ConfigError:
        return  # it is reported as a state that cannot be read
    if any(key.revoked is None for key in keys):
        return
    where = settings.redis or settings.state
    _log.warning(
        "there is no key yet, so every request is refused; make one: "
        "sluicegate keys create --role public --state %s",
        where,
    )


def warn_of_silent_upstreams(house: House) -> None:
    """Try to connect to each model server; log those that do not answer. The server starts all the same."""
    places = addresses(house.upstream)
    for (host, port), reached in zip(places, asyncio.run(_reach(places)), strict=True):
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if not reached:
            house.upstream_answered(shown, "connect", None)
            house.metrics.upstream_seen(False)


async def _reach(places: Sequence[tuple[str, int]]) -> list[bool]:
    return list(await asyncio.gather(*(_connects(host, port) for host, port in places)))


async def _connects(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError, UnicodeError):
        return False
    writer.close()
    return True


def workers_details(
    settings: Settings, environment: Mapping[str, str], pids: Sequence[int]
) -> dict[str, object]:
    """Return what operators read of a server of several workers, from what the workers have reported.

    The state is opened for the question: the process that watches the workers keeps none open.
    """
    host = socket.gethostname()
    try:
        with closing(open_state(settings.redis or settings.state, environment)) as state:
            found = [worker for worker in state.workers() if worker.host == host and worker.pid in pids]
    except ProxyError:
        return {"ready": False, "faults": ["state"], "workers": []}
    shown = [
        {
            "worker": each.id,
            "policy": each.policy,
            "index": each.index,
            "refused": bool(each.fault),
            "seen": each.seen,
        }
        for each in found
    ]
    faults = sorted({str(fault) for each in found for fault in _faults_of(each)}) if found else ["workers"]
    return {"ready": not faults, "faults": faults, "workers": shown}


def _faults_of(worker: Worker) -> Sequence[object]:
    """What a worker says keeps it from answering."""
    faults = worker.extra.get("faults")
    return faults if isinstance(faults, list) else ()
