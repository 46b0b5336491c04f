"""What a server logs while it runs and ends: in JSON mode nothing but JSON, and no text of anybody."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.keys import KeyStore
from proxy.upstreams.scripted import CUT, Raw, Reply, Said, Says
from tests.cli.running import Running, running
from tests.cli.test_serve import url_of, wait_until_answered
from tests.serving import CHAT, chunk, model_server
from tests.training import ADMIN, SmallIndex, shared_units

HOSTILE = 'x\n{"level":"error","message":"forged"}\x1b[2J'


def model(body: Any) -> Reply:
    said = {"block": Says(Said(ADMIN)), "broken": Raw([chunk({"content": ADMIN[:9]}), CUT])}
    return said.get(body["messages"][-1]["content"], Says(Said("Hi")))


def use(url: str, key: str) -> None:
    """A block, a broken answer, a refusal, hostile names, and unknown paths with a secret in the query."""
    headers = {"Authorization": f"Bearer {key}", "User-Agent": "forged {}", "X-Forwarded-For": "evil{}"}
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as web:
        for words in ("block", "broken", "hi"):
            for name in ("m", HOSTILE, ADMIN):
                body = {"model": name, "messages": [{"role": "user", "content": words}], "stream": True}
                answer = web.post(CHAT, json=body, headers=headers)
                assert answer.status_code in (200, 502), answer.text
        web.post(CHAT, json={}, headers={"Authorization": "Bearer sk-sg-wrong"})
        web.get(f"/v1/{ADMIN[:20]}%0aforged?key={key}", headers=headers)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("form", ["json", "text"])
def test_every_line_is_ours(small_index: SmallIndex, tmp_path: Path, form: str, workers: str) -> None:
    """From the start to the end, through a block, a failing model, a reload that is refused, and SIGTERM."""
    store = KeyStore(tmp_path / "sluicegate.sqlite")
    key = store.create("public").secret
    store.close()
    policy = tmp_path / "policy.yaml"
    policy.write_text("nonsense: 1\n", "utf-8")
    with model_server(model) as upstream:
        arguments = ["serve", "--index", small_index.path, "--upstream", upstream, "--port", "0"]
        more = ["--metrics-port", "0", "--workers", workers, "--log-format", form]
        with running(*arguments, *more, cwd=tmp_path, **small_index.environment) as server:
            url = url_of(server) if form == "text" else json_url(server)
            wait_until_answered(url, server)
            use(url, key)
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("SIGHUP")
            assert server.end() == 0
    assert server.out.read_bytes() == b""
    said = server.errors.read_text("utf-8")
    assert key not in said and "forged" not in said and "\x1b" not in said and "Traceback" not in said
    assert shared_units(ADMIN, said) < 12
    lines = said.splitlines()
    for event in ("blocked inc_", "SIGHUP", "SIGTERM: draining", "drained in"):
        assert any(event in line for line in lines), event
    if form == "text":
        assert [line for line in lines if not line.startswith(("sluicegate: ", "  "))] == []
        return
    found = [json.loads(line) for line in lines]
    asked = [each for each in found if each["message"] == "request"]
    assert {each["status"] for each in asked} >= {200, 401, 404}
    assert {each["path"] for each in asked} == {CHAT, "other"}
    assert {each.get("model") for each in asked} >= {"m", "other"}
    assert all(each["method"] in ("GET", "POST") and each["duration"] >= 0 for each in asked)
    assert all(each["client"] in ("127.0.0.1", "other") and each["request"] for each in asked)
    assert any(each.get("outcome") == "blocked" and each["incident"].startswith("inc_") for each in asked)


def json_url(server: Running) -> str:
    message: str = json.loads(server.wait_for("listening on "))["message"]
    return message.removeprefix("listening on ").removesuffix("/v1")


def test_json_when_it_cannot_start(small_index: SmallIndex, tmp_path: Path) -> None:
    """The reason is a line of JSON too."""
    arguments = ["serve", "--index", tmp_path / "none", "--upstream", "http://127.0.0.1:9/v1"]
    with running(*arguments, "--port", "0", "--log-format", "json", cwd=tmp_path) as server:
        assert server.process.wait(60) == 2
    lines = [json.loads(line) for line in server.errors.read_text("utf-8").splitlines()]
    assert lines and lines[-1]["level"] == "error"
