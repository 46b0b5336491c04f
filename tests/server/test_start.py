"""``serve`` at its start: what it warns of, and that it never is its own model server."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from proxy.keys import KeyStore
from proxy.server.settings import Settings
from proxy.server.start import addresses, workers_details
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.router import Route, Router, Server
from proxy.upstreams.scripted import Said, Says
from tests.cli.running import running
from tests.cli.test_serve import url_of
from tests.serving import model_server
from tests.training import SmallIndex

DEAD = "http://127.0.0.1:9/v1"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_has_a_key_and_no_model_answers(small_index: SmallIndex, tmp_path: Path) -> None:
    """Both are warnings; the server starts, and the metric says that the model is down."""
    arguments = ["serve", "--index", small_index.path, "--upstream", DEAD, "--port", "0"]
    arguments += ["--metrics-port", "0"]
    with running(*arguments, cwd=tmp_path, **small_index.environment) as server:
        remedy = "sluicegate keys create --role public --state sluicegate.sqlite"
        assert remedy in server.wait_for("no key yet")
        assert "127.0.0.1:9" in server.wait_for("does not answer")
        httpx.get(f"{url_of(server)}/healthz", trust_env=False)
        told = httpx.get(f"{url_of(server, 'metrics on ')}/metrics", trust_env=False).text
        assert "sluicegate_upstream_up 0.0" in told


def test_a_server_in_order_warns_of_nothing(small_index: SmallIndex, tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "sluicegate.sqlite")
    store.create("public")
    store.close()
    with model_server(Says(Said("Hi"))) as model:
        arguments = ["serve", "--index", small_index.path, "--upstream", model, "--port", "0"]
        with running(*arguments, "--metrics-port", "0", cwd=tmp_path, **small_index.environment) as server:
            httpx.get(f"{url_of(server)}/healthz", trust_env=False)
            assert server.end() == 0
    assert "warning" not in server.errors.read_text("utf-8")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_it_is_not_its_own_model_server(small_index: SmallIndex, tmp_path: Path, host: str) -> None:
    """Exit code 2, before anything is served."""
    port = free_port()
    upstream = f"http://{host}:{port}/v1"
    arguments = ["serve", "--index", small_index.path, "--upstream", upstream, "--port", port]
    with running(*map(str, arguments), cwd=tmp_path, **small_index.environment) as server:
        assert server.process.wait(60) == 2
    said = server.errors.read_text("utf-8")
    assert f"{host}:{port} is this server itself" in said
    assert "Traceback" not in said


def test_every_server_of_every_model_is_looked_at() -> None:
    one, other = OpenAIUpstream("http://a:1/v1"), OpenAIUpstream("https://b/v1")
    router = Router({"m": Route((Server(one), Server(one)))}, Server(other))
    assert addresses(router) == [("a", 1), ("b", 443)]


def test_workers_that_have_not_reported_are_not_ready(tmp_path: Path) -> None:
    settings = Settings(index=tmp_path, upstream=DEAD, state=tmp_path / "s.sqlite")
    assert workers_details(settings, {}, [1]) == {"ready": False, "faults": ["workers"], "workers": []}
