"""``sluicegate serve``: a process that guards a model, with one worker and with two, until it has to end."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from proxy.cli import main
from proxy.upstreams.scripted import Said, Says
from tests.cli.running import Running, run, running
from tests.limits import without_limits
from tests.serving import QUESTION, model_server
from tests.training import ADMIN, SmallIndex, shared_units

BODY = {"model": "m", "messages": QUESTION}


def url_of(server: Running, what: str = "listening on ") -> str:
    """Where it says that it listens."""
    found = re.search(re.escape(what) + r"(http://127\.0\.0\.1:\d+)/", server.wait_for(what))
    assert found is not None
    return found[1]


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A key for role public, in the state that the servers use."""
    assert main(["keys", "create", "--role", "public", "--state", str(tmp_path / "state.sqlite")], {}) == 0
    return capsys.readouterr().out.strip()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the server's temporary files go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def model() -> Iterator[str]:
    """The base URL of a model that always recites the secret."""
    with model_server(Says(Said(f"Well: {ADMIN}"))) as url:
        yield url


def test_a_server_whose_model_is_down(
    small_index: SmallIndex, tmp_path: Path, scratch: Path, key: str
) -> None:
    """It starts, is healthy, answers with 502, takes new keys at once, and ends cleanly on SIGTERM."""
    arguments = ["serve", "--index", small_index.path, "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]
    with running(
        *arguments,
        cwd=tmp_path,
        SLUICEGATE_STATE="state.sqlite",
        SLUICEGATE_METRICS_PORT="0",
        TMPDIR=str(scratch),
        **small_index.environment,
    ) as server:
        url, metrics = url_of(server), url_of(server, "metrics on ")
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as web:
            assert web.get("/healthz").status_code == 200
            assert web.get("/readyz").status_code == 200
            answer = web.post("/v1/chat/completions", json=BODY, headers={"api-key": key})
            assert answer.status_code == 502
            assert "server" not in answer.headers
            assert web.get("/metrics").status_code == 404
        told = httpx.get(f"{metrics}/metrics", trust_env=False).text
        assert 'outcome="upstream_error",role="public"} 1.0' in told
        assert server.end() == 0
    said = server.errors.read_text("utf-8")
    assert "policy default (" in said
    assert "9 documents, audiences admin, nobody, public, staff; upstream http://127.0.0.1:9/v1" in said
    assert "Traceback" not in said
    assert key not in said
    assert list(scratch.iterdir()) == []
    assert (tmp_path / "state.trail.jsonl").read_text("utf-8").count("upstream_error") == 1


def test_ctrl_c_ends_it(small_index: SmallIndex, tmp_path: Path, scratch: Path) -> None:
    """An interrupt is no crash: one word, exit code 130, nothing left behind."""
    arguments = ["serve", "--index", small_index.path, "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]
    with running(*arguments, cwd=tmp_path, TMPDIR=str(scratch), **small_index.environment) as server:
        httpx.get(f"{url_of(server)}/healthz", trust_env=False, timeout=60)
        assert server.end(signal.SIGINT) == 130
    assert server.errors.read_text("utf-8").endswith("sluicegate: interrupted\n")
    assert list(scratch.iterdir()) == []


def test_two_workers(small_index: SmallIndex, tmp_path: Path, scratch: Path, key: str, model: str) -> None:
    """Both answer, guard alike and count together; the key of the index reaches them by the environment."""
    arguments = ["serve", "--index", small_index.path, "--upstream", model, "--workers", "2", "--port", "0"]
    with running(
        *arguments,
        "--state",
        tmp_path / "state.sqlite",
        "--policy",
        without_limits(tmp_path),
        "--metrics-port",
        "0",
        cwd=tmp_path,
        TMPDIR=str(scratch),
        **small_index.environment,
    ) as server:
        url = url_of(server)
        wait_until_answered(url, server)
        started = threading.Barrier(8)

        def ask(_number: int) -> httpx.Response:
            with httpx.Client(base_url=url, trust_env=False, timeout=60) as web:
                started.wait(60)
                return web.post("/v1/chat/completions", json=BODY, headers={"Authorization": f"Bearer {key}"})

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
        for answer in answers:
            choice = answer.json()["choices"][0]
            assert choice["finish_reason"] == "content_filter"
            assert shared_units(ADMIN, choice["message"]["content"].removeprefix("Well: ")) <= 12
        metrics = url_of(server, "metrics on ")
        told = httpx.get(f"{metrics}/metrics", trust_env=False).text
        line = (
            'sluicegate_requests_total{endpoint="/v1/chat/completions",outcome="blocked",role="public"} 8.0'
        )
        assert line in told
        shown = (line.split() for line in told.splitlines() if line.startswith("process_"))
        processes = {name: float(number) for name, number in shown}
        assert processes["process_resident_memory_bytes"] > 3 * 30e6  # a parent and two workers
        assert processes["process_cpu_seconds_total"] > 0
        assert 0 < processes["process_open_fds"] < processes["process_max_fds"]
        ready = httpx.get(f"{metrics}/readyz", trust_env=False).json()
        assert ready["ready"] is True and len(ready["workers"]) == 2
        assert httpx.get(f"{url}/readyz", trust_env=False).json() == {"ready": True}
        assert server.end() == 0
    assert (tmp_path / "state.trail.jsonl").read_text("utf-8").count('"outcome":"blocked"') == 8
    said = server.errors.read_text("utf-8")
    assert "Traceback" not in said
    assert shared_units(ADMIN, said) < 12
    assert list(scratch.iterdir()) == []


def wait_until_answered(url: str, server: Running) -> None:
    """Workers start after the parent has said where they will listen."""
    for _ in range(600):
        try:
            httpx.get(f"{url}/healthz", trust_env=False, timeout=60)
            return
        except httpx.TransportError:
            assert server.process.poll() is None, server.errors.read_text("utf-8")
            threading.Event().wait(0.05)
    pytest.fail("no worker answers")


@pytest.mark.parametrize("given", [(), ("--upstream", "http://127.0.0.1:9/v1", "--upstreams", "models.yaml")])
def test_one_way_to_name_the_model(small_index: SmallIndex, tmp_path: Path, given: tuple[str, ...]) -> None:
    """A server, or a file of servers: neither, or both, is a fault of the command line."""
    done = run("serve", "--index", small_index.path, *given, cwd=tmp_path, **small_index.environment)
    assert done.returncode == 2
    assert b"one of them" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_file_of_models_with_faults(small_index: SmallIndex, tmp_path: Path) -> None:
    """All of them are told before anything is served."""
    models = "version: 1\nmodels:\n  m: {servers: [{url: 'ftp://x'}], roles: [nobody-knows]}\n"
    (tmp_path / "models.yaml").write_text(models, "utf-8")
    done = run(
        "serve", "--index", small_index.path, "--upstreams", "models.yaml", "--port", "0",
        cwd=tmp_path, **small_index.environment,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"not an http(s) URL" in done.stderr
    assert b"nobody-knows" in done.stderr
