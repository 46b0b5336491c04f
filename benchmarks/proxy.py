"""What the proxy costs under load: ``python -m benchmarks.proxy --data DATA``.

One scripted model's server in a process of its own; before it, in turn, nothing (*direct*), the product's
server without guards (*pass-through*), the product with the bank's index and all layers of the default
policy, role public (*ours*), and, where ``--litellm PATH`` names the ``litellm`` command of an environment
that has its proxy, that with a pattern of its content filter (*LiteLLM*). Answers are those of AlpacaEval,
cut to 1,000 characters.

*Streams*: pieces of 5 characters at 50 a second for each client, all begun within 20 ms; for the first token
also 32 that began in turn, as streams of people do. CPU microseconds a chunk are the server
process's own time (all threads), by chunks that the model sent (a proxy may deliver fewer, larger ones).
*Plain*: whole answers, as fast as they come. The server runs on one core, all else on the others, where there
are several. Medians of several rounds in turn. What is held to a bar is measured once more in short turns of
one server after the other, four to a round; each turn gives differences and ratios of its own, of which the
median counts, since a shared machine is now fast and now slow for minutes.
``--soak SECONDS``: afterwards 128 streams for so long; errors and memory.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import material
from benchmarks.proxy_load import LENGTH, PIECE, RATE, Load, drive, middle, share
from benchmarks.proxy_servers import Server, memory_mb, servers
from benchmarks.report import Report, parser, quantile

CLIENTS = (1, 32, 128)

Turns = dict[str, list[Load]]
"""The loads of each server, turn by turn."""


async def measure(found: Sequence[Server], report: Report, texts: int, quick: bool, rounds: int) -> None:
    seconds = 4.0 if quick else 10.0
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
    steady: dict[str, list[Load]] = {}
    for _ in range(rounds):
        for server in (each for each in found if each.name != "LiteLLM"):
            long = LENGTH / PIECE / RATE
            load = await drive(server, texts, 32, 2 * seconds, stream=True, rate=RATE, spread=long)
            steady.setdefault(server.name, []).append(load)
    half = middle(plain["ours", 32], "per_second") / 2
    chunks: Turns = {}
    paced: Turns = {}
    for _ in range(4 * rounds):
        for server in found:
            if server.name != "direct":
                load = await drive(server, texts, 32, seconds / 2, stream=True, rate=RATE)
                chunks.setdefault(server.name, []).append(load)
        for server in found:
            if server.name != "LiteLLM":
                load = await drive(server, texts, 16, seconds / 2, stream=False, rate=0, pace=half)
                paced.setdefault(server.name, []).append(load)
    _steady(report, steady)
    _half(report, paced, half)
    _bars(report, streams, steady, plain)
    _bars_in_turns(report, chunks, paced)


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


def _steady(report: Report, steady: Turns) -> None:
    columns = ("server", "first token p50 ms", "p99 ms", "errors")
    rows: list[list[object]] = [
        [name, share(loads, "firsts", 0.5), share(loads, "firsts", 0.99), sum(load.errors for load in loads)]
        for name, loads in steady.items()
    ]
    report.table("32 streams that began one after the other, over the length of an answer", columns, rows)


def _half(report: Report, paced: Turns, rate: float) -> None:
    columns = ("server", "p50 ms", "p99 ms", "CPU ms an answer", "errors")
    rows: list[list[object]] = [
        [
            name, share(loads, "totals", 0.5), share(loads, "totals", 0.99), middle(loads, "cpu_request"),
            sum(load.errors for load in loads),
        ]
        for name, loads in paced.items()
    ]  # fmt: skip
    report.table(f"plain answers at half of our most, {rate:.0f} a second, all turns", columns, rows)


def _bars(
    report: Report,
    streams: Mapping[tuple[str, int], list[Load]],
    steady: Turns,
    plain: Mapping[tuple[str, int], list[Load]],
) -> None:
    first = share(steady["ours"], "firsts", 0.5) - share(steady["direct"], "firsts", 0.5)
    report.bar(
        "first token later than direct, p50, 32 streams that began in turn, ms", first, "<= 3", first <= 3
    )
    burst = share(streams["ours", 32], "firsts", 0.5) - share(streams["direct", 32], "firsts", 0.5)
    report.bar("the same, all begun within 20 ms", burst, "(told)", True)
    cores = 1e3 / middle(plain["ours", 32], "cpu_request")
    report.bar("plain answers a second of one core's time", cores, ">= 200", cores >= 200)
    errors = sum(load.errors for loads in (*streams.values(), *plain.values()) for load in loads)
    report.bar("errors in all loads", errors, "0", errors == 0)


def _bars_in_turns(report: Report, chunks: Turns, paced: Turns) -> None:
    """Each turn by itself; of the turns the median."""

    def beyond(loads: Turns, name: str, base: str, what: Callable[[Load], float]) -> float:
        return float(median(what(one) - what(two) for one, two in zip(loads[name], loads[base], strict=True)))

    added = beyond(chunks, "ours", "pass-through", lambda load: load.cpu_chunk)
    report.bar("CPU us a chunk above pass-through, 32 streams", added, "<= 50", added <= 50)
    if "LiteLLM" in chunks:
        pairs = zip(chunks["LiteLLM"], chunks["ours"], strict=True)
        ratio = float(median(one.cpu_chunk / two.cpu_chunk for one, two in pairs))
        report.bar("chunks a CPU second, times LiteLLM's", ratio, ">= 10", ratio >= 10)
    for part, most in ((0.5, 3.0), (0.99, 10.0)):
        for name in ("ours", "pass-through"):
            later = beyond(paced, name, "direct", latency(part))
            what = f"plain at half load, p{round(100 * part)} added, ms"
            if name == "ours":
                report.bar(what, later, f"<= {most:g}", later <= most)
            else:
                report.bar(f"{what}, {name}", later, "(told)", True)
    errors = sum(load.errors for loads in (*chunks.values(), *paced.values()) for load in loads)
    report.bar("errors in all turns", errors, "0", errors == 0)


def latency(part: float) -> Callable[[Load], float]:
    """A quantile of what the answers of a load took, in milliseconds."""
    return lambda load: 1e3 * quantile(load.totals, part)


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
    options_of.add_argument("--rounds", type=int, help="rounds of all loads (5; with --quick 1)")
    options = options_of.parse_args()
    extra: dict[str, Any] = {"soak": f"{options.soak:.0f}"} if options.soak else {}
    if options.litellm:
        extra["litellm"] = "LITELLM"
    rounds = options.rounds or (1 if options.quick else 5)
    if options.rounds:
        extra["rounds"] = rounds
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
        asyncio.run(measure(found, report, len(texts), options.quick, rounds))
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
