"""The whole stack: a server started with ``sluicegate serve``, a scripted model, the ``openai`` client.

The rule that must stay true: the server is a process of its own, started by the command that users use.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from openai import AsyncOpenAI

from benchmarks import material
from proxy.keys import KeyStore
from proxy.upstreams.scripted import Reply, Said, Says, ScriptedUpstream


class Scripts:
    """The scripted model says the text that the request names: ``say <number> <characters of a piece>``."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> int:
        self._texts.append(text)
        return len(self._texts) - 1

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        _, number, size = body["messages"][-1]["content"].split()
        return Says(Said(self._texts[int(number)]), cut=int(size))


@dataclass(frozen=True, slots=True)
class Clients:
    """A running server: a client for each role, and the model's script."""

    roles: Mapping[str, AsyncOpenAI]
    scripts: Scripts

    async def ask(self, role: str, text: str, size: int) -> tuple[str, bool]:
        """What a role gets of an answer, and whether it was stopped; ``size`` 0: not streamed."""
        question = f"say {self.scripts.add(text)} {size or 1}"
        create = self.roles[role].chat.completions.create
        messages: Any = [{"role": "user", "content": question}]
        if not size:
            whole = await create(model="scripted", messages=messages)
            choice = whole.choices[0]
            return choice.message.content or "", choice.finish_reason == "content_filter"
        parts, stopped = [], False
        async for chunk in await create(model="scripted", messages=messages, stream=True):
            for piece in chunk.choices:
                parts.append(piece.delta.content or "")
                stopped = stopped or piece.finish_reason == "content_filter"
        return "".join(parts), stopped


@asynccontextmanager
async def server(folder: Path, index: Path, policy: str) -> AsyncIterator[Clients]:
    """A server of one policy in a process of its own, the scripted model, and keys for all roles."""
    scripts = Scripts()
    state = folder / f"{index.name}-{policy}.sqlite"
    store = KeyStore(state)
    keys = {role: store.create(role, "benchmark").secret for role in ("public", "staff", "admin")}
    store.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with ScriptedUpstream(scripts) as upstream:
        arguments = [
            *("serve", "--index", str(index), "--upstream", upstream.url),
            *("--policy", str(material.without_limits(folder, policy))),
            *("--state", str(state), "--port", str(port)),
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", *arguments],
            env=os.environ | {"SLUICEGATE_INDEX_KEY": material.KEY},
            stderr=subprocess.DEVNULL,
        )
        http = httpx.AsyncClient(trust_env=False, timeout=60)
        try:
            await _ready(f"http://127.0.0.1:{port}/healthz", process)
            url = f"http://127.0.0.1:{port}/v1"
            roles = {
                role: AsyncOpenAI(base_url=url, api_key=key, max_retries=0, http_client=http)
                for role, key in keys.items()
            }
            yield Clients(roles, scripts)
        finally:
            await http.aclose()
            process.terminate()
            process.wait(30)


async def _ready(url: str, process: subprocess.Popen[bytes]) -> None:
    async with aiohttp.ClientSession() as session:
        while process.poll() is None:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError(f"the server ended with status {process.returncode}")
