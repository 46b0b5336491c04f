"""The real server on a loopback port, in front of a scripted model: both run in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn

from proxy.server.app import create_app, open_house
from proxy.server.listen import open_port, server_options
from proxy.server.settings import Settings
from proxy.server.state import House
from proxy.sse import SseParser
from proxy.upstreams.scripted import Reply, ScriptedUpstream
from tests.limits import without_limits
from tests.training import SmallIndex

CHAT = "/v1/chat/completions"
UPSTREAM_KEY = "sk-upstream-0123456789"
QUESTION = [{"role": "user", "content": "What do you know?"}]


@dataclass(slots=True)
class Served:
    """A proxy that answers at ``url``, its parts, the model behind it, and a client without any key."""

    url: str
    house: House
    up: ScriptedUpstream
    web: httpx.Client
    _keys: dict[str, str] = field(default_factory=dict)

    def key(self, role: str) -> str:
        """A key for a role, made when it is first asked for."""
        if role not in self._keys:
            self._keys[role] = self.house.keys.create(role).secret
        return self._keys[role]

    def headers(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key(role)}"}

    def ask(self, role: str = "public", **fields: Any) -> httpx.Response:
        """One request, read to its end."""
        body = {"model": "m", "messages": QUESTION} | fields
        return self.web.post(CHAT, json=body, headers=self.headers(role))

    def stream(self, role: str = "public", **fields: Any) -> Streamed:
        """One streamed request, read to its end."""
        return Streamed(self.ask(role, stream=True, **fields))

    def metric(self, name: str, **labels: str) -> float:
        """The value of a series as ``/metrics`` tells it; 0 where it is not there."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for line in self.web.get("/metrics").text.splitlines():
            head, _, value = line.rpartition(" ")
            series, _, rest = head.partition("{")
            if series == name and wanted <= set(rest.removesuffix("}").split(",")):
                return float(value)
        return 0.0

    def trail(self) -> list[dict[str, Any]]:
        """The decisions in the trail."""
        lines = [orjson.loads(line) for line in self.house.settings.trail_path.read_bytes().splitlines()]
        return [line for line in lines if line["kind"] == "decision"]


class Streamed:
    """An event stream as it came, and what a client makes of it."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        parser = SseParser()
        self.events = [event.data for event in parser.feed(response.content) + parser.finish()]
        self.done = bool(self.events) and self.events[-1] == "[DONE]"
        self.chunks: list[dict[str, Any]] = [orjson.loads(data) for data in self.events if data != "[DONE]"]

    @property
    def error(self) -> dict[str, Any] | None:
        """The error object of the stream, where there is one."""
        found = [chunk["error"] for chunk in self.chunks if "error" in chunk]
        return found[0] if found else None

    def choices(self, index: int = 0) -> Iterator[dict[str, Any]]:
        for chunk in self.chunks:
            yield from (each for each in chunk.get("choices", ()) if each["index"] == index)

    def text(self, name: str = "content", index: int = 0) -> str:
        """One text of the answer, put together."""
        return "".join(each["delta"].get(name) or "" for each in self.choices(index))

    def finish(self, index: int = 0) -> str | None:
        reasons = [each["finish_reason"] for each in self.choices(index) if each["finish_reason"]]
        assert len(reasons) < 2, "a choice finishes once"
        return reasons[0] if reasons else None


@contextmanager
def serving(
    index: SmallIndex,
    folder: Path,
    *,
    policy: Path | None = None,
    upstream: str | None = None,
    environment: Mapping[str, str] | None = None,
    **settings: Any,
) -> Iterator[Served]:
    """The server with its state in ``folder``; ``upstream``: another base URL than the scripted model's.

    A packaged policy has no limits on requests here; give its path to have them.
    """
    started: Future[Served] = Future()
    stop = threading.Event()

    async def run() -> None:
        async with ScriptedUpstream() as up:
            where = Settings(
                index=index.path,
                upstream=upstream or up.url,
                state=folder / "state.sqlite",
                policy=without_limits(folder, policy),
                **{"metrics_port": None} | settings,
            )
            given = {**index.environment, "SLUICEGATE_UPSTREAM_KEY": UPSTREAM_KEY, **(environment or {})}
            house = open_house(where, given)
            with open_port("127.0.0.1", 0) as listener:
                options = server_options(where, house.metrics) | {"log_level": "critical"}
                config = uvicorn.Config(create_app(house), **options)
                server = uvicorn.Server(config)
                running = asyncio.ensure_future(server.serve(sockets=[listener]))
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                with httpx.Client(base_url=url, trust_env=False, timeout=60) as web:
                    started.set_result(Served(url, house, up, web))
                    await asyncio.to_thread(stop.wait)
                server.should_exit = True
                await running

    thread = threading.Thread(target=lambda: _report(run, started), name="serving")
    thread.start()
    try:
        yield started.result(30)
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive(), "the server has not stopped"


def _report(run: Callable[[], Any], started: Future[Any]) -> None:
    """Run the server; what keeps it from starting is raised in the test."""
    try:
        asyncio.run(run())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


def chunk(delta: Mapping[str, Any], finish: str | None = None, **extra: Any) -> bytes:
    """One event of a model server, by hand."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + orjson.dumps(body | extra) + b"\n\n"


def write_policy(folder: Path, text: str, *changes: tuple[str, str]) -> Path:
    """A policy file: ``text`` with each change made once."""
    for old, new in changes:
        assert text.count(old) >= 1, f"{old!r} is not in the policy"
        text = text.replace(old, new, 1)
    path = folder / "policy.yaml"
    path.write_text(text, "utf-8")
    return path


@contextmanager
def model_server(otherwise: Reply | Callable[[Mapping[str, Any]], Reply]) -> Iterator[str]:
    """A scripted model that always says the same, in a thread of its own; gives its base URL."""
    started: Future[str] = Future()
    stop = threading.Event()

    async def run() -> None:
        async with ScriptedUpstream(otherwise) as up:
            started.set_result(up.url)
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: _report(run, started), name="model")
    thread.start()
    try:
        yield started.result(30)
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive(), "the model has not stopped"
