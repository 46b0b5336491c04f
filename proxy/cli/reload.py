"""``sluicegate reload``: every worker reads policy, index and allowed texts anew, and says what it serves.

May import: the room ``keys``, inside functions. The rule that must stay true: exit code 0 means that every
worker that lives has answered, and none refused.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from proxy.cli import console
from proxy.cli.options import Subparsers, command, json_option, option, positive, state_option
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.keys import State, Worker

_ACT = 2


def add(commands: Subparsers) -> None:
    reload = command(
        commands,
        "reload",
        "Have every worker reload policy and index, and show what each of them serves.",
        run,
        "  sluicegate reload\n"
        "  sluicegate reload --list      only shows; changed files are loaded anyway\n",
    )
    option(reload, "--list", action="store_true", help="Only show what is served", default=False)
    option(
        reload, "--wait", type=positive, default=30, metavar="SECONDS", help="Time for the workers to answer"
    )
    state_option(reload)
    json_option(reload)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.keys import open_state

    store = open_state(options.state, environment, create=False)
    try:
        workers = store.workers()
        if not workers:
            raise ConfigError(f"{store.where}: no worker that serves with this state has reported")
        silent: list[Worker] = []
        if not options.list:
            workers, silent = _answers(store, store.ask_to_reload(), options.wait)
    finally:
        store.close()
    if options.json:
        print(json.dumps([asdict(worker) for worker in workers]))
    else:
        _tell(workers)
    for worker in silent:
        console.warn(f"{worker.id} has not answered in {options.wait} s")
    return _ACT if silent or any(worker.fault for worker in workers) else 0


def _answers(store: State, number: int, patience: float) -> tuple[Sequence[Worker], list[Worker]]:
    """What the workers say once all have answered the request, and those that have not."""
    deadline = time.monotonic() + patience
    while True:
        workers = store.workers()
        silent = [worker for worker in workers if worker.reload < number]
        if not silent or time.monotonic() >= deadline:
            return workers, silent
        time.sleep(0.1)


def _tell(workers: Sequence[Worker]) -> None:
    now = time.time()
    rows = [
        (each.host, each.pid, each.policy, each.index, each.allowed, f"{max(0.0, now - each.seen):.0f} s ago")
        for each in workers
    ]
    console.table("workers", ("host", "pid", "policy", "index", "allowed", "reported"), rows)
    for worker in workers:
        for line in worker.fault.splitlines():
            console.warn(f"pid {worker.pid} refused what is new and serves what it had: {line}")
