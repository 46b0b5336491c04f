"""A real Prometheus and a real Alertmanager on loopback, with what stands in ``deploy/``, only faster."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from tests.deploy.reading import DEPLOY

FASTER = 20
"""How much shorter every window is: five minutes are fifteen seconds."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PATIENCE = 45.0
_T = TypeVar("_T")


@dataclass(slots=True)
class Watch:
    """Prometheus at ``url``, and the notifications that Alertmanager has sent to our webhook."""

    url: str
    web: httpx.Client
    notifications: list[dict[str, Any]] = field(default_factory=list)

    def get(self, path: str, **parameters: Any) -> Any:
        """What the API of Prometheus says."""
        response = self.web.get(f"{self.url}/api/v1/{path}", params=parameters)
        body = response.json()
        assert body["status"] == "success", body
        return body["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        data = self.get("query", query=expr)
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        found: list[dict[str, Any]] = data["result"]
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert that Alertmanager has told us of."""
        return [alert for notification in list(self.notifications) for alert in notification["alerts"]]


def until(what: str, look: Callable[[], _T], between: Callable[[], object] = lambda: time.sleep(0.2)) -> _T:
    """What ``look`` finds, when it finds something; ``between`` is done meanwhile."""
    end = time.monotonic() + _PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, f"{what}: waited in vain"
        between()
    return found


@contextmanager
def watching(target: str, folder: Path) -> Iterator[Watch]:
    """Watch the server at ``target`` (host and port). Skips the test where a program is not installed."""
    prometheus = _program("prometheus")
    alertmanager = _program("prometheus-alertmanager", "alertmanager")
    ports = _free_ports(2)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    with ExitStack() as stack:
        web = stack.enter_context(httpx.Client(trust_env=False, timeout=20))
        watch = Watch(urls[0], web)
        hook = stack.enter_context(_webhook(watch.notifications))
        _write_alertmanager(folder / "alertmanager.yaml", hook)
        _write_prometheus(folder, target, f"127.0.0.1:{ports[1]}")
        stack.enter_context(
            _running(
                folder / "alertmanager.log",
                alertmanager,
                f"--config.file={folder / 'alertmanager.yaml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{ports[1]}",
                "--cluster.listen-address=",
            )
        )
        stack.enter_context(
            _running(
                folder / "prometheus.log",
                prometheus,
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{ports[0]}",
            )
        )
        for url in urls:
            until(url, lambda url=url: _ready(web, url))  # type: ignore[misc]
        yield watch


def faster(text: str) -> str:
    """PromQL with every window shortened."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{int(int(found[2]) * _SECONDS[found[3]] * 1000 / FASTER)}ms"

    return re.sub(r"(\[|offset )(\d+)([smhd])", shorter, text)


def _write_prometheus(folder: Path, target: str, alertmanager: str) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    (folder / "targets").mkdir()
    entry = yaml.safe_load((DEPLOY / "prometheus" / "targets" / "production.yaml").read_text("utf-8"))
    entry[0]["targets"] = [target]
    (folder / "targets" / "proxy.yaml").write_text(yaml.safe_dump(entry))
    # Prometheus watches itself under an address that is not free here.
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] == "sluicegate"]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = faster(rule["expr"])
            if "for" in rule:
                number, unit = int(rule["for"][:-1]), rule["for"][-1]
                rule["for"] = f"{int(number * _SECONDS[unit] * 1000 / FASTER)}ms"
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))


def _write_alertmanager(path: Path, hook: str) -> None:
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yaml").read_text("utf-8"))
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{hook}/{receiver['name']}", "send_resolved": False}]
    path.write_text(yaml.safe_dump(config))


def _program(*names: str) -> str:
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.skip(f"{names[0]} is not installed (Debian: {names[0]})")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _ready(web: httpx.Client, url: str) -> bool:
    try:
        return web.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _running(log: Path, *command: str) -> Iterator[None]:
    """A program while the body runs; what it said is shown when the body fails."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=log.parent)
    try:
        yield
    except BaseException:
        print(f"--- {log.name}\n{log.read_text('utf-8')[-4000:]}")
        raise
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _webhook(notifications: list[dict[str, Any]]) -> Iterator[str]:
    """A receiver of notifications; each is kept with the receiver's name."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            notifications.append(body | {"to": self.path.strip("/")})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="webhook")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
