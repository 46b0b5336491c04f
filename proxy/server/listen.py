"""Ports: one for clients, and one for operators, which clients do not reach.

The operators' port serves ``/metrics`` and ``/readyz`` with its details, and nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import resource
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from proxy.errors import ConfigError
from proxy.metrics import Metrics
from proxy.server.connections import ConnectionLimits
from proxy.server.protocol import limited
from proxy.server.settings import Settings

_log = logging.getLogger("sluicegate")
_SCRAPE_SECONDS = 30.0
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
def metrics_server(
    settings: Settings, metrics: Metrics, details: Callable[[], Mapping[str, object]] | None = None
) -> Iterator[int | None]:
    """Serve ``/metrics`` on ``settings.metrics_port`` while the body runs; yield the port, or None.

    ``details``: what ``/readyz`` tells there; it is ready where ``ready`` is true. Port 0 takes any free one.
    Raises ConfigError.
    """
    if settings.metrics_port is None:
        yield None
        return

    class Scrape(BaseHTTPRequestHandler):
        timeout = _SCRAPE_SECONDS  # a scraper that sends half a request does not keep its thread

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            try:
                if path == "/metrics":
                    body, kind = metrics.render()
                    self.answer(200, body, kind)
                elif path == "/readyz" and details is not None:
                    found = details()
                    data = json.dumps(found).encode()
                    self.answer(200 if found["ready"] else 503, data, "application/json")
                else:
                    self.send_error(404)
            except OSError:
                raise
            except Exception as error:  # the kind alone: a message may repeat what was read
                _log.error("the metrics port failed to answer: %s", type(error).__name__)
                self.send_error(500)

        def answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def version_string(self) -> str:
            return "sluicegate"

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: a scrape comes every few seconds."""

    host = settings.metrics_host

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Log nothing: the scraper has gone."""

    try:
        try:
            server = Server((host, settings.metrics_port), Scrape)
        except OSError as error:
            if settings.metrics_port_fixed or error.errno != errno.EADDRINUSE:
                raise
            server = Server((host, 0), Scrape)
            _log.warning(
                "port %d is taken, so metrics are on port %d; choose one with --metrics-port",
                settings.metrics_port,
                server.server_address[1],
            )
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"--metrics-port {settings.metrics_port}: cannot listen on {host}: {_reason(error)}; "
            "choose another --metrics-port or --metrics-host"
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
