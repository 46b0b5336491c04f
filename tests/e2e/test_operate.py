"""Two replicas of two workers on one Redis: what is changed reaches all, and what breaks leaks nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.audit import verify
from proxy.cli import main
from proxy.index import BuildOptions, build_index
from proxy.keys import State, open_state
from proxy.sse import SseParser
from proxy.upstreams.scripted import STALL, Raw, Reply, Said, Says
from tests.cli.running import Running, running
from tests.cli.test_serve import url_of
from tests.limits import unlimited
from tests.redis_server import RedisServer, redis_server
from tests.serving import CHAT, chunk, model_server
from tests.training import ADMIN, KEY, PUBLIC, TRAINING, documents, shared_units

SECONDS = 5.0
"""What is revoked, allowed or replaced is so everywhere after as many."""

BUDGET = 12
LATER = "The courier for the northern depots leaves from gate seven, and asks for the word of the week first."
"""A text that the first index does not know."""

LEAD = "Gladly, here is what I remember of it: "


def model(body: Mapping[str, Any]) -> Reply:
    """A model that recites what it is asked for; ``stall``: begins, and never ends."""
    asked = body["messages"][-1]["content"]
    if asked == "stall":
        return Raw([chunk({"content": LEAD}), chunk({"content": ADMIN[:30]}), STALL])
    return Says(Said(LEAD + {"admin": ADMIN, "later": LATER}.get(asked, PUBLIC)))


@dataclass(slots=True)
class Replica:
    """One server, in a folder of its own."""

    server: Running
    folder: Path
    index: Path
    url: str
    metrics: str

    def ask(self, key: str, what: str, *, stream: bool = False) -> httpx.Response:
        """One request on a connection of its own, so that any of the workers may get it."""
        body = {"model": "m", "messages": [{"role": "user", "content": what}], "stream": stream}
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(self.url + CHAT, json=body, headers=headers, trust_env=False, timeout=60)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, timeout=60)

    def details(self) -> dict[str, Any]:
        """What the operators' port tells of its workers."""
        found = httpx.get(f"{self.metrics}/readyz", trust_env=False, timeout=60).json()
        assert isinstance(found, dict)
        return found

    def metric(self, series: str) -> float:
        for line in httpx.get(f"{self.metrics}/metrics", trust_env=False, timeout=60).text.splitlines():
            if line.rpartition(" ")[0] == series:
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no series {series}")


@dataclass(slots=True)
class Scene:
    """Two replicas, their Redis, and a key for each role."""

    replicas: list[Replica]
    redis: RedisServer
    state: State
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, role: str) -> str:
        """A key that every worker knows."""
        if role not in self.keys:
            self.keys[role] = self.state.create(role, "scene").secret
            time.sleep(1.5)  # they compare twice a second
        return self.keys[role]

    def run(self, *arguments: str | Path) -> int:
        """A command of the operator's."""
        given = [*arguments, "--state", self.redis.url]
        return main([str(each) for each in given], {"SLUICEGATE_INDEX_KEY": KEY})


def text_of(answer: httpx.Response) -> tuple[str, str | None]:
    """What an answer says, streamed or whole, and how it finished."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        choice = answer.json()["choices"][0]
        return choice["message"]["content"] or "", choice["finish_reason"]
    return text_of_events(answer.content)


def text_of_events(content: bytes) -> tuple[str, str | None]:
    parser = SseParser()
    said, finish = "", None
    for event in [*parser.feed(content), *parser.finish()]:
        if event.data.startswith("{"):
            for choice in json.loads(event.data).get("choices", ()):
                said += choice["delta"].get("content") or ""
                finish = choice["finish_reason"] or finish
    return said, finish


def leaked(text: str, secret: str = ADMIN) -> int:
    """Units of the secret that were delivered."""
    return shared_units(secret, text.removeprefix(LEAD))


def everywhere(scene: Scene, look: Callable[[Replica], bool], times: int = 8) -> bool:
    """Whether it is so in each of many looks at every replica, so at every worker."""
    return all(look(replica) for _ in range(times) for replica in scene.replicas)


def in_time(what: str, look: Callable[[], bool]) -> None:
    """A look that begins after the time that is promised finds it so. (An earlier one may.)"""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        if look():
            return
        time.sleep(0.1)
    assert look(), f"{what}: not after {SECONDS} seconds"


def deliver(built: Path, place: Path) -> None:
    """Put a copy of one build where a replica reads it. Builds of each replica's own would differ in number,
    and the state that they share has the highest: the replica with the lower one would refuse its own."""
    new, old = place.with_name("new.idx"), place.with_name("old.idx")
    shutil.copytree(built, new)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("operate")
    policy = root / "policy.yaml"
    text = unlimited()
    old = "    clearance: [public, staff]\n"
    assert text.count(old) == 1
    policy.write_text(text.replace(old, old + "    requests_per_minute: 6\n    concurrent: 2\n"), "utf-8")
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(root))
        upstream = stack.enter_context(model_server(model))
        replicas = []
        build_index(documents(), root / "built.idx", BuildOptions(key=KEY))
        for name in ("one", "other"):
            folder = root / name
            folder.mkdir()
            deliver(root / "built.idx", folder / "small.idx")
            server = stack.enter_context(
                running(
                    *("serve", "--index", folder / "small.idx", "--upstream", upstream, "--policy", policy),
                    *("--workers", "2", "--port", "0", "--metrics-port", "0", "--log-format", "json"),
                    cwd=folder,
                    SLUICEGATE_STATE=redis.url,
                    SLUICEGATE_INDEX_KEY=KEY,
                )
            )
            replicas.append(
                Replica(server, folder, folder / "small.idx", url_of(server), url_of(server, "metrics on "))
            )
        state = open_state(redis.url, {})
        stack.callback(state.close)
        for _ in range(600):
            if len(state.workers()) == 4:
                break
            time.sleep(0.1)
        yield Scene(replicas, redis, state, root)


def test_a_key_works_everywhere_until_it_is_revoked(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """One command, and no worker of any replica lets the key in."""
    assert scene.run("keys", "create", "--role", "public", "--name", "shop") == 0
    key = capsys.readouterr().out.strip()
    in_time(
        "created", lambda: everywhere(scene, lambda replica: replica.ask(key, "public").status_code == 200)
    )
    assert scene.run("keys", "revoke", "shop") == 0
    in_time(
        "revoked", lambda: everywhere(scene, lambda replica: replica.ask(key, "public").status_code == 401)
    )


def test_rate_limits_hold_across_replicas(scene: Scene) -> None:
    """Six a minute are six in all, and what is too much is told so."""
    key = scene.key("staff")
    began = time.monotonic()
    answers = [scene.replicas[number % 2].ask(key, "public") for number in range(20)]
    refilled = int((time.monotonic() - began) / 10) + 1  # one every ten seconds
    passed = [answer for answer in answers if answer.status_code == 200]
    assert 6 <= len(passed) <= 6 + refilled
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(passed) + len(refused) == 20
    assert refused[0].json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in answers} == {"6"}


def test_an_index_is_replaced_under_load(scene: Scene) -> None:
    """Replica by replica, twice, while both are asked: no request fails and no secret leaves, and then all
    answer by the new index."""
    key, stop = scene.key("public"), threading.Event()
    wrong: list[str] = []
    asked: list[str] = []

    def load(replica: Replica, number: int) -> None:
        while not stop.is_set():
            what = ("admin", "public", "later")[len(asked) % 3]
            answer = replica.ask(key, what, stream=number % 2 == 0)
            asked.append(what)
            if answer.status_code != 200:
                wrong.append(f"{what}: {answer.status_code}")
                continue
            said, finish = text_of(answer)
            if what == "admin" and (leaked(said) > BUDGET or finish != "content_filter"):
                wrong.append(f"{what}: {leaked(said)} units, {finish}")
            if what == "public" and (said != LEAD + PUBLIC or finish != "stop"):
                wrong.append(f"{what}: {len(said)} characters, {finish}")

    clients = [
        threading.Thread(target=load, args=(replica, number))
        for number in range(4)
        for replica in scene.replicas[number % 2 :][:1]
    ]
    for client in clients:
        client.start()
    try:
        for more in ("A text that only stands in between, and is of no interest to anybody at all.", LATER):
            training = TRAINING | {"staff": [*TRAINING["staff"], more]}
            build_index(documents(training), scene.folder / "built.idx", BuildOptions(key=KEY))
            for replica in scene.replicas:
                deliver(scene.folder / "built.idx", replica.index)
                time.sleep(0.5)
        versions = {worker.index for worker in scene.state.workers()}
        in_time("the new index", lambda: reached(scene, versions))
        seen = len(asked)
        while len(asked) < seen + 40:
            time.sleep(0.05)
    finally:
        stop.set()
        for client in clients:
            client.join(60)
    assert wrong == []
    assert set(asked) == {"admin", "public", "later"}

    def guarded(replica: Replica) -> bool:
        said, finish = text_of(replica.ask(key, "later"))
        return finish == "content_filter" and leaked(said, LATER) <= BUDGET

    in_time("the new text", lambda: everywhere(scene, guarded))


def reached(scene: Scene, before: set[str]) -> bool:
    """Whether all four workers serve the index that is on the disk of their replica."""
    from proxy.index import read_manifest

    wanted = {read_manifest(replica.index).version for replica in scene.replicas}
    workers = scene.state.workers()
    return len(workers) == 4 and {worker.index for worker in workers} <= wanted


def test_an_allowed_text_is_free_everywhere(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """After a false alarm: free on every worker, and shut again when it is taken away; the trails tell it."""
    key, text = scene.key("public"), scene.folder / "text.txt"
    text.write_text(LATER, "utf-8")
    index, trail = scene.replicas[0].index, scene.folder / "operator.jsonl"
    assert scene.run("allow", text, "--index", index, "--trail", trail) == 0
    name = capsys.readouterr().out.strip()

    def free(replica: Replica) -> bool:
        return text_of(replica.ask(key, "later")) == (LEAD + LATER, "stop")

    # The replicas built their indexes with the same key, so the text is free at both.
    in_time("allowed", lambda: everywhere(scene, free))
    assert scene.run("allow", "remove", name, "--trail", trail) == 0
    in_time("taken away", lambda: everywhere(scene, lambda replica: not free(replica)))
    for replica in scene.replicas:
        said = (replica.folder / "sluicegate.trail.jsonl").read_text("utf-8")
        assert said.count(f'"what":"allowed","id":"{name}"') == 2
        assert said.count(f'"what":"disallowed","id":"{name}"') == 2


def test_reload_tells_who_serves_what(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """Four workers answer; a bad policy is refused by all, and the old one serves on."""
    assert scene.run("reload", "--json") == 0
    workers = json.loads(capsys.readouterr().out)
    assert len(workers) == 4
    policy = scene.folder / "policy.yaml"
    good = policy.read_text("utf-8")
    policy.write_text(good + "nonsense: 1\n", "utf-8")
    assert scene.run("reload") == 2
    assert capsys.readouterr().err.count("refused what is new and serves what it had") >= 4
    for replica in scene.replicas:
        assert replica.metric('sluicegate_reloads_total{result="refused",what="policy"}') >= 2
        assert all(each["refused"] for each in replica.details()["workers"])
        assert replica.ask(scene.key("public"), "public").status_code == 200
    policy.write_text(good, "utf-8")
    assert scene.run("reload") == 0


def test_redis_goes_and_comes_back(scene: Scene) -> None:
    """Those who were let in still are, guarded as ever; a key nobody knows cannot be checked; it shows."""
    key = scene.key("public")
    scene.redis.kill()

    def degraded(replica: Replica) -> bool:
        return bool(replica.metric("sluicegate_state_up") == 0)

    in_time("noticed", lambda: everywhere(scene, degraded))
    in_time("told", lambda: all(r.metric("sluicegate_state_up") == 0 for r in scene.replicas))
    for replica in scene.replicas:
        assert replica.get("/readyz").status_code == 200
        for _ in range(4):
            said, finish = text_of(replica.ask(key, "admin"))
            assert finish == "content_filter" and leaked(said) <= BUDGET
        stranger = replica.ask("sk-sg-" + "A" * 43, "public")
        assert stranger.status_code == 500 and "operator" in stranger.text
    scene.redis.start()
    in_time("back", lambda: everywhere(scene, lambda replica: not degraded(replica)))
    assert {replica.ask("sk-sg-" + "A" * 43, "public").status_code for replica in scene.replicas} == {401}
    fresh = scene.state.create("public").secret
    in_time(
        "a new key",
        lambda: everywhere(scene, lambda replica: replica.ask(fresh, "public").status_code == 200),
    )


def test_the_logs_are_json_and_hold_no_text(scene: Scene) -> None:
    """Every line is an object; requests have their ids; no key and no secret is among them."""
    for replica in scene.replicas:
        lines = replica.server.errors.read_text("utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        requests = [each for each in found if each["logger"] == "sluicegate.requests"]
        assert len(requests) > 20
        assert len(found) == len(lines)
        asked = [each for each in requests if each["path"] != "other"]
        lacking = [each for each in asked if not each.get("incident", "").startswith("inc_")]
        # While Redis is down a key that nobody knows cannot be checked: a fault, with no decision on it.
        assert {each["status"] for each in lacking} <= {500}
        assert {"method", "path", "status", "client", "duration"} <= set(requests[-1])
        assert {"request", "role", "key", "outcome", "seconds"} <= set(requests[-1])
        assert leaked(" ".join(lines)) < BUDGET
        assert not any(key in " ".join(lines) for key in scene.keys.values())


def test_a_replica_is_killed_in_the_middle_of_an_answer(scene: Scene) -> None:
    """The caller has got no uncleared character, the other replica serves on, and both trails are whole."""
    key, (dead, alive) = scene.key("public"), scene.replicas
    body = {"model": "m", "messages": [{"role": "user", "content": "stall"}], "stream": True}
    got = bytearray()
    pids = [worker.pid for worker in scene.state.workers() if _parent(worker.pid) == dead.server.process.pid]
    assert len(pids) == 2
    with (
        pytest.raises(httpx.TransportError),
        httpx.stream(
            "POST",
            dead.url + CHAT,
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=60,
        ) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        incident = answer.headers["x-sluicegate-incident"]
        for data in answer.iter_bytes():
            got += data
            if LEAD[:10].encode() in got:
                for pid in (dead.server.process.pid, *pids):
                    os.kill(pid, signal.SIGKILL)
    said, finish = text_of_events(bytes(got))
    assert finish is None and said and leaked(said) <= BUDGET
    for _ in range(6):
        said, finish = text_of(alive.ask(key, "admin"))
        assert finish == "content_filter" and leaked(said) <= BUDGET
    report = verify(dead.folder / "sluicegate.trail.jsonl")
    assert report.faults == []
    assert report.in_flight == [incident]
    assert alive.server.end() == 0
    report = verify(alive.folder / "sluicegate.trail.jsonl")
    assert (report.faults, report.in_flight) == ([], [])


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])
