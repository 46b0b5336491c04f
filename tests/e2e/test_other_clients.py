"""Other clients that people have: LangChain, LiteLLM as a client, the client for Node, and a LiteLLM proxy
that uses this server as its guardrail. Each sees a clean answer, a redaction, a block, a call, an error.

They are large, so they run only with ``-m heavy``. ``NODE_PATH`` names a folder with the package for Node;
``LITELLM_COMMAND`` the ``litellm`` command of an environment that has its proxy.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.upstreams.scripted import Raw, Said, Says
from tests.serving import Served, serving
from tests.training import ADMIN, NOBODY, SmallIndex, shared_units

BUDGET = 12
MASK = "[REDACTED]"
REDACT = f"She wrote: {NOBODY} -- sorry."
BLOCK = f"Here: {ADMIN} Bye."
pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("clients")) as made:
        yield made


# --- LangChain -------------------------------------------------------------------------------------


@pytest.fixture
def chat(served: Served) -> Any:
    langchain = pytest.importorskip("langchain_openai")
    return langchain.ChatOpenAI(
        model="m", base_url=f"{served.url}/v1", api_key=served.key("public"), max_retries=0, stream_usage=True
    )


def test_langchain(served: Served, chat: Any) -> None:
    """Whole answers: their text, why they ended, and their calls."""
    served.up.script(
        Says(Said("Hello 你好"), usage=True), Says(Said(REDACT)), Says(Said(BLOCK)),
        Says(Said(calls=[("find", '{"q": "x"}')], finish="tool_calls")),
    )  # fmt: skip
    clean, redacted, blocked, called = [chat.invoke("Hi") for _ in range(4)]
    assert clean.content == "Hello 你好"
    assert clean.usage_metadata["total_tokens"] > 0
    assert redacted.content.count(MASK) == 1
    assert blocked.response_metadata["finish_reason"] == "content_filter"
    assert shared_units(ADMIN, blocked.content) <= BUDGET
    assert called.tool_calls[0]["args"] == {"q": "x"}


def test_langchain_streamed(served: Served, chat: Any) -> None:
    """The same, streamed; an error of the model is raised."""
    for said, expected in ((Said("Hello"), "Hello"), (Said(REDACT), MASK), (Said(BLOCK), "Here: ")):
        served.up.script(Says(said, usage=True))
        parts = list(chat.stream("Hi"))
        text = "".join(str(part.content) for part in parts)
        assert expected in text
        assert shared_units(ADMIN, text) <= BUDGET
    assert "content_filter" in [part.response_metadata.get("finish_reason") for part in parts]
    served.up.script(Raw([b"{}"], status=429, headers={}))
    with pytest.raises(Exception, match="busy"):
        list(chat.stream("Hi"))


def test_langchain_on_responses(served: Served) -> None:
    """Its Responses mode reads our events."""
    from tests.e2e.replies import reply
    from tests.e2e.surface import RESPONSES

    langchain = pytest.importorskip("langchain_openai")
    chat = langchain.ChatOpenAI(
        model="m", base_url=f"{served.url}/v1", api_key=served.key("public"), use_responses_api=True
    )
    for stream in (False, True):
        served.up.script(reply("/responses", RESPONSES["text"], ["Hello"], stream))
        said = (
            "".join(p.text() if callable(p.text) else p.text for p in chat.stream("Hi")) if stream else None
        )
        assert said in (None, "Hello")
        if not stream:
            answer = chat.invoke("Hi")
            assert "Hello" in str(answer.content)


# --- LiteLLM as a client ---------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_litellm_as_a_client(served: Served, stream: bool) -> None:
    """Its own reading of chunks and errors agrees with ours."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")

    def ask() -> tuple[str, str]:
        made = litellm.completion(
            model="openai/m", api_base=f"{served.url}/v1", api_key=served.key("public"), stream=stream,
            messages=[{"role": "user", "content": "Hi"}], num_retries=0,
        )  # fmt: skip
        if not stream:
            return made.choices[0].message.content or "", made.choices[0].finish_reason
        parts = list(made)
        text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
        return text, next(
            p.choices[0].finish_reason for p in reversed(parts) if p.choices and p.choices[0].finish_reason
        )

    served.up.script(Says(Said("Hello")), Says(Said(REDACT)), Says(Said(BLOCK)))
    assert ask() == ("Hello", "stop")
    assert MASK in ask()[0]
    text, finish = ask()
    assert finish == "content_filter"
    assert shared_units(ADMIN, text) <= BUDGET
    served.up.script(Raw([b"{}"], status=429, headers={}))
    with pytest.raises(litellm.RateLimitError):
        ask()


# --- Node ------------------------------------------------------------------------------------------

SCRIPT = """
const { OpenAI } = require('openai');
const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const messages = [{ role: 'user', content: 'Hi' }];
(async () => {
  const out = [];
  for (let i = 0; i < 3; i++) {
    const answer = await client.chat.completions.create({ model: 'm', messages });
    out.push([answer.choices[0].message.content, answer.choices[0].finish_reason]);
  }
  for (let i = 0; i < 3; i++) {
    const stream = await client.chat.completions.create({ model: 'm', messages, stream: true });
    let text = '', finish = null;
    for await (const part of stream) {
      text += part.choices[0]?.delta?.content || '';
      finish = part.choices[0]?.finish_reason || finish;
    }
    out.push([text, finish]);
  }
  const called = await client.chat.completions.create({ model: 'm', messages });
  out.push([called.choices[0].message.tool_calls[0].function.arguments, called.choices[0].finish_reason]);
  try { await client.chat.completions.create({ model: 'm', messages: [] }); }
  catch (error) { out.push([error.status, error.param]); }
  const response = await client.responses.create({ model: 'm', input: 'Hi' });
  out.push([response.output_text, response.status]);
  const events = await client.responses.create({ model: 'm', input: 'Hi', stream: true });
  let last = null;
  for await (const event of events) last = event;
  out.push([last.type, last.response.incomplete_details.reason]);
  console.log(JSON.stringify(out));
})();
"""


def test_the_client_for_node(served: Served, tmp_path: Path) -> None:
    """Another language, the same answers."""
    from tests.e2e.replies import reply
    from tests.e2e.surface import RESPONSES

    node, modules = shutil.which("node"), os.environ.get("NODE_PATH", "")
    if node is None or not (Path(modules) / "openai").is_dir():
        pytest.skip("no Node, or no NODE_PATH with its openai package")
    (tmp_path / "ask.cjs").write_text(SCRIPT, "utf-8")
    texts = [Says(Said("Hello")), Says(Said(REDACT)), Says(Said(BLOCK))]
    served.up.script(
        *texts, *texts, Says(Said(calls=[("find", '{"q": "x"}')], finish="tool_calls")),
        reply("/responses", RESPONSES["text"], ["Hello"], False),
        reply("/responses", RESPONSES["text"], [BLOCK], True),
    )  # fmt: skip
    done = subprocess.run(
        [node, str(tmp_path / "ask.cjs"), f"{served.url}/v1", served.key("public")],
        capture_output=True,
        env={"PATH": os.environ["PATH"], "NODE_PATH": modules},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    out = json.loads(done.stdout)
    for clean, redacted, blocked in (out[0:3], out[3:6]):
        assert clean == ["Hello", "stop"]
        assert MASK in redacted[0]
        assert blocked[1] == "content_filter"
        assert shared_units(ADMIN, blocked[0]) <= BUDGET
    assert out[6] == ['{"q": "x"}', "tool_calls"]
    assert out[7] == [400, "messages"]
    assert out[8] == ["Hello", "completed"]
    assert out[9] == ["response.incomplete", "content_filter"]


# --- a LiteLLM proxy with this server as its guardrail ---------------------------------------------

CONFIG = """\
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_base: "{upstream}", api_key: none}}
guardrails:
  - guardrail_name: sluicegate
    litellm_params:
      guardrail: generic_guardrail_api
      mode: [pre_call, post_call]
      default_on: true
      api_base: "{guard}"
      api_key: "{key}"
      streaming_transform_mode: incremental_diff
      streaming_sampling_rate: 1
general_settings: {{master_key: sk-gateway}}
litellm_settings: {{telemetry: false}}
"""


@contextmanager
def gateway(served: Served, folder: Path) -> Iterator[httpx.Client]:
    """A LiteLLM proxy in a process of its own."""
    command = os.environ.get("LITELLM_COMMAND", "")
    if not command:
        pytest.skip("no LITELLM_COMMAND")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = CONFIG.format(upstream=served.up.url, guard=served.url, key=served.key("gateway"))
    (folder / "config.yaml").write_text(text, "utf-8")
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [command, "--config", str(folder / "config.yaml"), "--port", str(port), "--host", "127.0.0.1"],
            stdout=log,
            stderr=log,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*", "PYTHONPATH": ""},
        )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(
            base_url=url, trust_env=False, timeout=120, headers={"Authorization": "Bearer sk-gateway"}
        ) as web:
            for _ in range(1200):
                if process.poll() is not None:
                    pytest.fail((folder / "log.txt").read_text("utf-8")[-2000:])
                try:
                    if web.get("/health/liveliness").status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield web
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def test_a_litellm_proxy_is_guarded(served: Served, tmp_path: Path) -> None:
    """Behind it the same holds: clean text whole, masks in streams and whole answers, blocks as errors."""
    with gateway(served, tmp_path) as web:

        def ask(said: str, *, stream: bool, asked: str = "Hi") -> tuple[int, str]:
            served.up.script(Says(Said(said), cut=4))
            body = {"model": "m", "messages": [{"role": "user", "content": asked}], "stream": stream}
            answer = web.post("/v1/chat/completions", json=body)
            served.up._script.clear()
            if not stream or answer.status_code != 200:
                return answer.status_code, answer.text
            data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
            chunks = [json.loads(each) for each in data]
            text = "".join(
                c["delta"].get("content") or "" for each in chunks for c in each.get("choices", ())
            )
            return answer.status_code, text + "".join("!" for each in chunks if "error" in each)

        clean = "Hello there, this is nothing of note 你好"
        for stream in (False, True):
            status, text = ask(clean, stream=stream)
            assert (status, clean in text) == (200, True)
            status, text = ask(REDACT, stream=stream)
            assert (status, text.count(MASK)) == (200, 1)
            assert shared_units(NOBODY, text) <= BUDGET
            assert "-- sorry." in text
            status, text = ask(BLOCK, stream=stream)
            assert shared_units(ADMIN, text) <= BUDGET
            assert status != 200 or text.endswith("!")
            status, text = ask(f"You wrote: {ADMIN}", stream=stream, asked=ADMIN)
            assert status == 200
            assert ADMIN in text
