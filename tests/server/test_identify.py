"""Request ids, and headers that are too long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.upstreams.scripted import Said, Says
from tests.serving import Served, serving
from tests.training import SmallIndex


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("identify")) as made:
        yield made


def test_every_answer_has_an_id(served: Served) -> None:
    """Answers, streams and errors name the request; each has another name."""
    served.up.script(Says(Said("Hi")), Says(Said("Hi")))
    answers = [served.ask(), served.ask(stream=True), served.web.get("/nowhere"), served.web.get("/healthz")]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 4
    assert all(each.startswith("req_") for each in ids)


@pytest.mark.parametrize(
    ("given", "kept"), [("job-7.a:b", True), ("x" * 65, False), ("two words", False), ("", False)]
)
def test_a_callers_id_is_kept_where_it_is_one(served: Served, given: str, kept: bool) -> None:
    """An identifier comes back and stands in the trail; anything else is replaced."""
    served.up.script(Says(Said("Hi")))
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    headers = served.headers("public") | {"x-request-id": given}
    answer = served.web.post("/v1/chat/completions", json=body, headers=headers)
    assert (answer.headers["x-request-id"] == given) is kept
    assert served.trail()[-1]["extra"]["request"] == answer.headers["x-request-id"]


def test_headers_that_are_too_long(served: Served) -> None:
    """More than 64 KiB of headers are refused in OpenAI's form, before anything else."""
    asked = len(served.up.received)
    answer = served.web.get("/v1/models", headers={f"x-{n}": "y" * 6000 for n in range(12)})
    assert answer.status_code in (400, 431)
    if answer.status_code == 431:
        assert answer.json()["error"]["code"] == "headers_too_large"
        assert "x-request-id" in answer.headers
    assert len(served.up.received) == asked
