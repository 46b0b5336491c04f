"""Ports: one that can be had or is said to be taken, and one that serves the metrics and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from proxy.errors import ConfigError
from proxy.metrics import Metrics
from proxy.server.listen import metrics_server, open_port
from proxy.server.settings import Settings

SETTINGS = Settings(
    index=Path("i"), upstream="http://h/v1", state=Path("s"), metrics_port=0, metrics_port_fixed=True
)


def test_a_port_is_open_at_once() -> None:
    """Who connects before the server accepts waits, and is not refused; 0 is any free port."""
    with open_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_a_port_can_be_had_again() -> None:
    """A restart does not wait until the old connections are forgotten."""
    with open_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            listener.accept()[0].close()
    open_port("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["203.0.113.1", "a..b"])
def test_an_address_that_is_not_ours(host: str) -> None:
    """The message names the option and what to do."""
    with pytest.raises(ConfigError, match=rf"--port: cannot listen on {host}:0: .*; choose another"):
        open_port(host, 0)


def test_a_name_and_the_sixth_version() -> None:
    """A host may be a name, or an address of either version of IP."""
    open_port("localhost", 0).close()
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with open_port("::1", 0) as listener:
        assert listener.family == socket.AF_INET6
    with metrics_server(replace(SETTINGS, metrics_host="::1"), Metrics()) as port:
        assert httpx.get(f"http://[::1]:{port}/metrics", trust_env=False).status_code == 200


def test_metrics_on_a_port_of_their_own() -> None:
    """It says which port it took, serves the metrics, and nothing under any other path or method."""
    metrics = Metrics(version="1.2.3")
    with metrics_server(SETTINGS, metrics) as port:
        base = f"http://127.0.0.1:{port}"
        answer = httpx.get(f"{base}/metrics?name=x", trust_env=False)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == metrics.render()[1]
        assert 'sluicegate_build_info{version="1.2.3"} 1.0' in answer.text
        for path in ("/", "/v1/models", "/metrics/x"):
            assert httpx.get(base + path, trust_env=False).status_code == 404
        assert httpx.post(f"{base}/metrics", trust_env=False).status_code == 501
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base}/metrics", trust_env=False)


def test_operators_read_the_details_of_readiness() -> None:
    """The status says whether the server is ready. A failure of the page is a 500 without text."""
    found: dict[str, object] = {"ready": True, "faults": []}

    def details() -> dict[str, object]:
        if "broken" in found:
            raise KeyError("a secret")
        return found

    with metrics_server(SETTINGS, Metrics(), details) as port:
        base = f"http://127.0.0.1:{port}"
        answer = httpx.get(f"{base}/readyz", trust_env=False)
        assert (answer.status_code, answer.json()) == (200, found)
        found |= {"ready": False, "faults": ["trail"]}
        answer = httpx.get(f"{base}/readyz", trust_env=False)
        assert (answer.status_code, answer.json()) == (503, found)
        assert "python" not in answer.headers["server"].lower()
        found["broken"] = 1
        answer = httpx.get(f"{base}/readyz", trust_env=False)
        assert answer.status_code == 500
        assert "secret" not in answer.text
    with metrics_server(SETTINGS, Metrics()) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 404


def test_the_default_port_gives_way(caplog: pytest.LogCaptureFixture) -> None:
    """A second server on one machine starts, and says where its metrics are."""
    with open_port("127.0.0.1", 0) as taken:
        number = taken.getsockname()[1]
        given = replace(SETTINGS, metrics_port=number, metrics_port_fixed=False)
        with metrics_server(given, Metrics()) as port:
            assert port not in (None, number)
            assert f"port {number} is taken, so metrics are on port {port}" in caplog.text
            assert httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).status_code == 200


def test_without_a_port_nothing_listens() -> None:
    """No port is told, and none is opened."""
    with metrics_server(replace(SETTINGS, metrics_port=None), Metrics()) as port:
        assert port is None


def test_a_port_that_is_taken() -> None:
    """Both kinds of port say that they cannot be had, under the option that chose them."""
    with open_port("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port: cannot listen on 127.0.0.1:{port}: Address already"):
            open_port("127.0.0.1", port)
        with (
            pytest.raises(ConfigError, match=f"--metrics-port {port}: cannot listen on 127.0.0.1: Address"),
            metrics_server(replace(SETTINGS, metrics_port=port), Metrics()),
        ):
            pytest.fail("two servers on one port")


@pytest.mark.parametrize(("hard", "connections"), [(4096, 500), (600, 172)])
def test_there_are_files_for_the_connections(hard: int, connections: int) -> None:
    """The limit on open files is raised as far as it may be; where that is too little, fewer connections are
    kept, so that accepting one never fails for want of a file."""
    code = f"""
import resource
from pathlib import Path
from proxy.metrics import Metrics
from proxy.server.listen import raise_file_limit, server_options
from proxy.server.settings import Settings
resource.setrlimit(resource.RLIMIT_NOFILE, (300, {hard}))
raise_file_limit(500)
settings = Settings(index=Path("a"), upstream="http://h/v1", state=Path("s"), connections=500)
print(server_options(settings, Metrics())["http"].shared.limits.most)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert int(done.stdout) == connections
