"""What the proxy costs under load: ``python -m benchmarks.proxy --data DATA``.

One scripted model's server in a process of its own; before it, in turn, nothing (*direct*), the product's
server without guards (*pass-through*), the product with the bank's index and all layers of the default
policy, role public (*ours*), and, where ``--litellm PATH`` names the ``litellm`` command of an environment
that has its proxy, that with a pattern of its content filter (*LiteLLM*). Answers are those of AlpacaEval,
cut to 1,000 characters.

*Streams*: pieces of 5 characters at 50 a second for each client; CPU microseconds a chunk are the server
process's own time (all threads), by chunks that the model sent (a proxy may deliver fewer, larger ones).
*Plain*: whole answers, as fast as they come. The server runs on one core, all else on the others, where there
are several. Medians of several rounds in turn.
``--soak SECONDS``: afterwards 128 streams for so long; errors and memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks import material
from benchmarks.report import Report, parser, quantile
from proxy.keys import KeyStore

LENGTH = 1000
PIECE = 5
RATE = 50
CLIENTS = (1, 32, 128)
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A way to the model: its base URL, its key, and the process whose time counts (None: no process)."""

    name: str
    url: str
    key: str
    pid: int | None


@dataclass(slots=True)
class Load:
    """What one load came to. Seconds."""

    firsts: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    chunks: int = 0
    errors: int = 0
    wall: float = 0.0
    cpu: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.totals) / self.wall if self.wall else 0.0

    @property
    def cpu_chunk(self) -> float:
        """Microseconds of the server's processor time a chunk."""
        return 1e6 * self.cpu / self.chunks if self.chunks else 0.0

    @property
    def cpu_request(self) -> float:
        """Milliseconds of the server's processor time a request."""
        return 1e3 * self.cpu / len(self.totals) if self.totals else 0.0


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


# --- servers ---------------------------------------------------------------------------------------


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

# --- load ------------------------------------------------------------------------------------------


async def one(
    session: aiohttp.ClientSession, server: Server, question: str, stream: bool, load: Load
) -> None:
    """One request, read to its end."""
    body = {"model": "scripted", "messages": [{"role": "user", "content": question}], "stream": stream}
    began = time.perf_counter()
    first = 0.0
    chunks = 0
    try:
        headers = {"Authorization": f"Bearer {server.key}"}
        async with session.post(f"{server.url}/chat/completions", json=body, headers=headers) as answer:
            if answer.status != 200:
                load.errors += 1
                return
            if not stream:
                await answer.read()
            else:
                tail = b""
                chunks = -(-LENGTH // PIECE) + 3  # the role, the end and [DONE] beside the pieces
                async for data in answer.content.iter_any():
                    if not first and b'content":"' in data:
                        first = time.perf_counter() - began
                    tail = (tail + data)[-32:]
                load.errors += not tail.rstrip().endswith(b"[DONE]")
    except (aiohttp.ClientError, TimeoutError, OSError):
        load.errors += 1
        return
    load.totals.append(time.perf_counter() - began)
    load.chunks += chunks
    if first:
        load.firsts.append(first)


async def drive(
    server: Server, texts: int, clients: int, seconds: float, *, stream: bool, rate: float, pace: float = 0.0
) -> Load:
    """Clients that ask one question after the other; ``pace``: requests a second in all (0: no limit)."""
    load = Load()
    chance = random.Random(clients)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=timeout, trust_env=False
    ) as session:
        await one(session, server, f"say 0 {PIECE} 0", stream, Load())
        before, began = processor_seconds(server.pid), time.perf_counter()

        async def client(number: int) -> None:
            turn = 0
            await asyncio.sleep(number / clients / max(rate, 50) if rate else 0)
            while time.perf_counter() - began < seconds:
                if pace:
                    due = began + (turn * clients + number) / pace
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                question = f"say {chance.randrange(texts)} {PIECE} {rate}"
                await one(session, server, question, stream, load)
                turn += 1

        await asyncio.gather(*(client(number) for number in range(clients)))
        load.wall = time.perf_counter() - began
        load.cpu = processor_seconds(server.pid) - before
    return load


def middle(loads: Sequence[Load], what: str) -> float:
    return median(getattr(load, what) for load in loads)


def share(loads: Sequence[Load], what: str, quantile_of: float) -> float:
    """A quantile over all rounds, in milliseconds."""
    return 1e3 * quantile([each for load in loads for each in getattr(load, what)], quantile_of)


# --- the run ---------------------------------------------------------------------------------------


async def measure(found: Sequence[Server], report: Report, texts: int, quick: bool) -> None:
    rounds, seconds = (1, 4.0) if quick else (5, 10.0)
    streams: dict[tuple[str, int], list[Load]] = {}
    plain: dict[tuple[str, int], list[Load]] = {}
    for _ in range(rounds):
        for clients in CLIENTS:
            for server in found:
                if server.name == "LiteLLM" and clients > 32:
                    continue  # it would take minutes to answer the streams it has taken
                key = (server.name, clients)
                load = await drive(server, texts, clients, seconds, stream=True, rate=RATE)
                streams.setdefault(key, []).append(load)
                load = await drive(server, texts, clients, seconds / 2, stream=False, rate=0)
                plain.setdefault(key, []).append(load)
    _tables(report, found, streams, plain)
    half = {
        server.name: middle(plain[server.name, 32], "per_second") / 2
        for server in found
        if server.name == "ours"
    }
    paced: dict[str, list[Load]] = {}
    for _ in range(rounds):
        for server in (each for each in found if each.name != "LiteLLM"):
            load = await drive(server, texts, 16, seconds, stream=False, rate=0, pace=half["ours"])
            paced.setdefault(server.name, []).append(load)
    _half(report, paced, half["ours"])
    _bars(report, streams, plain, paced)


def _tables(
    report: Report,
    found: Sequence[Server],
    streams: Mapping[tuple[str, int], list[Load]],
    plain: Mapping[tuple[str, int], list[Load]],
) -> None:
    columns = ("server", "clients", "answers/s", "CPU us a chunk", "first token p50 ms", "p99 ms", "errors")
    rows: list[list[object]] = [
        [
            name, clients, middle(loads, "per_second"), middle(loads, "cpu_chunk"),
            share(loads, "firsts", 0.5), share(loads, "firsts", 0.99), sum(load.errors for load in loads),
        ]
        for (name, clients), loads in streams.items()
    ]  # fmt: skip
    report.table(f"streams of {LENGTH} characters, {RATE} pieces a second each", columns, rows)
    columns = ("server", "clients", "answers/s", "CPU ms an answer", "p50 ms", "p99 ms", "errors")
    rows = [
        [
            name, clients, middle(loads, "per_second"), middle(loads, "cpu_request"),
            share(loads, "totals", 0.5), share(loads, "totals", 0.99), sum(load.errors for load in loads),
        ]
        for (name, clients), loads in plain.items()
    ]  # fmt: skip
    report.table(f"plain answers of {LENGTH} characters, as fast as they come", columns, rows)
    memory = [[server.name, memory_mb(server.pid)] for server in found if server.pid is not None]
    report.table("memory after it", ("server", "MB"), memory)


def _half(report: Report, paced: Mapping[str, list[Load]], rate: float) -> None:
    columns = ("server", "p50 ms", "p99 ms", "errors")
    rows: list[list[object]] = [
        [name, share(loads, "totals", 0.5), share(loads, "totals", 0.99), sum(load.errors for load in loads)]
        for name, loads in paced.items()
    ]
    report.table(f"plain answers at half of our most, {rate:.0f} a second", columns, rows)


def _bars(
    report: Report,
    streams: Mapping[tuple[str, int], list[Load]],
    plain: Mapping[tuple[str, int], list[Load]],
    paced: Mapping[str, list[Load]],
) -> None:
    ours, bare = streams["ours", 32], streams["pass-through", 32]
    added = middle(ours, "cpu_chunk") - middle(bare, "cpu_chunk")
    report.bar("CPU us a chunk above pass-through, 32 streams", added, "<= 50", added <= 50)
    first = share(ours, "firsts", 0.5) - share(streams["direct", 32], "firsts", 0.5)
    report.bar("first token later than direct, p50, 32 streams, ms", first, "<= 3", first <= 3)
    for quantile_of, most in ((0.5, 3.0), (0.99, 10.0)):
        later = share(paced["ours"], "totals", quantile_of) - share(paced["direct"], "totals", quantile_of)
        what = f"plain at half load, p{round(100 * quantile_of)} added, ms"
        report.bar(what, later, f"<= {most:g}", later <= most)
    cores = 1e3 / middle(plain["ours", 32], "cpu_request")
    report.bar("plain answers a second of one core's time", cores, ">= 200", cores >= 200)
    errors = sum(load.errors for loads in (*streams.values(), *plain.values()) for load in loads)
    report.bar("errors in all loads", errors, "0", errors == 0)
    if ("LiteLLM", 32) in streams:
        ratio = middle(streams["LiteLLM", 32], "cpu_chunk") / middle(ours, "cpu_chunk")
        report.bar("chunks a CPU second, times LiteLLM's", ratio, ">= 10", ratio >= 10)


async def soak(server: Server, report: Report, texts: int, seconds: float) -> None:
    """Many streams for long: no error, and flat memory."""
    assert server.pid is not None
    sizes: list[tuple[float, float]] = []
    began = time.monotonic()

    async def watch() -> None:
        while True:
            sizes.append((time.monotonic() - began, memory_mb(server.pid or 0)))
            await asyncio.sleep(max(1.0, seconds / 60))

    watching = asyncio.ensure_future(watch())
    load = await drive(server, texts, 128, seconds, stream=True, rate=RATE)
    watching.cancel()
    settled = [size for at, size in sizes if at > seconds / 4]
    grown = settled[-1] - settled[0] if settled else 0.0
    rows = [[round(at), round(size, 1)] for at, size in sizes[:: max(1, len(sizes) // 12)]]
    report.table(f"128 streams for {seconds:.0f} seconds", ("second", "MB"), rows)
    report.bar("errors in the soak", load.errors, "0", load.errors == 0)
    report.bar("memory grown after its first quarter, MB", grown, "<= 10", grown <= 10)
    report.bar("CPU us a chunk in the soak", load.cpu_chunk, "(told)", True)


def main() -> int:
    options_of = parser(__doc__)
    options_of.add_argument(
        "--litellm", type=Path, help="the litellm command of an environment with its proxy"
    )
    options_of.add_argument(
        "--soak", type=float, default=0.0, metavar="SECONDS", help="128 streams for so long"
    )
    options = options_of.parse_args()
    extra: dict[str, Any] = {"soak": f"{options.soak:.0f}"} if options.soak else {}
    if options.litellm:
        extra["litellm"] = "LITELLM"
    report = Report("proxy", options.quick, not options.no_save, extra)
    cores = sorted(os.sched_getaffinity(0))
    chance = random.Random(19)
    answers = [each.text for each in material.english_answers(options.data) if len(each.text) >= LENGTH]
    texts = [text[:LENGTH] for text in chance.sample(answers, 60)]
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-")))
        found = servers(opened, folder, options.data, texts, options.litellm, cores)
        if len(cores) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        asyncio.run(measure(found, report, len(texts), options.quick))
        if options.soak:
            ours = next(server for server in found if server.name == "ours")
            asyncio.run(soak(ours, report, len(texts), options.soak))
    report.note(
        f"The machine has {len(cores)} cores; the server has one, the model and the clients the rest. "
        "Other work ran on it: times of the wall are worse than on a machine of its own, CPU times are not."
    )
    return report.write()


if __name__ == "__main__":
    sys.exit(main())
