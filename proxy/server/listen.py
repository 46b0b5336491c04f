"""A port of its own for the metrics, so that clients do not reach them.

May import: ``proxy.metrics`` and this door's settings. The rule that must stay true: it serves ``/metrics``
and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from proxy.errors import ConfigError
from proxy.metrics import Metrics
from proxy.server.settings import Settings


@contextmanager
def metrics_server(settings: Settings, metrics: Metrics) -> Iterator[None]:
    """Serve ``/metrics`` on ``settings.metrics_port`` while the body runs; nothing where it is None."""
    if settings.metrics_port is None:
        yield
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

    try:
        server = ThreadingHTTPServer((settings.host, settings.metrics_port), Scrape)
    except OSError as error:
        raise ConfigError(
            f"--metrics-port {settings.metrics_port}: cannot listen there: {error.strerror}"
        ) from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
