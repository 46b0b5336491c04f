"""A state file that another process keeps locked: streams and new requests go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.keys import KeyStore
from proxy.keys.served import ServedKeyStore
from proxy.keys.sqlite_file import StateFile
from proxy.upstreams.scripted import Said, Says
from tests.keys.test_served import locked, unreadable, until
from tests.serving import CHAT, QUESTION, chunk, serving
from tests.training import SmallIndex


class Paced:
    """A stream whose next piece is sent when the client has got the one before."""

    status = 200
    headers: Mapping[str, str] = {"Content-Type": "text/event-stream"}

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces
        self.next = threading.Semaphore(1)

    def steps(self, body: Mapping[str, Any]) -> Iterator[bytes | float]:
        for number in range(self.pieces):
            while not self.next.acquire(blocking=False):
                yield 0.01
            yield chunk({"content": f"piece {number} "})
        yield chunk({}, "stop") + b"data: [DONE]\n\n"


def test_streams_and_requests_go_on(small_index: SmallIndex, tmp_path: Path) -> None:
    """A report of the worker waited five seconds for the lock, and every request for the report.

    The lock is held until all pieces have come, each of which is sent after a request was answered.
    """
    with serving(small_index, tmp_path, gather=0.0) as served:
        headers = served.headers("public")
        paced = Paced(20)
        served.up.script(paced)
        body = {"model": "m", "messages": QUESTION, "stream": True}
        reloader = served.house.reloader
        assert reloader is not None
        with served.web.stream("POST", CHAT, json=body, headers=headers) as answer:
            lines = answer.iter_lines()
            with locked(served.house.settings.state):
                got = answered = 0
                while got < 20:
                    if "piece" in next(lines):
                        got += 1
                        reloader._reported = None  # the next look reports, and waits for the lock
                        served.up.script(Says(Said("Meanwhile.")))
                        assert served.ask().json()["choices"][0]["message"]["content"] == "Meanwhile."
                        assert served.web.get("/readyz").status_code == 200
                        answered += 1
                        paced.next.release()
                        threading.Event().wait(0.1)
                until(lambda: served.metric("sluicegate_state_up") == 0)
                seen = served.metric("sluicegate_state_seen_timestamp_seconds")
                assert served.ask("public", messages=[]).status_code == 400
            assert answered == 20
        until(lambda: served.metric("sluicegate_state_up") == 1)
        assert served.metric("sluicegate_state_seen_timestamp_seconds") > seen


def test_a_request_waits_for_no_lock(
    small_index: SmallIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No question of a request reaches the file: each would be asked by the thread of the event loop."""
    asked: list[str] = []
    real = StateFile._follow

    def follow(store: StateFile) -> None:
        asked.append(threading.current_thread().name)
        real(store)

    with serving(small_index, tmp_path) as served:
        headers = served.headers("public")
        monkeypatch.setattr(StateFile, "_follow", follow)
        for stream in (True, False):
            served.up.script(Says(Said("Fine.")))
            answer = served.web.post(
                CHAT, json={"model": "m", "messages": QUESTION, "stream": stream}, headers=headers
            )
            assert answer.status_code == 200
        assert served.web.get("/v1/models", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert served.web.get("/readyz").status_code == 200
        until(lambda: "state" in asked)
        monkeypatch.undo()
    assert "serving" not in asked


def test_a_key_revoked_before_the_lock_is_refused_under_it(small_index: SmallIndex, tmp_path: Path) -> None:
    with serving(small_index, tmp_path) as served:
        headers = served.headers("public")
        other = KeyStore(served.house.settings.state)
        other.revoke(other.list()[0].id)
        other.close()
        with locked(served.house.settings.state):
            until(lambda: served.web.get("/v1/models", headers=headers).status_code == 401)


def test_keys_stay_good_while_the_file_is_unreadable_and_no_longer(
    small_index: SmallIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(small_index, tmp_path) as served:
        headers = served.headers("public")
        store = served.house.keys
        assert isinstance(store, ServedKeyStore)
        with unreadable():
            until(lambda: store.stale_seconds > 0)
            assert served.web.get("/v1/models", headers=headers).status_code == 200
            assert served.house.details()["state"] == "last known"
            store._limit = 0.0
            answer = served.web.get("/v1/models", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "proxy_fault")
            assert served.web.get("/readyz").json() == {"ready": False}
            assert served.house.details()["faults"] == ["state"]
            store._limit = 30.0
        until(lambda: store.stale_seconds == 0)
        assert served.web.get("/v1/models", headers=headers).status_code == 200
