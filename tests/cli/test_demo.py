"""``sluicegate demo``: the whole thing in one command, and nothing of it kept."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest

from proxy.cli import demo, main
from proxy.demo import MODEL_NAME, SAMPLE_QUESTIONS
from tests.cli.running import running


def test_the_demo_shows_what_each_role_gets(tmp_path: Path) -> None:
    """The same question: public is stopped, admin gets the answer; then everything is gone."""
    question = next(q for q in SAMPLE_QUESTIONS if q.audience == "admin")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with running("demo", "--port", "0", "--json", cwd=tmp_path, TMPDIR=str(scratch)) as server:
        told = json.loads(server.wait_for('"base_url"'))
        assert set(told["keys"]) == {"public", "staff", "admin"}
        assert len(list(scratch.iterdir())) == 1
        body = {
            "model": MODEL_NAME,
            "temperature": 0,
            "messages": [{"role": "user", "content": question.prompt}],
        }
        choices = {}
        with httpx.Client(base_url=told["base_url"], trust_env=False, timeout=60) as web:
            for role, key in told["keys"].items():
                answer = web.post("/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"})
                choices[role] = answer.json()["choices"][0]
            models = web.get("/models", headers={"api-key": told["keys"]["public"]}).json()
        assert [model["id"] for model in models["data"]] == [MODEL_NAME]
        assert choices["public"]["finish_reason"] == choices["staff"]["finish_reason"] == "content_filter"
        assert choices["admin"]["finish_reason"] == "stop"
        whole = choices["admin"]["message"]["content"]
        assert whole.startswith(choices["public"]["message"]["content"])
        assert len(whole) > len(choices["public"]["message"]["content"]) + 20
        assert server.end() == 0
    assert "Traceback" not in server.errors.read_text("utf-8")
    assert list(scratch.iterdir()) == []


def test_the_introduction_can_be_pasted() -> None:
    """A person sees keys, a question for ``curl`` and for Python, and where decisions are looked up."""
    keys = {"public": "sk-sg-1", "staff": "sk-sg-2", "admin": "sk-sg-3"}
    told = demo._introduction("http://127.0.0.1:5/v1", keys, Path("/tmp/x/state.sqlite"))
    for role, key in keys.items():
        assert f"  export {role.upper()}={key}\n" in told
    assert told.count("curl ") == 2
    assert told.count("http://127.0.0.1:5/v1") >= 4
    compile(
        told[told.index("from openai import") : told.index("Other questions")].replace("\n  ", "\n"),
        "",
        "exec",
    )
    assert "sluicegate audit show --state /tmp/x/state.sqlite inc_" in told
    for question in SAMPLE_QUESTIONS:
        assert question.prompt in told


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is built when the demo could not be reached anyway."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)], {}) == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err
