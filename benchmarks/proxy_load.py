"""The load of ``benchmarks.proxy``: clients that ask one question after the other, and what came of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import aiohttp

from benchmarks.proxy_servers import Server, processor_seconds
from benchmarks.report import quantile

LENGTH = 1000
PIECE = 5
RATE = 50


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
    server: Server,
    texts: int,
    clients: int,
    seconds: float,
    *,
    stream: bool,
    rate: float,
    pace: float = 0.0,
    spread: float = 0.02,
) -> Load:
    """Clients that ask one question after the other; ``pace``: requests a second in all (0: no limit).

    ``spread``: seconds over which the clients of a stream begin.
    """
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
            await asyncio.sleep(number / clients * spread if rate else 0)
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
    return float(median(getattr(load, what) for load in loads))


def share(loads: Sequence[Load], what: str, quantile_of: float) -> float:
    """A quantile over all rounds, in milliseconds."""
    return 1e3 * quantile([each for load in loads for each in getattr(load, what)], quantile_of)
