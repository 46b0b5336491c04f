"""One request from body to answer: models, limits, places that are given back, streams that begin late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from proxy.policy import policies_folder
from proxy.upstreams.scripted import CUT, Raw, Said, Says
from tests.limits import unlimited
from tests.serving import CHAT, QUESTION, Served, chunk, serving, write_policy
from tests.training import ADMIN, SmallIndex, shared_units


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """public: three requests a minute; staff: one answer at a time; admin: blocks are errors."""
    folder = tmp_path_factory.mktemp("answering")
    policy = write_policy(
        folder,
        unlimited(),
        ("    clearance: [public]\n", "    clearance: [public]\n    requests_per_minute: 3\n"),
        ("    clearance: [public, staff]\n", "    clearance: [public, staff]\n    concurrent: 1\n"),
    )
    with serving(small_index, folder, policy=policy, keep_alive=0.2) as made:
        yield made


def test_requests_a_minute(served: Served) -> None:
    """Each answer tells what is left; the one too many gets 429, when to come again, and is counted."""
    served.up.script(*[Says(Said("Hi"))] * 3)
    answers = [served.ask(stream=stream) for stream in (False, True, False)]
    assert [a.headers["x-ratelimit-remaining-requests"] for a in answers] == ["2", "1", "0"]
    labels = {"endpoint": CHAT, "role": "public", "outcome": "refused"}
    before = served.metric("sluicegate_requests_total", **labels)
    refused = served.ask()
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 21
    assert served.metric("sluicegate_requests_total", **labels) == before + 1
    other = served.house.keys.create("public").secret
    served.up.script(Says(Said("Hi")))
    body = {"model": "m", "messages": QUESTION}
    assert served.web.post(CHAT, json=body, headers={"Authorization": f"Bearer {other}"}).status_code == 200


def test_answers_at_the_same_time(served: Served) -> None:
    """While one answer goes on a second is refused; when it has ended, however, there is a place again."""
    body = {"model": "m", "messages": QUESTION, "stream": True}
    for script in (
        Raw([chunk({"content": "Hi"}), 1.0, chunk({}, "stop")]),
        Raw([chunk({"content": "x"}), CUT]),
    ):
        served.up.script(script)
        with served.web.stream("POST", CHAT, json=body, headers=served.headers("staff")) as going:
            if script.pieces[1] is not CUT:
                refused = served.ask("staff")
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            going.read()
        assert again(served).status_code == 200
    assert served.ask("staff", model=None).status_code == 400
    assert again(served).status_code == 200


def again(served: Served) -> httpx.Response:
    """The next answer to staff; the place of the last one is given back after its last byte."""
    for _ in range(100):
        served.up.script(Says(Said("Hi")))
        answer = served.ask("staff")
        if answer.status_code == 200:
            return answer
        served.up._script.clear()
        time.sleep(0.02)
    return answer


def test_a_caller_who_leaves_gives_its_place_back(served: Served) -> None:
    """A place does not hang on a connection that is gone."""
    body = {"model": "m", "messages": QUESTION, "stream": True}
    served.up.script(Raw([chunk({"content": "Hi"}), 60.0]))
    with served.web.stream("POST", CHAT, json=body, headers=served.headers("staff")) as going:
        next(going.iter_bytes())
    assert again(served).status_code == 200


def test_a_stream_that_is_long_in_coming(served: Served) -> None:
    """After a while the answer begins with comments; what goes wrong then is an event."""
    served.up.script(
        Raw([0.7, chunk({"content": "Hi"}), chunk({}, "stop")]), Raw([0.7, b"data: {oops\n\n"]),
    )  # fmt: skip
    late = served.stream("admin")
    assert late.response.content.startswith(b": keep-alive")
    assert (late.text(), late.finish()) == ("Hi", "stop")
    broken = served.stream("admin")
    assert broken.response.status_code == 200
    assert broken.error is not None
    assert not broken.done


def test_models_of_a_file(small_index: SmallIndex, tmp_path: Path) -> None:
    """A model has its servers, its other name and its roles; any other is not there."""
    models = tmp_path / "models.yaml"
    with serving(small_index, tmp_path) as other:
        models.write_text(
            "version: 1\nmodels:\n  ours:\n    aliases: [theirs]\n    roles: [staff, admin]\n    servers:\n"
            f'      - {{url: "{other.up.url}", model: real, key: THE_KEY}}\n',
            "utf-8",
        )
        folder = tmp_path / "second"
        folder.mkdir()
        with serving(small_index, folder, upstreams=models, environment={"THE_KEY": "sk-x"}) as served:
            other.up.script(Says(Said("Hi")), Says(Said(ADMIN)))
            assert served.ask("staff", model="theirs").status_code == 200
            assert other.up.received[-1].body["model"] == "real"
            assert other.up.received[-1].headers["Authorization"] == "Bearer sk-x"
            assert shared_units(ADMIN, served.ask("staff", model="ours").text) <= 12
            for role, model in (("public", "ours"), ("staff", "else")):
                answer = served.ask(role, model=model)
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
            listed = [
                [
                    each["id"]
                    for each in served.web.get("/v1/models", headers=served.headers(role)).json()["data"]
                ]
                for role in ("public", "staff")
            ]
            assert listed == [[], ["ours", "theirs"]]


@pytest.mark.parametrize("stream", [True, False])
def test_a_block_as_an_error_after_a_late_beginning(
    small_index: SmallIndex, tmp_path: Path, stream: bool
) -> None:
    """A role that wants errors gets an event where the answer had to begin before anything was known."""
    text = (policies_folder() / "strict.yaml").read_text("utf-8")
    change = ("    clearance: [public]\n", "    clearance: [public]\n    on_block: error\n")
    with serving(
        small_index, tmp_path, policy=write_policy(tmp_path, text, change), keep_alive=0.1
    ) as served:
        said = chunk({"content": ADMIN}) if stream else b""
        served.up.script(Raw([0.4, said, chunk({}, "stop")]) if stream else Says(Said(ADMIN)))
        answer = served.ask(stream=stream)
        assert "content_filter" in answer.text
        assert shared_units(ADMIN, answer.text) < 8
        assert answer.status_code == (200 if stream else 400)
        assert served.trail()[-1]["outcome"] == "blocked"
