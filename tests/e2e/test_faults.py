"""What can go wrong in the proxy: nothing uncleared leaves, the error is clear, it is counted, nothing is
left over, and the process lives.

The model's server: ``test_faults_upstream.py``; callers, the end of the process: ``test_faults_caller.py``.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.errors import ConfigError
from proxy.index import BuildOptions, build_index
from proxy.types import Finding, Scan, Scanner, Span, View
from proxy.upstreams.scripted import Said, Says, Step
from tests.e2e.faults import (
    BUDGET,
    CLEAN,
    ENDPOINTS,
    SAYS,
    ask,
    check,
    endpoints,
    events,
    nothing_is_left_over,
    reply_of,
    told,
)
from tests.e2e.replies import asked
from tests.e2e.surface import PLACES
from tests.limits import unlimited
from tests.serving import CHAT, QUESTION, Served, serving, write_policy
from tests.training import ADMIN, TRAINING, SmallIndex, documents, shared_units

DEFAULT = unlimited()
LATER = "The courier for the northern depots leaves from gate seven, and asks for the word of the week first."
"""A text that the first index does not know."""


class Waits:
    """An answer that stands still in its middle until it is told to go on."""

    status = 200
    headers: Mapping[str, str] = {"Content-Type": "text/event-stream"}

    def __init__(self, pieces: Sequence[bytes], before: int) -> None:
        self.pieces, self.before = pieces, before
        self.go_on = threading.Event()

    def steps(self, body: Mapping[str, Any]) -> Iterator[Step]:
        yield from self.pieces[: self.before]
        while not self.go_on.is_set():
            yield 0.02
        yield from self.pieces[self.before :]


@contextmanager
def in_the_middle(served: Served, endpoint: str, text: str = SAYS) -> Iterator[list[bytes]]:
    """A streamed answer of which some has come; what is in the list after the block is all of it."""
    reply = Waits(events(endpoint, text), before=5)
    served.up.script(reply)
    body = asked(endpoint, PLACES[endpoint][ENDPOINTS[endpoint]], 1, True)
    got: list[bytes] = []
    try:
        with served.web.stream(
            "POST", f"/v1{endpoint}", json=body, headers=served.headers("public")
        ) as answer:
            assert answer.status_code == 200
            parts = answer.iter_bytes()
            got.append(next(parts))
            yield got
            reply.go_on.set()
            got += parts
    finally:
        reply.go_on.set()


def until(condition: Callable[[], bool]) -> None:
    """Until something has happened in the server's thread; a test that waits in vain fails."""
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it has not happened within ten seconds")


def guarded(served: Served, endpoint: str, text: str = SAYS) -> None:
    """A secret is stopped, streamed and whole, and what is none is not."""
    for stream in (True, False):
        served.up.script(reply_of(endpoint, text, stream), reply_of(endpoint, CLEAN, stream))
        answer = ask(served, endpoint, stream)
        check(answer)
        assert "content_filter" in answer.text
        assert "content_filter" not in ask(served, endpoint, stream).text


def reload(served: Served) -> int:
    """The operator's command."""
    return main(["reload", "--state", str(served.house.settings.state)], {})


# --- what is new is broken -------------------------------------------------------------------------


def damage(what: str, policy: Path, index: Path) -> None:
    if what == "a rule that nobody knows":
        policy.write_text(DEFAULT + "nonsense: 1\n", "utf-8")
    elif what == "half a policy":
        policy.write_text(DEFAULT[: len(DEFAULT) // 2] + "\n  - {", "utf-8")
    elif what == "a policy that is no text":
        policy.write_bytes(b"\xff\xfe\x00")
    elif what == "no policy":
        policy.unlink()
    elif what == "half an index":  # other files under the same names, as a copy makes them
        shutil.copytree(index, index.with_name("half"))
        shutil.rmtree(index)
        (index.with_name("half") / "a0.act.npy").write_bytes(b"")
        index.with_name("half").rename(index)
    else:
        shutil.rmtree(index)


@pytest.mark.parametrize(
    ("what", "part", "endpoint"),
    [
        ("a rule that nobody knows", "policy", "/chat/completions"),
        ("half a policy", "policy", "/responses"),
        ("a policy that is no text", "policy", "/completions"),
        ("no policy", "policy", "/chat/completions"),
        ("half an index", "index", "/responses"),
        ("no index", "index", "/completions"),
    ],
)
def test_what_is_broken_is_not_taken_up(
    small_index: SmallIndex,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    part: str,
    endpoint: str,
) -> None:
    """While an answer is on its way policy or index are broken, and a reload is asked for: it is refused,
    with the file in the error, and counted; that answer and those after it are guarded as before."""
    policy = write_policy(tmp_path, DEFAULT)
    index = SmallIndex(tmp_path / "copy.idx", small_index.key)
    shutil.copytree(small_index.path, index.path)
    refused = {"result": "refused", "what": part}
    with serving(index, tmp_path, policy=policy) as served:
        before = served.house.details()
        assert before["refused"] is False
        with in_the_middle(served, endpoint) as got:
            damage(what, policy, index.path)
            assert reload(served) == 2
            said = capsys.readouterr().err
            assert "refused what is new and serves what it had" in said
            assert str(policy if part == "policy" else index.path) in said
            assert served.metric("sluicegate_reloads_total", **refused) == 1
            assert served.house.details() == before | {"refused": True}
        stopped = b"".join(got)
        assert b"content_filter" in stopped
        assert shared_units(ADMIN, told(stopped)) <= BUDGET
        guarded(served, endpoint)
        assert served.web.get("/readyz").status_code == 200
        policy.write_text(DEFAULT.replace("act: 32", "act: 30"), "utf-8")
        shutil.rmtree(index.path, ignore_errors=True)
        shutil.copytree(small_index.path, index.path)
        assert reload(served) == 0
        after = served.house.details()
        assert (after["refused"], after["policy"] != before["policy"]) == (False, True)
        guarded(served, endpoint)
        nothing_is_left_over(served)


def test_another_index_is_put_in_its_place(small_index: SmallIndex, tmp_path: Path) -> None:
    """An answer goes on with the index it began with; the next one is held against the new one."""
    index = SmallIndex(tmp_path / "copy.idx", small_index.key)
    shutil.copytree(small_index.path, index.path)
    with serving(index, tmp_path) as served:
        with in_the_middle(served, "/chat/completions") as got:
            training = TRAINING | {"admin": [], "staff": [LATER]}
            build_index(documents(training), index.path, BuildOptions(key=index.key))
            assert reload(served) == 0
            guarded(served, "/chat/completions", LATER)
            served.up.script(Says(Said(SAYS)))
            assert served.stream().text() == SAYS
        assert b"content_filter" in b"".join(got)
        assert shared_units(ADMIN, told(b"".join(got))) <= BUDGET
        assert served.metric("sluicegate_reloads_total", result="taken", what="index") == 1
        nothing_is_left_over(served)


def test_the_index_is_deleted_while_serving(small_index: SmallIndex, tmp_path: Path) -> None:
    """What is open stays open: the same is stopped as before."""
    copy = SmallIndex(tmp_path / "copy.idx", small_index.key)
    shutil.copytree(small_index.path, copy.path)
    with serving(copy, tmp_path) as other:
        shutil.rmtree(copy.path)
        for stream in (True, False):
            other.up.script(Says(Said(SAYS)))
            answer = ask(other, "/chat/completions", stream)
            check(answer)
            assert "content_filter" in answer.text
        nothing_is_left_over(other)


# --- a part of ours fails --------------------------------------------------------------------------


class Broken:
    """A detector whose scanners go wrong after some characters, and who say what must not be said."""

    name = "broken"

    def __init__(self, how: str) -> None:
        self.how = how

    def scanner(self, view: View) -> Scanner:
        return _BrokenScanner(self.how)


class _BrokenScanner:
    def __init__(self, how: str) -> None:
        self.how, self.position = how, 0

    def feed(self, piece: str) -> Scan:
        start, self.position = self.position, self.position + len(piece)
        settled = list(range(start + 1, self.position + 1))
        if self.position < 20:
            return Scan((), settled)
        if self.how == "feed":
            raise RuntimeError(piece)
        if self.how == "late":
            return Scan([Finding("broken", "x", Span(0, self.position), self.position - 1)], settled)
        return Scan((), settled)

    def finish(self) -> Sequence[Finding]:
        if self.how == "finish":
            raise RuntimeError("at the end")
        return ()


@pytest.mark.parametrize(
    ("how", "where"), [("feed", "scanner"), ("finish", "scanner"), ("late", "late-finding")]
)
def test_a_scanner_that_fails(
    small_index: SmallIndex, tmp_path: Path, capfd: pytest.CaptureFixture[str], how: str, where: str
) -> None:
    """The answer stops with an error event (a 500 where it is whole), is counted, and says nothing more."""
    redact = write_policy(
        tmp_path,
        unlimited(),
        ("rules:\n", 'rules:\n  - {id: all, finding: ["*/*", "*/x"], action: redact, roles: [staff]}\n'),
    )
    said = "Twenty characters go out before. " + ADMIN
    with serving(small_index, tmp_path, policy=redact) as served:
        firewall = served.house.firewall
        served.house.firewall = replace(firewall, detectors=(*firewall.detectors, Broken(how)))
        served.up.script(Says(Said(said)), Says(Said(said)))
        streamed = served.stream("staff")
        assert streamed.error is not None
        assert streamed.error["code"] == "guard_fault"
        assert not streamed.done
        assert said.startswith(streamed.text().removesuffix("[REDACTED]"))
        assert shared_units(ADMIN, streamed.text()) <= BUDGET
        assert streamed.finish() is None
        whole = served.ask("staff")
        assert (whole.status_code, whole.json()["error"]["code"]) == (500, "guard_fault")
        assert served.metric("sluicegate_faults_total", where=where) == 2
        assert [line["outcome"] for line in served.trail()] == ["fault", "fault"]
        assert [line["extra"]["fault"] for line in served.trail()] == [where, where]
        served.house.firewall = firewall
        nothing_is_left_over(served)
    logged = capfd.readouterr()
    assert shared_units(ADMIN, logged.out + logged.err) <= BUDGET


# --- what keys and decisions are kept in -----------------------------------------------------------


def test_a_trail_that_cannot_be_written(small_index: SmallIndex, tmp_path: Path) -> None:
    """What cannot be recorded does not even reach the model: 500, a count, not ready, and life."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with serving(small_index, tmp_path, trail=full) as served:
        served.up.script(Says(Said("Hi")), Says(Said("Hi")), Says(Said(ADMIN)))
        whole = served.ask()
        assert (whole.status_code, whole.json()["error"]["code"]) == (500, "guard_fault")
        for _ in range(2):
            answer = served.ask(stream=True)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "guard_fault")
        assert served.up.received == []
        assert served.metric("sluicegate_faults_total", where="trail") == 3
        assert served.house.details()["faults"] == ["trail"]
        assert served.web.get("/healthz").status_code == 200


def test_a_state_file_that_is_gone(small_index: SmallIndex, tmp_path: Path) -> None:
    """Nobody is let in while the keys cannot be read; it is said, and a restored file lets them in again."""
    with serving(small_index, tmp_path) as served:
        headers = served.headers("public")
        state = served.house.settings.state
        moved = tmp_path / "moved"
        state.rename(moved)
        told = served.house.details()
        assert (told["ready"], told["faults"]) == (False, ["state"])
        until(lambda: served.ask().status_code == 500)
        answer = served.web.post(CHAT, json={"model": "m", "messages": QUESTION}, headers=headers)
        assert answer.json()["error"] == {
            "message": "The proxy cannot answer now; its operator has to act.",
            "type": "server_error",
            "param": None,
            "code": "proxy_fault",
        }
        assert served.metric("sluicegate_faults_total", where="keys") >= 1
        shutil.copy(moved, state)
        assert served.web.get("/readyz").status_code == 200
        nothing_is_left_over(served)


@endpoints
def test_the_state_is_locked(small_index: SmallIndex, tmp_path: Path, endpoint: str) -> None:
    """While another process holds the state callers who are known are answered, and guarded as ever."""
    with serving(small_index, tmp_path) as served:
        served.headers("public")
        guarded(served, endpoint)
        lock = sqlite3.connect(served.house.settings.state)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            with in_the_middle(served, endpoint) as got:
                guarded(served, endpoint)
            assert shared_units(ADMIN, told(b"".join(got))) <= BUDGET
            assert served.web.get("/healthz").status_code == 200
        finally:
            lock.rollback()
            lock.close()
        nothing_is_left_over(served)


def test_the_state_is_full(small_index: SmallIndex, tmp_path: Path) -> None:
    """No more keys can be made, which is said; callers who are known are answered, and guarded as ever."""
    with serving(small_index, tmp_path) as served:
        served.headers("public")
        keys: Any = served.house.keys
        keys._db.execute("PRAGMA max_page_count = 1")  # as many as there are
        with pytest.raises(ConfigError, match=r"state.sqlite: the state file cannot be used: .* full"):
            for number in range(2000):
                served.house.keys.create("public", f"{number:090}")
        for endpoint in ENDPOINTS:
            guarded(served, endpoint)
        assert served.web.get("/readyz").status_code == 200
        keys._db.execute("PRAGMA max_page_count = 100000")
        served.house.keys.create("public")
        nothing_is_left_over(served)
