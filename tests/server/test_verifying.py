"""``serve --verify later``: a file that is not what was built stops the serving as soon as it is found."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from proxy.errors import IndexFormatError
from proxy.index import BuildOptions, build_index, open_index, read_manifest
from proxy.policy import policies_folder
from proxy.server import verifying
from proxy.server.app import open_house
from proxy.server.settings import Settings
from proxy.server.verifying import LaterCheck
from proxy.upstreams.scripted import Fault, Raw, Said, Says
from tests.cli.running import running
from tests.cli.test_serve import url_of
from tests.serving import QUESTION, Served, Streamed, chunk, serving
from tests.training import KEY, TRAINING, SmallIndex, documents

MORE = {"staff": ["Another text of the staff that nobody has trained on before today."]}


@pytest.fixture
def folder(small_index: SmallIndex, tmp_path: Path) -> Path:
    """An index of its own."""
    return Path(shutil.copytree(small_index.path, tmp_path / "x.idx"))


class Gate:
    """Keeps checks from reading until it is opened."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def open(self) -> None:
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(60)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made, read = Gate(), LaterCheck._fault_of

    def waits(self: LaterCheck, name: str, rate: float) -> str:
        made.wait()
        return read(self, name, rate)

    monkeypatch.setattr(LaterCheck, "_fault_of", waits)
    yield made
    made.open()


def until(look: Callable[[], object]) -> None:
    for _ in range(600):
        if look():
            return
        time.sleep(0.02)
    pytest.fail("waited in vain")


def damage(folder: Path) -> Callable[[], object]:
    """Flip a bit where no canary looks; returns what mends it."""
    path = max(folder.glob("*.npy"), key=lambda each: each.stat().st_size)
    data = path.read_bytes()
    for place in range(len(data) // 2, len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        try:
            open_index(folder, KEY, later=True)
        except IndexFormatError:
            continue
        return lambda: path.write_bytes(data)
    raise AssertionError("a canary looks everywhere")


def later(folder: Path) -> SmallIndex:
    return SmallIndex(folder, KEY)


def changes(served: Served) -> list[str]:
    lines = map(orjson.loads, served.house.settings.trail_path.read_bytes().splitlines())
    return [line["what"] for line in lines if line["kind"] == "changed"]


def test_a_damaged_index_does_not_start_by_default(folder: Path, tmp_path: Path) -> None:
    damage(folder)
    settings = Settings(index=folder, upstream="http://127.0.0.1:9/v1", state=tmp_path / "s.sqlite")
    assert settings.verify == "before"
    with pytest.raises(IndexFormatError, match="its sha256 is not the manifest's"):
        open_house(settings, {"SLUICEGATE_INDEX_KEY": KEY})


def test_a_whole_index_serves_at_once_and_is_verified_meanwhile(
    folder: Path, tmp_path: Path, gate: Gate
) -> None:
    """Readers of the details see which of the two it is."""
    with serving(later(folder), tmp_path, verify="later") as served:
        served.up.script(Says(Said("Hello.")), Says(Said("Hello.")))
        assert served.ask().status_code == 200
        assert served.house.details()["verified"] is False
        gate.open()
        until(lambda: served.house.details()["verified"])
        assert served.ask().status_code == 200
        assert served.house.faults() == []
        assert changes(served) == []


def test_a_wrong_file_stops_everything_at_once(
    folder: Path, tmp_path: Path, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that runs ends as a fault without another word. Every endpoint answers 503 in OpenAI's form,
    the server is not ready; it is counted once, logged with the file, and in the trail. A stranger still gets
    a 401. Once the file is mended everything is checked, and the server answers again."""
    mend = damage(folder)
    go_on = threading.Event()

    def slow() -> Iterator[bytes | float]:
        yield chunk({"content": "The first sentence is here. "})
        while not go_on.is_set():
            yield 0.02
        yield chunk({"content": "The second one must not leave."}, "stop")
        yield b"data: [DONE]\n\n"

    class Slow(Raw):
        def steps(self, body: object) -> Iterator[bytes | float]:  # type: ignore[override]
            return slow()

    with serving(later(folder), tmp_path, verify="later") as served, caplog.at_level(logging.ERROR):
        served.up.script(Slow(()))
        answers: list[Streamed] = []
        client = threading.Thread(target=lambda: answers.append(served.stream()))
        client.start()
        until(lambda: served.up.received)
        gate.open()
        until(lambda: served.house.faults() == ["index"])
        go_on.set()
        client.join(60)
        (answer,) = answers
        assert answer.error is not None and answer.error["code"] == "guard_fault"
        assert "second" not in answer.text()
        before = len(served.up.received)
        bodies = {
            "/v1/chat/completions": {"model": "m", "messages": QUESTION},
            "/v1/responses": {"model": "m", "input": "?"},
            "/v1/completions": {"model": "m", "prompt": "?"},
            "/v1/embeddings": {"model": "m", "input": "?"},
            "/v1/guard": {"texts": ["?"]},
        }
        headers = served.headers("gateway")
        refused = [served.web.post(path, json=body, headers=headers) for path, body in bodies.items()]
        refused.append(served.web.get("/v1/models", headers=served.headers("public")))
        for each in refused:
            assert each.status_code == 503
            assert each.json()["error"]["code"] == "service_unavailable"
        assert len(served.up.received) == before, "nothing reaches the model"
        assert served.web.get("/v1/models").status_code == 401
        assert served.web.get("/readyz").status_code == 503
        assert served.web.get("/healthz").status_code == 200
        # The check itself, and the answer that ran.
        assert served.metric("sluicegate_faults_total", where="index") == 2
        assert "nothing is answered by it" in caplog.text and ".npy: its sha256" in caplog.text
        assert changes(served)[0] == "index_failed"
        mend()
        until(lambda: served.house.faults() == [])
        served.up.script(Says(Said("Hello.")))
        assert served.ask().status_code == 200
        assert served.web.get("/readyz").status_code == 200
        assert served.house.details()["refused"] is False


def test_a_plain_answer_that_waits_for_the_model_is_stopped_too(
    folder: Path, tmp_path: Path, gate: Gate
) -> None:
    """It was asked for while the index was trusted, and comes when it is not."""
    damage(folder)
    go_on = threading.Event()

    class Slow(Says):
        def steps(self, body: Any) -> Iterator[bytes | float | Fault]:
            while not go_on.is_set():
                yield 0.02
            yield from Says.steps(self, body)

    with serving(later(folder), tmp_path, verify="later") as served:
        served.up.script(Slow(Said("Hello.")))
        answers: list[httpx.Response] = []
        client = threading.Thread(target=lambda: answers.append(served.ask()))
        client.start()
        until(lambda: served.up.received)
        gate.open()
        until(lambda: served.house.firewall.trust.fault)
        go_on.set()
        client.join(60)
        assert answers[0].status_code == 500
        assert answers[0].json()["error"]["code"] == "guard_fault"
        assert "Hello" not in answers[0].text


def test_a_new_policy_does_not_make_a_damaged_index_good(folder: Path, tmp_path: Path, gate: Gate) -> None:
    """The trust in an index goes with the index, also through a reload that was asked for."""
    policy = tmp_path / "policy.yaml"
    text = (policies_folder() / "default.yaml").read_text("utf-8")
    policy.write_text(text, "utf-8")
    damage(folder)
    with serving(later(folder), tmp_path, policy=policy, verify="later") as served:
        reloader = served.house.reloader
        assert reloader is not None
        policy.write_text(text.replace("act: 32", "act: 30"), "utf-8")
        until(lambda: "policy" in changes(served))
        gate.open()
        until(lambda: served.house.faults() == ["index"])
        policy.write_text(text, "utf-8")
        reloader.force()
        until(lambda: changes(served).count("refused") >= 1)
        assert served.house.faults() == ["index"]
        assert served.ask().status_code == 503


def test_an_index_that_is_replaced_while_it_is_checked_raises_no_alarm(
    folder: Path, tmp_path: Path, gate: Gate
) -> None:
    """Its files are gone or another build's; the new one is checked in its place."""
    with serving(later(folder), tmp_path, verify="later") as served:
        first = served.house.check
        assert first is not None
        build_index(documents(TRAINING | MORE), folder, BuildOptions(key=KEY))
        until(lambda: first._end.is_set())
        gate.open()
        until(lambda: served.house.firewall.index.version == read_manifest(folder).version)
        until(lambda: served.house.check is not first and served.house.details()["verified"])
        assert served.house.faults() == []
        assert changes(served) == ["index"]


def test_files_that_are_gone_and_not_replaced_are_a_fault(
    folder: Path, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can say any more whether they were right."""
    monkeypatch.setattr(verifying, "GONE_SECONDS", 0.01)
    failed: list[str] = []
    check = LaterCheck(folder, read_manifest(folder))
    folder.rename(tmp_path / "moved.idx")
    (tmp_path / "moved.idx" / "a0.act.npy").unlink()
    check.start(failed.append)
    gate.open()
    until(lambda: failed)
    assert "cannot be verified: No such file" in failed[0]
    assert check.verified is False
    check.close()


def test_a_moved_folder_is_read_where_it_is_now(folder: Path, tmp_path: Path) -> None:
    """And parts of an addition too; a check that has ended reports nothing."""
    from proxy.index import AddOptions, add_documents

    add_documents(documents(MORE), folder, AddOptions(KEY, {}, 32))
    failed: list[str] = []
    check = LaterCheck(folder, read_manifest(folder))
    folder.rename(tmp_path / "moved.idx")
    check.start(failed.append)
    until(lambda: check.verified)
    check.close()
    assert failed == []


def test_the_check_leaves_the_disk_to_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each chunk it waits as long as its share of the rate asks for, and no file is left out."""
    waited: list[float] = []

    class Recorded(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0.0)
            return self.is_set()

    check = LaterCheck(folder, read_manifest(folder))
    monkeypatch.setattr(check, "_end", Recorded())
    check.start(lambda fault: None, share=4)
    until(lambda: check.verified)
    check.close()
    size = read_manifest(folder).index_bytes
    assert sum(waited) == pytest.approx(4 * size / verifying.BYTES_PER_SECOND)


def test_every_worker_of_a_real_server_stops(folder: Path, tmp_path: Path) -> None:
    """From the command line, with two workers: not ready for strangers, and operators read why."""
    damage(folder)
    with running(
        *("serve", "--index", folder, "--upstream", "http://127.0.0.1:9/v1", "--port", "0"),
        *("--workers", "2", "--metrics-port", "0", "--verify", "later", "--state", tmp_path / "s.sqlite"),
        cwd=tmp_path,
        SLUICEGATE_INDEX_KEY=KEY,
    ) as server:
        url, metrics = url_of(server), url_of(server, "metrics on ")

        def workers() -> list[bool]:
            found = httpx.get(f"{metrics}/readyz", trust_env=False).json()
            return [worker["refused"] for worker in found["workers"]] if found["faults"] == ["index"] else []

        until(lambda: workers() == [True, True])
        for _ in range(6):
            assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 503
        assert "its sha256 is not the manifest's" in server.wait_for("nothing is answered by it")
        assert server.end() == 0
