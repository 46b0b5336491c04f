"""Work on a large request runs in threads of its own; small requests are worked on directly."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from proxy.detectors import encoded
from proxy.detectors.echo import Echo
from proxy.detectors.known_values import KnownValuesDetector
from proxy.detectors.payload import PayloadDetector
from proxy.dialects import asking, chat, completions, responses
from proxy.guard import StreamGuard
from proxy.server import answering
from proxy.server.firewall import MUCH_ECHO
from proxy.server.offload import LARGE, STEPS, in_thread, prepared
from proxy.upstreams.scripted import Raw, Said, Says
from tests.serving import CHAT, QUESTION, Served, chunk, serving
from tests.training import SmallIndex

LOOP = "serving"
"""The thread in which the server's event loop runs."""


def prose(size: int, seed: int = 1) -> str:
    """Words without sense."""
    source = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(source.choices(letters, k=source.randint(2, 9))) for _ in range(4000)]
    return " ".join(source.choices(words, k=size // 6))[:size]


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("offload"), gather=0.0) as made:
        yield made


class Watch:
    """Notes in which threads functions run."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.threads: dict[str, set[str]] = {}

    def on(self, owner: Any, name: str) -> None:
        real, noted = getattr(owner, name), self.threads.setdefault(name, set())

        def watched(*arguments: Any, **named: Any) -> Any:
            noted.add(threading.current_thread().name.partition("_")[0])
            return real(*arguments, **named)

        self._patch.setattr(owner, name, watched)


REQUESTS: dict[str, tuple[str, Any]] = {
    "chat": (CHAT, lambda text: {"messages": [{"role": "user", "content": text}]}),
    "many messages": (CHAT, lambda text: {"messages": [dict(role="user", content=w) for w in text.split()]}),
    "tools": (CHAT, lambda text: {"messages": QUESTION, "tools": [{"function": {"description": text}}]}),
    "escapes": (
        CHAT,
        lambda text: {"messages": [{"role": "tool", "content": json.dumps({"a": text + "\u4e2d\n"})}]},
    ),
    "completion": ("/v1/completions", lambda text: {"prompt": text}),
    "response": ("/v1/responses", lambda text: {"input": text}),
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_large_request_is_worked_on_in_threads(
    served: Served, monkeypatch: pytest.MonkeyPatch, name: str, stream: bool
) -> None:
    """Parsing, own words, hashes and the guards of the answer, which may be the request backwards."""
    path, make = REQUESTS[name]
    text = prose(300_000)
    watch = Watch(monkeypatch)
    watch.on(answering, "loads")
    watch.on(asking, "with_decoded")
    for owner in (chat.ChatRequest, completions.CompletionRequest, responses.ResponseRequest):
        watch.on(owner, "own_words")
    for detector in (KnownValuesDetector, PayloadDetector):
        watch.on(detector, "_echo")
    watch.on(Echo, "grams")
    watch.on(Echo, "seeds")
    watch.on(encoded, "_mirrored")
    watch.on(StreamGuard, "feed")
    watch.on(StreamGuard, "finish")
    backwards = " ".join(reversed(text[:3000].split()))
    served.up._script.clear()
    served.up.script(Says(Said(f"{backwards} {text[:2000][::-1]}")))
    answer = served.web.post(
        path, json={"model": "m", "stream": stream} | make(text), headers=served.headers("public")
    )
    assert answer.status_code == (200 if path == CHAT else answer.status_code)
    assert watch.threads["loads"] == {"prepare"}
    assert watch.threads["own_words"] == {"prepare"}
    assert watch.threads["grams"] | watch.threads["_echo"] <= {"prepare", "steps"}
    if path == CHAT:
        assert watch.threads["feed"] == watch.threads["finish"] == {"steps"}
    assert all(LOOP not in threads for threads in watch.threads.values()), watch.threads


def test_a_small_request_is_worked_on_directly(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handing over would cost more than the work."""
    watch = Watch(monkeypatch)
    watch.on(answering, "loads")
    watch.on(chat.ChatRequest, "own_words")
    watch.on(StreamGuard, "feed")
    served.up._script.clear()
    served.up.script(Says(Said("Fine, thank you.")))
    text = prose(MUCH_ECHO - 2000)
    assert len(text) < LARGE
    assert served.ask("public", stream=True, messages=[{"role": "user", "content": text}]).status_code == 200
    assert watch.threads == {"loads": {LOOP}, "own_words": {LOOP}, "feed": {LOOP}}


def test_other_streams_go_on_while_a_large_request_is_prepared(served: Served) -> None:
    """Pieces of another stream arrive between the sending of 2 MB and the end of their answer, which is the
    request backwards."""
    text = prose(2_000_000)
    tick = chunk({"content": "tick "})
    events: list[str] = []
    ready, done = threading.Event(), threading.Event()

    def watch() -> None:
        with httpx.Client(base_url=served.url, trust_env=False, timeout=60) as web:
            body = {"model": "m", "messages": QUESTION, "stream": True}
            with web.stream("POST", CHAT, json=body, headers=headers) as answer:
                for line in answer.iter_lines():
                    if "tick" in line:
                        events.append("tick")
                        ready.set()
                    if done.is_set():
                        return

    headers = served.headers("staff")
    served.up._script.clear()
    served.up.script(Raw([tick, *[0.01, tick] * 6000]))
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        assert ready.wait(20)
        backwards = [" ".join(reversed(text[at : at + 4000].split())) for at in range(0, 40_000, 4000)]
        pieces = [chunk({"content": each + " "}) for each in backwards]
        served.up.script(Raw([*pieces, chunk({}, "stop"), b"data: [DONE]\n\n"]))
        body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": True}
        events.append("sent")
        with served.web.stream("POST", CHAT, json=body, headers=served.headers("public")) as answer:
            assert "data: [DONE]" in list(answer.iter_lines())
        events.append("last")
    finally:
        done.set()
        thread.join(60)
    assert events[events.index("sent") : events.index("last")].count("tick") >= 10


# --- threads ------------------------------------------------------------------------------------------------


async def test_small_work_is_done_in_place() -> None:
    here = threading.current_thread().name
    assert await prepared(False, lambda: threading.current_thread().name) == here
    assert await prepared(True, lambda: threading.current_thread().name) != here


async def test_errors_of_a_thread_come_back() -> None:
    with pytest.raises(ZeroDivisionError):
        await prepared(True, lambda: 1 / 0)


async def test_cancelling_waits_for_work_that_has_begun() -> None:
    """Whoever cancels reads what the work was on; so nobody else may still be at it."""
    began, go_on, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        began.set()
        go_on.wait(20)
        ended.append(True)

    task = asyncio.ensure_future(in_thread(STEPS, work))
    await asyncio.to_thread(began.wait, 20)
    waiting = asyncio.ensure_future(in_thread(STEPS, ended.append, False))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
def test_a_caller_who_leaves_a_large_request_is_recorded(served: Served, stream: bool) -> None:
    """The decision is written when the step in the thread has ended, and places are given back."""
    text = prose(400_000)
    served.up._script.clear()
    served.up.script(Says(Said(" ".join(reversed(text[:200_000].split()))), cut=500, delay=0.01))
    asked = len(served.up.received)
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream}
    before = len(served.trail())
    with httpx.Client(base_url=served.url, trust_env=False, timeout=20) as web:
        if stream:
            with web.stream("POST", CHAT, json=body, headers=served.headers("public")) as answer:
                next(answer.iter_lines())
        else:
            with pytest.raises(httpx.ReadTimeout):
                web.post(CHAT, json=body, headers=served.headers("public"), timeout=httpx.Timeout(9, read=1))
    assert len(served.up.received) > asked
    for _ in range(500):
        if len(served.trail()) > before:
            break
        threading.Event().wait(0.02)
    assert served.trail()[-1]["outcome"] == "cancelled"
    served.up._script.clear()
    served.up.script(Says(Said("Alive.")))
    assert served.ask().json()["choices"][0]["message"]["content"] == "Alive."
