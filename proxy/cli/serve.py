"""``sluicegate serve``: the proxy in front of a model.

May import: ``proxy.server``, inside functions. The rule
that must stay true: everything that guards is opened before the
first request is taken.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.cli import console
from proxy.cli.options import (
    Subparsers,
    command,
    index_option,
    policy_option,
    port,
    positive,
    state_option,
)

if TYPE_CHECKING:
    from proxy.server.firewall import Firewall
    from proxy.server.settings import Settings

_EXAMPLES = """\
  sluicegate serve --index chats.idx --upstream http://127.0.0.1:8000/v1
  SLUICEGATE_UPSTREAM_KEY=... sluicegate serve --index chats.idx \\
      --upstream https://llm.example/v1 --policy strict
"""


def add(commands: Subparsers) -> None:
    serve = command(commands, "serve", "Guard a model: an OpenAI-compatible proxy.", run, _EXAMPLES)
    index_option(serve)
    serve.add_argument(
        "--upstream", required=True, metavar="URL", help="the model's base URL, as for an OpenAI client"
    )
    policy_option(serve)
    state_option(serve)
    serve.add_argument(
        "--trail", type=Path, metavar="FILE", help="decision trail (default: beside the state)"
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=port, default=8080, help="port to listen on (default: 8080)")
    serve.add_argument(
        "--metrics-port", type=port, metavar="N", help="serve /metrics on a port of its own, not to clients"
    )
    serve.add_argument("--workers", type=positive, default=1, metavar="N", help="processes (default: 1)")
    serve.add_argument(
        "--max-body", type=positive, default=16 * 1024 * 1024, metavar="BYTES", help="largest request body"
    )


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.server.settings import SETTINGS_VARIABLE, Settings

    settings = Settings(
        index=options.index,
        upstream=options.upstream,
        state=options.state,
        policy=options.policy,
        trail=options.trail,
        host=options.host,
        port=options.port,
        metrics_port=options.metrics_port,
        workers=options.workers,
        max_body=options.max_body,
    )
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        if settings.workers > 1:
            # Read by prometheus_client when it is first imported: set before any metric exists.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = scratch
        os.environ[SETTINGS_VARIABLE] = settings.to_json()
        return _serve(settings, environment)


def _serve(settings: Settings, environment: Mapping[str, str]) -> int:
    import uvicorn

    from proxy.server.app import create_app, open_house
    from proxy.server.listen import metrics_server, open_port

    common: dict[str, Any] = {
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": 30,
    }
    with ExitStack() as opened:
        listener = opened.enter_context(open_port(settings.host, settings.port))
        house = open_house(settings, environment)  # what is wrong is said here, before any worker starts
        opened.callback(house.keys.close)
        opened.callback(house.trail.close)
        metrics_port = opened.enter_context(metrics_server(settings, house.metrics))
        port = listener.getsockname()[1]
        _tell(settings, house.firewall)
        console.note(f"listening on {_address(settings.host, port)}/v1")
        if metrics_port is not None:
            console.note(f"metrics on {_address(settings.host, metrics_port)}/metrics")
        if settings.workers == 1:
            uvicorn.Server(uvicorn.Config(create_app(house), **common)).run([listener])
            return 0
        house.keys.close()  # a connection to the state does not survive a fork
        listener.close()  # it is free, and the workers' parent opens it again
        uvicorn.run(
            "proxy.server.app:create_from_environment",
            factory=True,
            host=settings.host,
            port=port,
            workers=settings.workers,
            **common,
        )
    return 0


def _tell(settings: Settings, firewall: Firewall) -> None:
    policy, index = firewall.policy, firewall.index
    console.note(
        f"policy {policy.name} ({policy.version}); index {settings.index}: {index.manifest.documents} "
        f"documents, audiences {', '.join(index.audiences)}; upstream {settings.upstream}"
    )


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
