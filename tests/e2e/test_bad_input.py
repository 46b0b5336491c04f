"""What goes wrong goes wrong safely: nothing uncleared on the wire, a clear error, the server lives on."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import orjson
import pytest

from proxy.cli import main
from proxy.policy import policies_folder
from proxy.text import count_units
from proxy.upstreams.scripted import CUT, STALL, Raw, Said, Says, Step
from tests.serving import CHAT, QUESTION, Served, Streamed, chunk, serving, write_policy
from tests.training import ADMIN, ADMIN_ZH, KEY, SmallIndex, shared_units

BUDGET = 12
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy, and a limit of 100 kB on requests."""
    with serving(small_index, tmp_path_factory.mktemp("bad"), max_body=100_000) as made:
        yield made


def still_alive(served: Served) -> None:
    """The next request is answered as if nothing had happened."""
    served.up.script(Says(Said("Still here.")))
    assert served.stream().text() == "Still here."


def wait_for(condition: Callable[[], bool]) -> None:
    """Until something has happened in the server's thread; a test that waits in vain fails."""
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it has not happened within ten seconds")


# --- the model's server ---------------------------------------------------------------------------


def closed_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_the_upstream_is_down(small_index: SmallIndex, tmp_path: Path) -> None:
    """The proxy starts and is healthy; an answer is a 502 in OpenAI's form, under its incident."""
    with serving(small_index, tmp_path, upstream=f"http://127.0.0.1:{closed_port()}/v1") as served:
        assert served.web.get("/healthz").json() == {"status": "ok"}
        for stream in (False, True):
            answer = served.ask(stream=stream)
            assert answer.status_code == 502
            error = answer.json()["error"]
            assert error["message"] == "The model server cannot be reached."
            assert (error["type"], error["code"]) == ("upstream_error", "upstream_error")
            assert served.trail()[-1]["outcome"] == "upstream_error"
            assert served.trail()[-1]["incident"] == answer.headers["x-sluicegate-incident"]
        models = served.web.get("/v1/models", headers=served.headers("public"))
        assert models.status_code == 502
        labels = {"role": "public", "outcome": "upstream_error"}
        count = "sluicegate_requests_total"
        assert served.metric(count, endpoint="/v1/chat/completions", **labels) == 2
        assert served.metric(count, endpoint="/v1/models", **labels) == 1


@pytest.mark.parametrize("begun", [ADMIN[:8], ADMIN[:16], ADMIN[:37], ADMIN_ZH[:7], ADMIN_ZH[:15]])
def test_the_upstream_dies_in_the_middle(served: Served, begun: str) -> None:
    """The connection breaks while text is held: what is held is not sent, and an error event says so."""
    served.up.script(Raw([chunk({"content": "Well: "}), chunk({"content": begun}), CUT]))
    streamed = served.stream()
    assert streamed.error == {
        "message": "The model server broke off its answer.",
        "type": "upstream_error",
        "param": None,
        "code": "upstream_error",
    }
    assert not streamed.done
    assert streamed.finish() is None
    assert streamed.text().startswith("Well: ")
    assert count_units(streamed.text().removeprefix("Well: ")) <= BUDGET
    assert served.trail()[-1]["outcome"] == "upstream_error"
    still_alive(served)


GARBAGE: dict[str, Sequence[Step]] = {
    "not JSON": [b"data: {oops\n\n"],
    "not an object": [b"data: [1, 2]\n\n"],
    "an error": [b'data: {"error": {"message": "' + ADMIN.encode() + b'"}}\n\n'],
    "a choice that is a number": [b'data: {"choices": [7]}\n\n'],
    "choices that are text": [b'data: {"choices": "' + ADMIN.encode() + b'"}\n\n'],
    "a choice not asked for": [b'data: {"choices": [{"index": 5, "delta": {"content": "x"}}]}\n\n'],
    "content that is a number": [chunk({"content": 5})],
    "a tool call without a number": [chunk({"tool_calls": [{"index": -1, "function": {"name": "f"}}]})],
    "not UTF-8": [b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n'],
    "half a character": [chunk({"content": "中"}).replace("中".encode(), "中".encode()[:2])],
    "half a surrogate pair": [b'data: {"choices": [{"delta": {"content": "\\ud83d"}}]}\n\n'],
    "a cut event": [chunk({"content": "x"})[:-20]],
}


@pytest.mark.parametrize("pieces", GARBAGE.values(), ids=GARBAGE.keys())
def test_chunks_that_cannot_be_read(served: Served, pieces: Sequence[Step]) -> None:
    """A chunk of another shape ends the answer with an error event in our words; held text stays behind."""
    served.up.script(Raw([chunk({"content": "Well: " + ADMIN[:30]}), *pieces, chunk({"content": "after"})]))
    streamed = served.stream()
    assert streamed.error is not None
    assert streamed.error["code"] == "upstream_error"
    assert not streamed.done
    assert "after" not in streamed.text()
    assert shared_units(ADMIN, streamed.response.text) <= BUDGET
    still_alive(served)


def test_a_character_cut_in_two_is_put_together(served: Served) -> None:
    """A Chinese character whose bytes come in three packets is read as one."""
    whole = chunk({"content": "中文"})
    at = whole.index("中".encode())
    served.up.script(
        Raw([whole[: at + 1], 0.05, whole[at + 1 : at + 2], 0.05, whole[at + 2 :], chunk({}, "stop")])
    )
    streamed = served.stream()
    assert (streamed.text(), streamed.finish(), streamed.done) == ("中文", "stop", True)


def test_a_chunk_of_ten_megabytes(served: Served) -> None:
    """One line of 10 MB is read, what no guard reads of it is dropped, and the secret in it is stopped."""
    padding = {"timings": {"note": ADMIN + "x" * 10_000_000}}
    served.up.script(
        Raw([chunk({"content": "Hi"}, **padding), chunk({}, "stop")]),
        Raw([chunk({"content": "a b " * 20_000 + ADMIN}, **padding), chunk({}, "stop")]),
    )
    streamed = served.stream()
    assert (streamed.text(), streamed.finish()) == ("Hi", "stop")
    assert len(streamed.response.content) < 2000
    streamed = served.stream()
    assert streamed.finish() == "content_filter"
    assert streamed.text().startswith("a b " * 20_000)
    assert shared_units(ADMIN, streamed.text()[80_000:]) <= BUDGET


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b'{"choices": 5}',
        b"{}",
        b'{"choices": [{"index": 0, "message": 5}]}',
        b'{"choices": [{"index": 0, "message": {"content": {"text": "' + ADMIN.encode() + b'"}}}]}',
        b'{"choices": [{"index": 0, "message": {"content": "' + ADMIN.encode() + b'"}}',
        b'{"choices": [{"index": 1, "message": {"content": "' + ADMIN.encode() + b'"}}]}',
    ],
    ids=["empty", "no JSON", "choices", "nothing", "message", "content", "cut", "index"],
)
def test_whole_answers_that_cannot_be_read(served: Served, body: bytes) -> None:
    """A body of another shape is a 502 in our words, without a word of it."""
    served.up.script(Raw([body], headers=JSON))
    answer = served.ask()
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_error"
    assert shared_units(ADMIN, answer.text) < BUDGET
    still_alive(served)


@pytest.mark.parametrize(("given", "told"), [(400, 400), (401, 502), (404, 404), (429, 429), (500, 502)])
def test_errors_of_the_upstream_are_told_in_our_words(served: Served, given: int, told: int) -> None:
    """Its status is passed on where it helps the caller; its words, which may hold anything, never are."""
    said = orjson.dumps({"error": {"message": ADMIN, "type": ADMIN, "code": ADMIN}})
    headers = JSON | {"Retry-After": "7"}
    served.up.script(Raw([said], status=given, headers=headers), Raw([said], status=given, headers=headers))
    for answer in (served.ask(), served.ask(stream=True)):
        assert answer.status_code == told
        assert shared_units(ADMIN, answer.text) < BUDGET
        assert answer.headers.get("retry-after") == ("7" if given in (400, 404, 429) else None)


@pytest.mark.parametrize("done", [True, False])
def test_an_answer_without_a_finish_is_flushed(served: Served, done: bool) -> None:
    """Where the upstream ends without a finish reason or ``[DONE]``, the held tail still comes, judged."""
    tail = ADMIN[:25]  # held as the beginning of a secret, and too short to be one
    served.up.script(Says(Said(f"Well, {tail}", finish=None), done=done))
    streamed = served.stream()
    assert streamed.text() == f"Well, {tail}"
    assert streamed.done
    assert served.trail()[-1]["outcome"] == "passed"
    served.up.script(Says(Said(f"Well, {ADMIN}", finish=None), done=done))
    streamed = served.stream()
    assert streamed.finish() == "content_filter"
    assert streamed.done


def test_text_after_the_finish_stays_behind(served: Served) -> None:
    """What a server still says on a choice that has finished or was blocked reaches nobody."""
    served.up.script(
        Raw([chunk({"content": "Hi"}), chunk({}, "stop"), chunk({"content": ADMIN}), b"data: [DONE]\n\n"]),
        Raw([chunk({"content": ADMIN}), chunk({"content": "and on"}, "stop"), b"data: [DONE]\n\n"]),
    )
    streamed = served.stream()
    assert (streamed.text(), streamed.finish()) == ("Hi", "stop")
    streamed = served.stream()
    assert streamed.finish() == "content_filter"
    assert "and on" not in streamed.text()


# --- the caller -----------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
def test_a_request_that_is_too_large(served: Served, announced: bool) -> None:
    """A body above the limit is a 413, whether its length is announced or it comes in pieces."""
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 110_000}]})
    pieces = (body[at : at + 10_000] for at in range(0, len(body), 10_000))
    asked = len(served.up.received)
    answer = served.web.post(CHAT, content=body if announced else pieces, headers=served.headers("public"))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"
    assert len(served.up.received) == asked
    still_alive(served)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b'{"model": "m"}',
        b'{"messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "m", "messages": []}',
        b'{"model": "m", "messages": [5]}',
        b'{"model": "m", "messages": [{"role": "user", "content": 5}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 0}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 1e9}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}',
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
        b"[" * 5000,
    ],
    ids=range(17),
)
def test_requests_that_make_no_sense(served: Served, body: bytes) -> None:
    """Malformed requests are a 400 in OpenAI's form, and the model is not asked."""
    asked = len(served.up.received)
    answer = served.web.post(CHAT, content=body, headers=served.headers("public"))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert len(served.up.received) == asked


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
def test_a_caller_who_leaves_before_the_answer(served: Served, stream: bool) -> None:
    """Nobody waits for the answer any more: the model's server is told by the closed connection."""
    served.up.script(Raw([STALL], headers=JSON if not stream else {"Content-Type": "text/event-stream"}))
    asked = len(served.up.received)
    body = {"model": "m", "messages": QUESTION, "stream": stream}
    with pytest.raises(httpx.ReadTimeout):
        served.web.post(
            CHAT, json=body, headers=served.headers("public"), timeout=httpx.Timeout(10, read=0.3)
        )
    wait_for(lambda: len(served.up.received) > asked and served.up.received[asked].left.is_set())
    wait_for(lambda: served.trail()[-1]["outcome"] == "cancelled")
    still_alive(served)


def test_a_caller_who_leaves_in_the_middle(served: Served) -> None:
    """When a caller closes a stream, the upstream's connection is closed and the decision is recorded."""
    served.up.script(Raw([chunk({"content": "Well: " + ADMIN[:40]}), STALL]))
    body = {"model": "m", "messages": QUESTION, "stream": True}
    with served.web.stream("POST", CHAT, json=body, headers=served.headers("public")) as response:
        first = next(response.iter_raw())
    assert shared_units(ADMIN, first.decode()) <= BUDGET
    wait_for(served.up.received[-1].left.is_set)
    wait_for(lambda: served.trail()[-1]["outcome"] in ("cancelled", "blocked"))
    assert served.metric("sluicegate_in_flight_streams") == 0
    still_alive(served)


# --- our own parts --------------------------------------------------------------------------------


def test_a_hold_that_reaches_its_ceiling(small_index: SmallIndex, tmp_path: Path) -> None:
    """Where more would have to be held than the role may, the answer is blocked by rule hold-exceeded."""
    policy = write_policy(
        tmp_path,
        (policies_folder() / "default.yaml").read_text("utf-8"),
        ("    clearance: [public]\n", "    clearance: [public]\n    hold: 320\n"),
    )
    with serving(small_index, tmp_path, policy=policy) as served:
        served.up.script(Says(Said("Well: " + ADMIN[:30] + " " * 2000 + "x")))
        streamed = served.stream()
        assert streamed.finish() == "content_filter"
        assert [v["rule"] for v in served.trail()[-1]["verdicts"]] == ["hold-exceeded"]
        assert shared_units(ADMIN, streamed.text()) <= BUDGET


def test_a_key_whose_role_is_gone(served: Served) -> None:
    """A key of a role that the policy no longer has lets nobody in, and is counted as the policy's fault."""
    served.house.keys.create("ghost", "a stale key")
    key = served.key("ghost")
    asked = len(served.up.received)
    assert served.ask("ghost").status_code == 500
    assert key not in served.web.get("/metrics").text
    assert served.metric("sluicegate_faults_total", where="policy") >= 1
    assert len(served.up.received) == asked


# --- what keeps it from starting ------------------------------------------------------------------


def refused(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path, *more: str, key: str = KEY
) -> str:
    """What ``serve`` says when it does not start; a traceback would be an exception here."""
    arguments = ["serve", "--index", str(index), "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]
    state = ["--state", str(tmp_path / "state.sqlite")]
    assert main([*arguments, *state, *more], {"SLUICEGATE_INDEX_KEY": key}) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("sluicegate: ")
    assert KEY not in told.err
    return told.err


@pytest.fixture
def copied(small_index: SmallIndex, tmp_path: Path) -> Path:
    """An index of its own, to be spoilt."""
    return Path(shutil.copytree(small_index.path, tmp_path / "copy.idx"))


def test_no_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing index is said, with the command that makes one."""
    told = refused(capsys, tmp_path / "none.idx", tmp_path)
    assert "there is no index here; build one with `sluicegate index build`" in told


def test_an_index_that_is_not_whole(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file that is missing or cut short is named, all at once."""
    files = sorted(copied.glob("*.npy"))
    assert len(files) > 20
    missing, cut, *rest = files
    size = cut.stat().st_size
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    told = refused(capsys, copied, tmp_path)
    assert f"{missing}: is missing" in told
    assert f"{cut}: has {size - 1} bytes instead of {size}" in told
    for path in rest:
        path.write_bytes(b"")
    assert refused(capsys, copied, tmp_path).count("sluicegate: ") == len(files)


def test_a_wrong_or_short_key(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key of another index is recognised as such, and no key is repeated."""
    told = refused(capsys, small_index.path, tmp_path, key="another key, long enough")
    assert "was built with another key" in told
    assert "another key, long" not in told
    assert "16 or more are needed" in refused(capsys, small_index.path, tmp_path, key="short")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: [", "not valid YAML"),
        ("", "the file is empty"),
        ("version: 1\nrules: []\n", "is missing"),
        ("version: 1\nroels: {}\n", 'did you mean "roles"?'),
    ],
    ids=["malformed", "empty", "incomplete", "unknown key"],
)
def test_a_policy_that_cannot_be_used(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """Every fault of a policy is said with its place, before anything is served."""
    path = tmp_path / "policy.yaml"
    path.write_text(text, "utf-8")
    told = refused(capsys, small_index.path, tmp_path, "--policy", str(path))
    assert said in told
    assert str(path) in told


def test_an_upstream_that_is_no_address(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL with a password in it is refused without repeating the password."""
    told = refused(capsys, small_index.path, tmp_path, "--upstream", "http://me:hunter2@127.0.0.1/v1")
    assert "SLUICEGATE_UPSTREAM_KEY" in told
    assert "hunter2" not in told


def test_a_port_that_is_taken(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two servers cannot have one port: the second says so and does not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = refused(capsys, small_index.path, tmp_path, "--port", port)
        assert f"--port: cannot listen on 127.0.0.1:{port}: Address already in use" in told
        told = refused(capsys, small_index.path, tmp_path, "--metrics-port", port)
        assert f"--metrics-port {port}: cannot listen on 127.0.0.1: Address already in use" in told


def test_no_faults_are_told_of_a_stream_that_went_well(served: Served) -> None:
    """The double's own chunks are read as they should be, or the tests above show nothing."""
    served.up.script(Raw([chunk({"content": "Hi"}), chunk({}, "stop"), b"data: [DONE]\n\n"]))
    answer = Streamed(served.ask(stream=True))
    assert (answer.error, answer.text(), answer.finish(), answer.done) == (None, "Hi", "stop", True)
    assert json.loads(answer.events[0])["choices"][0]["delta"] == {"role": "assistant", "content": "Hi"}
