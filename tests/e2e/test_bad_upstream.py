"""A model's server that misbehaves: nothing uncleared on the wire, a clear error, the proxy lives on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from proxy.text import count_units
from proxy.upstreams.scripted import CUT, Raw, Said, Says, Step
from tests.serving import Served, Streamed, chunk, serving
from tests.training import ADMIN, ADMIN_ZH, SmallIndex, shared_units

BUDGET = 12
JSON = {"Content-Type": "application/json"}


def closed_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy, and a limit of 100 kB on requests."""
    with serving(small_index, tmp_path_factory.mktemp("bad"), max_body=100_000) as made:
        yield made


def still_alive(served: Served) -> None:
    """The next request is answered as if nothing had happened."""
    served.up.script(Says(Said("Still here.")))
    assert served.stream().text() == "Still here."


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


def test_no_faults_are_told_of_a_stream_that_went_well(served: Served) -> None:
    """The double's own chunks are read as they should be, or the tests above show nothing."""
    served.up.script(Raw([chunk({"content": "Hi"}), chunk({}, "stop"), b"data: [DONE]\n\n"]))
    answer = Streamed(served.ask(stream=True))
    assert (answer.error, answer.text(), answer.finish(), answer.done) == (None, "Hi", "stop", True)
    assert json.loads(answer.events[0])["choices"][0]["delta"] == {"role": "assistant", "content": "Hi"}
