"""``sluicegate serve``: the proxy in front of a model.

May import: ``proxy.server``, inside functions. The rule
that must stay true: everything that guards is opened before the
first request is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from proxy.cli import console
from proxy.cli.options import (
    Fault,
    Subparsers,
    command,
    index_option,
    milliseconds,
    policy_option,
    port,
    positive,
    state_file,
    state_option,
)

if TYPE_CHECKING:
    import uvicorn

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
    serve.add_argument("--upstream", metavar="URL", help="the model's base URL, as for an OpenAI client")
    serve.add_argument(
        "--upstreams", type=Path, metavar="FILE", help="in its place: servers for each model, as YAML"
    )
    policy_option(serve)
    state_option(serve)
    serve.add_argument(
        "--trail", type=Path, metavar="FILE", help="decision trail (default: beside the state)"
    )
    serve.add_argument(
        "--trail-size",
        type=positive,
        default=64,
        metavar="MB",
        help="size of a file of the trail (default: 64)",
    )
    serve.add_argument(
        "--trail-files",
        type=positive,
        default=16,
        metavar="N",
        help="rotated files that are kept (default: 16)",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=port, default=10080, help="port to listen on (default: 8080)")
    serve.add_argument(
        "--metrics-port", type=port, metavar="N", help="serve /metrics on a port of its own, not to clients"
    )
    serve.add_argument("--workers", type=positive, default=1, metavar="N", help="processes (default: 1)")
    serve.add_argument(
        "--max-body", type=positive, default=16 * 1024 * 1024, metavar="BYTES", help="largest request body"
    )
    serve.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="text: faults only, for people; json: every request too, a JSON object a line (default: text)",
    )
    serve.add_argument(
        "--traces",
        action="store_true",
        help="send OpenTelemetry spans, without content, to where OTEL_EXPORTER_OTLP_ENDPOINT says",
    )
    serve.add_argument(
        "--keep-alive",
        type=positive,
        default=15,
        metavar="SECONDS",
        help="silence in a stream after which a comment is sent (default: 15)",
    )
    serve.add_argument(
        "--gather",
        type=milliseconds,
        default=100,
        metavar="MS",
        help="how long pieces of a stream are let come before they are read together, which makes guarding "
        "them cheap; the first text never waits; 0: each piece at once (default: 100)",
    )
    serve.add_argument(
        "--grace",
        type=positive,
        default=30,
        metavar="SECONDS",
        help="for answers that go on when the server is told to end (default: 30)",
    )


    _connection_options(serve)


def _connection_options(serve: argparse.ArgumentParser) -> None:
    seconds = {
        "head-timeout": (10, "time for a request's head to arrive"),
        "body-timeout": (60, "time for a request's body to arrive"),
        "idle-timeout": (5, "time between two requests of a connection"),
    }
    for name, (default, text) in seconds.items():
        serve.add_argument(
            f"--{name}",
            type=positive,
            default=default,
            metavar="SECONDS",
            help=f"{text} (default: {default})",
        )
    serve.add_argument(
        "--connections",
        type=positive,
        default=1000,
        metavar="N",
        help="client connections of a worker; beyond, those without a request give way (default: 1000)",
    )


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.server.settings import Settings

    if (options.upstream is None) == (options.upstreams is None):
        raise Fault("give --upstream URL or --upstreams FILE, one of them")
    settings = Settings(
        index=options.index,
        upstream=options.upstream,
        upstreams=options.upstreams,
        state=state_file(options),
        redis=options.state if isinstance(options.state, str) else None,
        policy=options.policy,
        trail=options.trail,
        host=options.host,
        port=options.port,
        metrics_port=options.metrics_port,
        workers=options.workers,
        max_body=options.max_body,
        keep_alive=options.keep_alive,
        gather=options.gather / 1000,
        grace=options.grace,
        head_timeout=options.head_timeout,
        body_timeout=options.body_timeout,
        idle_timeout=options.idle_timeout,
        connections=options.connections,
        log_format=options.log_format,
        traces=options.traces,
        trail_size=options.trail_size * 1024 * 1024,
        trail_files=options.trail_files,
    )
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        if settings.workers > 1:
            # Read by prometheus_client when it is first imported: set before any metric exists.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = scratch
        return _serve(settings, environment)


def _serve(settings: Settings, environment: Mapping[str, str]) -> int:
    import uvicorn

    from proxy.metrics import worker_ended
    from proxy.server.app import create_app, open_house, spare_collector
    from proxy.server.listen import metrics_server, open_port, raise_file_limit, server_options
    from proxy.server.logs import configure
    from proxy.server.workers import Workers

    configure(settings.log_format)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be heeded, it must not kill
    raise_file_limit(settings.connections)
    with ExitStack() as opened:
        listener = opened.enter_context(open_port(settings.host, settings.port))
        house = open_house(settings, environment)  # what is wrong is said here, before any worker starts
        opened.callback(house.trail.close)
        opened.callback(house.keys.close)
        metrics_port = opened.enter_context(metrics_server(settings, house.metrics))
        port = listener.getsockname()[1]
        _tell(settings, house.firewall)
        console.note(f"listening on {_address(settings.host, port)}/v1")
        if metrics_port is not None:
            console.note(f"metrics on {_address(settings.host, metrics_port)}/metrics")
        if settings.workers == 1:
            app = create_app(house)
            spare_collector()
            options = server_options(settings, house.metrics)
            return _alone(uvicorn.Config(app, **options), listener)
        if house.reloader is not None:
            house.reloader.close()
        house.keys.close()
        if house.traces is not None:
            house.traces.close()
        worker_ended(os.getpid())  # what this process has opened is served by none
        Workers(settings, listener).run()
    return 0


def _alone(config: uvicorn.Config, listener: socket.socket) -> int:
    """Serve in this process. Raises KeyboardInterrupt where an interrupt ended it."""
    import uvicorn

    interrupts: list[int] = []

    class Server(uvicorn.Server):
        """One that remembers: it raises the signal anew at its end, but on some loops that is lost."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if sig == signal.SIGINT:
                interrupts.append(sig)
            super().handle_exit(sig, frame)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            if self.force_exit:  # a second interrupt: cut what runs, and close everything as usual
                for task in self.server_state.tasks:
                    task.cancel()
                await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
                await self.lifespan.shutdown()

    Server(config).run([listener])
    if interrupts:
        raise KeyboardInterrupt
    return 0


def _tell(settings: Settings, firewall: Firewall) -> None:
    policy, index = firewall.policy, firewall.index
    console.note(
        f"policy {policy.name} ({policy.version}); index {settings.index}: {index.manifest.documents} "
        f"documents, audiences {', '.join(index.audiences)}; upstream "
        f"{settings.upstream or settings.upstreams}"
    )


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
