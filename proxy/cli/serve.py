"""``sluicegate serve``: the proxy in front of a model.

May import: ``proxy.server``, inside functions. The rule
that must stay true: everything that guards is opened before the
first request is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from proxy.cli import console
from proxy.cli.options import (
    Subparsers,
    command,
    index_option,
    milliseconds,
    option,
    policy_option,
    port,
    positive,
    state_file,
    state_option,
    trail_option,
)
from proxy.cli.parsing import Fault
from proxy.server.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    import uvicorn

    from proxy.server.firewall import Firewall

_MB = 1024 * 1024
_log = logging.getLogger("sluicegate")

_EXAMPLES = """\
  sluicegate serve --index chats.idx --upstream http://127.0.0.1:8000/v1
  SLUICEGATE_UPSTREAM_KEY=... sluicegate serve --index chats.idx \\
      --upstream https://llm.example/v1 --policy strict
"""


def add(commands: Subparsers) -> None:
    serve = command(commands, "serve", "Guard a model: an OpenAI-compatible proxy.", run, _EXAMPLES)
    index_option(serve)
    option(serve, "--upstream", metavar="URL", help="Base URL of the model, as for an OpenAI client")
    option(
        serve,
        "--upstreams",
        type=Path,
        metavar="FILE",
        help="In place of --upstream: servers for each model, as YAML",
    )
    policy_option(serve)
    state_option(serve)
    trail_option(serve)
    _setting(
        serve,
        "trail-size",
        "MB",
        "Size at which a file of the trail is rotated",
        default=DEFAULTS["trail_size"] // _MB,
    )
    _setting(serve, "trail-files", "N", "Rotated files of the trail that are kept")
    option(serve, "--host", default=DEFAULTS["host"], help="Address to listen on")
    option(serve, "--port", type=port, default=DEFAULTS["port"], metavar="N", help="Port to listen on")
    option(
        serve,
        "--metrics-port",
        type=port,
        default=DEFAULTS["metrics_port"],
        metavar="N",
        help="Port of its own for /metrics",
        shown="the port of the clients",
    )
    _setting(serve, "workers", "N", "Processes that serve")
    _setting(serve, "max-body", "BYTES", "Largest request body")
    option(
        serve,
        "--log-format",
        choices=("text", "json"),
        default=DEFAULTS["log_format"],
        help="Form of the log: text for people, faults only; json, with a line for each request",
    )
    option(
        serve,
        "--traces",
        action="store_true",
        default=DEFAULTS["traces"],
        help="Send OpenTelemetry spans, without content, to OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    _setting(serve, "keep-alive", "SECONDS", "Silence in a stream after which a comment is sent")
    option(
        serve,
        "--gather",
        type=milliseconds,
        default=round(DEFAULTS["gather"] * 1000),
        metavar="MS",
        help="Collect streamed chunks for up to MS milliseconds and check them together; the first text "
        "never waits; 0 checks each chunk at once",
    )
    _setting(serve, "grace", "SECONDS", "Time to let running answers finish at shutdown")
    _setting(serve, "head-timeout", "SECONDS", "Time for a request's head to arrive")
    _setting(serve, "body-timeout", "SECONDS", "Time for a request's body to arrive")
    _setting(serve, "idle-timeout", "SECONDS", "Time between two requests of a connection")
    _setting(
        serve,
        "connections",
        "N",
        "Client connections of a worker; beyond that number, those without a request give way",
    )


def _setting(
    serve: argparse.ArgumentParser, name: str, metavar: str, text: str, default: int | None = None
) -> None:
    """Add a positive number, with the default of the setting of the same name."""
    chosen = int(DEFAULTS[name.replace("-", "_")]) if default is None else default
    option(serve, f"--{name}", type=positive, default=chosen, metavar=metavar, help=text)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    if (options.upstream is None) == (options.upstreams is None):
        raise Fault(
            "give --upstream URL or --upstreams FILE, one of them (SLUICEGATE_UPSTREAM and "
            "SLUICEGATE_UPSTREAMS count too)"
        )
    settings = settings_of(options)
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        if settings.workers > 1:
            # Read by prometheus_client when it is first imported: set before any metric exists.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = scratch
        return _serve(settings, environment, options.unknown_variables)


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings that the options of the command say."""
    return Settings(
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
        trail_size=options.trail_size * _MB,
        trail_files=options.trail_files,
    )


def _serve(settings: Settings, environment: Mapping[str, str], unknown: Sequence[str]) -> int:
    import uvicorn

    from proxy.metrics import worker_ended
    from proxy.server.app import create_app, open_house, spare_collector
    from proxy.server.listen import metrics_server, open_port, raise_file_limit, server_options
    from proxy.server.logs import configure
    from proxy.server.workers import Workers

    configure(settings.log_format)
    if settings.log_format == "json":
        for line in unknown:
            _log.warning("%s", line)
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
