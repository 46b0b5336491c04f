"""The key of an index is replaced while a server runs: no restart, no failed request, nothing that leaks."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from proxy.cli import main
from proxy.grams import GramKey
from proxy.index import index_key, open_index, read_manifest
from proxy.keys import KeyStore
from proxy.upstreams.scripted import Said, Says
from tests.cli.running import ROOT, Running, run, running
from tests.cli.test_serve import url_of
from tests.limits import without_limits
from tests.server.test_workers import until
from tests.serving import QUESTION, model_server
from tests.training import ADMIN, STAFF, shared_units

OLD, NEW = "the old key of sixteen characters or more", "the new key of sixteen characters or more"
BUDGET = 12


@dataclass(slots=True)
class Place:
    """A server of two workers in front of a model that recites a secret, and its files."""

    folder: Path
    server: Running
    url: str
    metrics: str
    key: str
    answers: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def index(self) -> Path:
        return self.folder / "x.idx"

    def write_keys(self, *keys: str) -> None:
        """Replace the key file as a whole."""
        fresh = self.folder / "keys" / ".new"
        fresh.touch(0o600)
        fresh.write_text("".join(f"{key}\n" for key in keys))
        fresh.rename(self.folder / "keys" / "index.key")

    def build(self) -> None:
        build(self.folder, SLUICEGATE_INDEX_KEY_FILE=str(self.folder / "keys" / "index.key"))

    def ask(self) -> None:
        """One request; what must not be is noted."""
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"model": "m", "messages": QUESTION}
        answer = httpx.post(
            f"{self.url}/v1/chat/completions", json=body, headers=headers, trust_env=False, timeout=60
        )
        self.answers.append(answer.text)
        if answer.status_code != 200:
            self.wrong.append(f"{answer.status_code}: {answer.text}")
            return
        (choice,) = answer.json()["choices"]
        said = choice["message"]["content"] or ""
        if choice["finish_reason"] != "content_filter" or shared_units(ADMIN, said) > BUDGET:
            self.wrong.append(said)

    def workers(self) -> set[tuple[str, str]]:
        """What each worker serves, and why it refused something."""
        store = KeyStore(self.folder / "state.sqlite")
        found = {(worker.index, worker.fault) for worker in store.workers()}
        store.close()
        return found


def build(folder: Path, **environment: str) -> None:
    done = run("index", "build", "data.jsonl", "--out", "x.idx", "--no-ner", cwd=folder, **environment)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    rows = [{"text": ADMIN, "audience": "admin"}, {"text": STAFF, "audience": "staff"}]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "keys").mkdir(0o700)
    state = str(tmp_path / "state.sqlite")
    assert main(["keys", "create", "--role", "public", "--state", state], {}) == 0
    made = Place(tmp_path, None, "", "", capsys.readouterr().out.strip())  # type: ignore[arg-type]
    made.write_keys(OLD)
    made.build()
    with ExitStack() as stack:
        upstream = stack.enter_context(model_server(Says(Said(f"Well: {ADMIN}"))))
        made.server = stack.enter_context(
            running(
                *("serve", "--index", made.index, "--upstream", upstream, "--port", "0", "--state", state),
                *("--workers", "2", "--metrics-port", "0", "--policy", without_limits(tmp_path)),
                cwd=tmp_path,
                SLUICEGATE_INDEX_KEY_FILE=str(tmp_path / "keys" / "index.key"),
            )
        )
        made.url, made.metrics = url_of(made.server), url_of(made.server, "metrics on ")
        until(lambda: len(pids(state)) == 2)
        yield made


def pids(state: str) -> list[int]:
    """The workers that have reported."""
    store = KeyStore(Path(state))
    found = [worker.pid for worker in store.workers()]
    store.close()
    return found


def in_force(place: Place) -> Callable[[], bool]:
    """Whether both workers serve what is in the folder, and refuse nothing."""
    version = read_manifest(place.index).version
    return lambda: place.workers() == {(version, "")}


def test_a_key_is_replaced_under_load(place: Place) -> None:
    """The steps of docs/rotation.md: both keys, a build, the old key away. After it the index opens with the
    new key alone, everything can be read again, and an index under the old key is refused."""
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            place.ask()

    client = threading.Thread(target=load)
    client.start()
    try:
        old_copy = place.index.with_name("old.idx")
        place.write_keys(NEW, OLD)
        place.build()
        assert read_manifest(place.index).key_id == GramKey(NEW).id
        until(in_force(place))
        place.write_keys(NEW)
        done = run("reload", "--state", "state.sqlite", cwd=place.folder)
        assert done.returncode == 0, done.stderr
        until(in_force(place))
        seen = len(place.answers)
        until(lambda: len(place.answers) > seen + 10)
    finally:
        stop.set()
        client.join(60)
    assert place.wrong == []
    assert open_index(place.index, NEW).manifest.documents == 2
    assert not old_copy.exists()
    for key in (OLD, NEW):
        assert key not in place.server.errors.read_text("utf-8") + place.server.out.read_text("utf-8")
    # Somebody puts an index under the old key in its place.
    before = read_manifest(place.index).version
    build(place.folder, SLUICEGATE_INDEX_KEY=OLD)
    until(lambda: all(index == before and "another key" in fault for index, fault in place.workers()))
    place.ask()
    assert place.wrong == []
    assert place.server.end() == 0


def test_a_key_that_comes_too_late_is_taken_without_a_restart(place: Place) -> None:
    """The index was built elsewhere with a new key before the server's key file has it: refused, the old one
    serves on; with the key it is taken, with no further hint."""
    before = read_manifest(place.index).version
    build(place.folder, SLUICEGATE_INDEX_KEY=NEW)
    until(lambda: all(index == before and "another key" in fault for index, fault in place.workers()))
    place.ask()
    place.write_keys(OLD, NEW)
    until(in_force(place))
    place.ask()
    assert place.wrong == []
    assert place.server.end() == 0


def test_documents_are_added_under_the_key_of_the_index(place: Place) -> None:
    """Between the two steps: the first key is not the index's yet."""
    place.write_keys(NEW, OLD)
    (place.folder / "more.jsonl").write_text(json.dumps({"text": STAFF[::-1], "audience": "staff"}) + "\n")
    done = run(
        *("index", "add", "x.idx", "more.jsonl", "--no-ner"),
        cwd=place.folder,
        SLUICEGATE_INDEX_KEY_FILE=str(place.folder / "keys" / "index.key"),
    )
    assert done.returncode == 0, done.stderr
    assert read_manifest(place.index).key_id == GramKey(OLD).id
    until(in_force(place))
    assert place.server.end() == 0


def test_a_key_beside_the_index_may_hold_two_lines_too(tmp_path: Path) -> None:
    """Without any variable: the build takes the first."""
    (tmp_path / "data.jsonl").write_text(json.dumps({"text": ADMIN, "audience": "admin"}) + "\n")
    build(tmp_path)
    path = tmp_path / "x.idx.key"
    old = path.read_text().strip()
    path.write_text(f"{NEW}\n{old}\n")
    os.chmod(path, 0o600)
    assert run("index", "show", "x.idx", "--verify", cwd=tmp_path).returncode == 0
    build(tmp_path)
    assert open_index(tmp_path / "x.idx", NEW).manifest.documents == 1


def test_the_commands_of_the_guide_do_what_it_says(tmp_path: Path) -> None:
    """As printed: the new key comes first, the file stays private, and the old one goes again."""
    guide = (ROOT / "docs" / "rotation.md").read_text("utf-8")
    (add,) = re.findall(r"```sh\n(\s+umask.*?)```", guide, re.DOTALL)
    (remove,) = re.findall(r"`(sed [^`]+)`", guide)
    path = tmp_path / "index.key"
    path.touch(0o600)
    path.write_text(f"{OLD}\n")
    environment = {"SLUICEGATE_INDEX_KEY_FILE": str(path)}
    subprocess.run(["sh", "-ec", add], cwd=tmp_path, check=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    new, old = path.read_text().splitlines()
    assert (old, len(new)) == (OLD, 64)
    assert index_key(tmp_path / "x.idx", environment, create=True) == new
    subprocess.run(["sh", "-ec", remove], cwd=tmp_path, check=True)
    assert path.read_text() == f"{new}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
