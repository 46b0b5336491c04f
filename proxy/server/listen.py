"""Ports: the one that clients use, and one of their own for the metrics, so that clients do not reach them.

May import: ``proxy.metrics`` and this door's settings. The rule that must stay true: the port of the metrics
serves ``/metrics`` and nothing else.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from proxy.errors import ConfigError
from proxy.metrics import Metrics
from proxy.server.connections import ConnectionLimits
from proxy.server.protocol import limited
from proxy.server.settings import Settings

_OTHER_FILES = 256
"""Files of a worker beside its connections: index, state, trail, metrics."""


def open_port(host: str, port: int) -> socket.socket:
    """A socket that listens; 0 takes any free port. Raises ConfigError where it cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=2048)
    except (OSError, UnicodeError) as error:  # the second for a name that can be none
        raise ConfigError(
            f"--port: cannot listen on {host}:{port}: {_reason(error)}; choose another --host or --port"
        ) from None


def server_options(settings: Settings, metrics: Metrics) -> dict[str, Any]:
    """Return the settings of uvicorn for one worker."""
    limits = ConnectionLimits(
        settings.head_timeout, settings.patience, min(settings.connections, _connections_that_fit())
    )
    return {
        "log_config": None,  # what uvicorn logs is formatted as everything else is
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "http": limited(limits, metrics.connection_closed),
        "ws": "none",
        "timeout_keep_alive": settings.idle_timeout,
        "timeout_graceful_shutdown": round(settings.grace),
    }


def raise_file_limit(connections: int) -> None:
    """Let this process, and those it starts, open enough files: a connection takes one for the client and one
    for the model."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _connections_that_fit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, (soft - _OTHER_FILES) // 2) if soft != resource.RLIM_INFINITY else 1_000_000


def _reason(error: OSError | UnicodeError) -> str:
    said = getattr(error, "strerror", None)
    return said.partition(" (while ")[0] if said else "not the name of a host"


@contextmanager
def metrics_server(settings: Settings, metrics: Metrics) -> Iterator[int | None]:
    """Serve ``/metrics`` on ``settings.metrics_port`` while the body runs, and say where (0 takes any free
    port); nothing where it is None. Raises ConfigError."""
    if settings.metrics_port is None:
        yield None
        return

    class Scrape(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            body, kind = metrics.render()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not logged."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        daemon_threads = True

    try:
        server = Server((settings.host, settings.metrics_port), Scrape)
    except OSError as error:
        raise ConfigError(
            f"--metrics-port {settings.metrics_port}: cannot listen on {settings.host}: {_reason(error)}"
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
