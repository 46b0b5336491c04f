"""``kill -9`` amid a thousand decisions: the trail is whole, and holds every answer that arrived."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from proxy.audit import find, verify
from proxy.cli import main
from proxy.upstreams.scripted import Said, Says
from tests.cli.running import Running, running
from tests.cli.test_serve import BODY, url_of
from tests.limits import without_limits
from tests.serving import CHAT, model_server
from tests.training import ADMIN, SmallIndex

DECISIONS = 1000
CLIENTS = 8


def ask_until_it_dies(url: str, key: str, server: Running, delivered: list[str], number: int) -> None:
    """One client, streams and plain answers in turn; the one that sees the thousandth answer kills."""
    with httpx.Client(base_url=url, trust_env=False, timeout=60, headers={"api-key": key}) as web:
        while True:
            stream = (len(delivered) + number) % 2 == 0
            try:
                answer = web.post(CHAT, json=BODY | {"stream": stream})
            except httpx.TransportError:
                return
            if not stream or answer.text.endswith("data: [DONE]\n\n"):
                delivered.append(answer.headers["x-sluicegate-incident"])
            if len(delivered) >= DECISIONS - CLIENTS:
                server.process.kill()


def test_every_delivered_answer_is_in_a_whole_trail(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server is killed under load, with small files that rotate; then one goes on with the same trail."""
    state = tmp_path / "state.sqlite"
    assert main(["keys", "create", "--role", "public", "--state", str(state)], {}) == 0
    key = capsys.readouterr().out.strip()
    with model_server(Says(Said(f"Well: {ADMIN}"))) as model:
        arguments = [
            "serve",
            "--index",
            small_index.path,
            "--upstream",
            model,
            "--port",
            "0",
            "--state",
            state,
            "--policy",
            without_limits(tmp_path),
        ]
        delivered: list[str] = []
        with running(*arguments, "--trail-size", "1", cwd=tmp_path, **small_index.environment) as server:
            url = url_of(server)
            with ThreadPoolExecutor(CLIENTS) as pool:
                for number in range(CLIENTS):
                    pool.submit(ask_until_it_dies, url, key, server, delivered, number)
            assert server.process.wait(60) == -signal.SIGKILL
        trail = tmp_path / "state.trail.jsonl"
        report = verify(trail)
        assert report.faults == []
        assert len(delivered) >= DECISIONS - CLIENTS
        assert report.decisions >= len(delivered)
        assert len(report.in_flight) <= CLIENTS
        lines = [json.loads(line) for path in tmp_path.glob("state.trail.jsonl*") if path.suffix != ".lock"
                 for line in path.read_bytes().splitlines() if line.endswith(b'"}')]  # fmt: skip
        decided = {line["incident"] for line in lines if line["kind"] == "decision"}
        assert set(delivered) <= decided
        for incident in report.in_flight:
            found = find(trail, incident)
            assert found is not None and found["kind"] == "opened"
        with running(*arguments, cwd=tmp_path, **small_index.environment) as server:
            url = url_of(server)
            answer = httpx.post(url + CHAT, json=BODY, headers={"api-key": key}, trust_env=False, timeout=60)
            assert answer.status_code == 200
            assert server.end() == 0
    report = verify(trail)
    assert (report.faults, len(report.heads)) == ([], 2)
    assert main(["audit", "verify", "--state", str(state)], {}) == 0
