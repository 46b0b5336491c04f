"""The ways to the model that ``benchmarks.proxy`` compares, each a process of its own, and what it costs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import material
from proxy.keys import KeyStore

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A way to the model: its base URL, its key, and the process whose time counts (None: no process)."""

    name: str
    url: str
    key: str
    pid: int | None


def processor_seconds(pid: int | None) -> float:
    """User and system time of a process and of those it has started."""
    if pid is None:
        return 0.0
    total = 0
    for each in (pid, *_children(pid)):
        try:
            numbers = Path(f"/proc/{each}/stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        total += int(numbers[11]) + int(numbers[12])
    return total / _TICK


def _children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    except OSError:
        return []
    return [each for child in map(int, found) for each in (child, *_children(child))]


def memory_mb(pid: int) -> float:
    """Resident memory of a process and of those it has started."""
    total = 0
    for each in (pid, *_children(pid)):
        try:
            lines = Path(f"/proc/{each}/status").read_text("utf-8").splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
    return total / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(*arguments: str, core: int | None, log: Path, **environment: str) -> Iterator[int]:
    """A process of its own, on one core where ``core`` names it."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            arguments,
            env=os.environ | {"PYTHONPATH": str(Path.cwd())} | environment,
            stdout=output,
            stderr=output,
        )
    if core is not None:
        os.sched_setaffinity(started.pid, {core})
    try:
        yield started.pid
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait(20)


def wait_for(port: int, log: Path, seconds: float = 120) -> None:
    """Until something listens. Raises RuntimeError with the end of the log where nothing ever does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(log.read_text("utf-8", "replace")[-2000:])


def servers(
    opened: ExitStack,
    folder: Path,
    data: Path,
    texts: Sequence[str],
    litellm: Path | None,
    cores: Sequence[int],
) -> list[Server]:
    """Start everything; the proxies share the first core, one runs at a time."""
    core = cores[0] if len(cores) > 1 else None
    words = folder / "texts.json"
    words.write_text(json.dumps(texts), "utf-8")
    python = sys.executable

    def start(name: str, *arguments: str, port: int, at: int | None, **environment: str) -> int:
        log = folder / f"{name}.log"
        pid = opened.enter_context(process(*arguments, core=at, log=log, **environment))
        wait_for(port, log)
        return pid

    port = free_port()
    other = cores[1] if len(cores) > 1 else None
    start(
        "upstream",
        python,
        "-m",
        "benchmarks.proxy_parts",
        "upstream",
        str(port),
        str(words),
        port=port,
        at=other,
    )
    base = f"http://127.0.0.1:{port}/v1"
    made = [Server("direct", base, "none", None)]
    port = free_port()
    pid = start(
        "passthrough",
        python,
        "-m",
        "benchmarks.proxy_parts",
        "passthrough",
        str(port),
        base,
        port=port,
        at=core,
    )
    made.append(Server("pass-through", f"http://127.0.0.1:{port}/v1", "none", pid))
    material.build(folder / "bank.idx", material.bank(data))
    store = KeyStore(folder / "state.sqlite")
    key = store.create("public", "benchmark").secret
    store.close()
    port = free_port()
    pid = start(
        "ours", python, "-m", "proxy", "serve", "--index", str(folder / "bank.idx"), "--upstream", base,
        "--policy", str(material.without_limits(folder, "default")),
        "--state", str(folder / "state.sqlite"), "--port", str(port),
        port=port, at=core, SLUICEGATE_INDEX_KEY=material.KEY,
    )  # fmt: skip
    made.append(Server("ours", f"http://127.0.0.1:{port}/v1", key, pid))
    if litellm is not None:
        port = free_port()
        config = folder / "litellm.yaml"
        config.write_text(_LITELLM.replace("BASE", base), "utf-8")
        pid = start(
            "litellm", str(litellm), "--config", str(config), "--port", str(port), "--host", "127.0.0.1",
            port=port, at=core, LITELLM_LOCAL_MODEL_COST_MAP="True", PYTHONPATH="",
        )  # fmt: skip
        made.append(Server("LiteLLM", f"http://127.0.0.1:{port}/v1", "sk-benchmark", pid))
    return made


_LITELLM = """\
model_list:
  - model_name: scripted
    litellm_params: {model: openai/scripted, api_base: BASE, api_key: none}
guardrails:
  - guardrail_name: content
    litellm_params:
      guardrail: litellm_content_filter
      mode: post_call
      default_on: true
      patterns:
        - {pattern_type: prebuilt, pattern_name: us_ssn, action: MASK}
general_settings: {master_key: sk-benchmark}
litellm_settings: {telemetry: false}
"""
