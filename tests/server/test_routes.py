"""The HTTP surface: which paths there are, who may ask, and how each error looks on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from proxy.policy import policies_folder
from proxy.upstreams.scripted import Raw, Said, Says
from tests.serving import CHAT, QUESTION, Served, serving, write_policy
from tests.training import ADMIN, SmallIndex, shared_units


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A strict policy with a role that gets errors for blocks, and one whose logprobs are stripped."""
    folder = tmp_path_factory.mktemp("routes")
    policy = write_policy(
        folder,
        (policies_folder() / "strict.yaml").read_text("utf-8"),
        ("  public:\n    clearance: [public]\n", "  public:\n    clearance: [public]\n    on_block: error\n"),
        ("clearance: [public, staff]\n", "clearance: [public, staff]\n    logprobs: strip\n"),
    )
    with serving(small_index, folder, policy=policy) as made:
        yield made


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", CHAT),
        ("PUT", CHAT),
        ("POST", CHAT + "/"),
        ("POST", "/v1/models"),
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/images/generations"),
        ("DELETE", "/v1/models/m"),
        ("GET", "/docs"),
        ("GET", "/redoc"),
        ("POST", "/v1/audio/speech"),
        ("GET", "/" + "x" * 5000),
    ],
)
def test_unknown_paths_are_not_passed_on(served: Served, method: str, path: str) -> None:
    """What is not guarded is a 404 in OpenAI's form, with or without a key; the model is not asked."""
    asked = len(served.up.received)
    for headers in ({}, served.headers("staff")):
        answer = served.web.request(method, path, headers=headers, json={} if method != "GET" else None)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "unknown_url"
        assert len(answer.content) < 500
    assert len(served.up.received) == asked


def test_health_and_readiness_need_no_key(served: Served) -> None:
    """A stranger reads whether the server is ready; not which policy or index it has."""
    assert served.web.get("/healthz").json() == {"status": "ok"}
    assert served.web.get("/readyz").json() == {"ready": True}
    assert served.web.head("/healthz").status_code == 200


def test_a_stranger_does_not_read_what_is_wrong(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The details of a fault are for operators."""
    monkeypatch.setattr(served.house, "faults", lambda: ["trail"])
    answer = served.web.get("/readyz", params={"verbose": "1"}, headers=served.headers("admin"))
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    assert served.house.details()["faults"] == ["trail"]


def test_an_operator_reads_what_is_served(served: Served) -> None:
    """Versions of policy and index, the number of allowed texts, and the state."""
    details = served.house.details()
    firewall = served.house.firewall
    assert (details["ready"], details["faults"]) == (True, [])
    assert (details["policy"], details["index"]) == (firewall.policy.version, firewall.index.version)
    assert (details["allowed"], details["refused"], details["state"]) == (0, False, "current")


def test_metrics(served: Served) -> None:
    """The text format, for Prometheus."""
    answer = served.web.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "sluicegate_index_documents 9.0" in answer.text


@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
def test_who_has_no_key_is_asked_for_one(served: Served, path: str) -> None:
    """A 401 comes before anything of the request is looked at, and is counted."""
    labels = {"endpoint": path, "role": "other", "outcome": "unauthorised"}
    before = served.metric("sluicegate_requests_total", **labels)
    method = "POST" if path == CHAT else "GET"
    answer = served.web.request(method, path, content=b"{" if path == CHAT else None)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert served.metric("sluicegate_requests_total", **labels) == before + 1


def test_a_callers_fault_is_counted(served: Served) -> None:
    """A request that makes no sense is refused, under the caller's role."""
    labels = {"endpoint": CHAT, "role": "public", "outcome": "refused"}
    before = served.metric("sluicegate_requests_total", **labels)
    assert served.web.post(CHAT, content=b"{", headers=served.headers("public")).status_code == 400
    assert served.metric("sluicegate_requests_total", **labels) == before + 1


def test_the_list_of_models(served: Served) -> None:
    """Names alone go out: what else the model's server tells of them stays behind."""
    listed = served.web.get("/v1/models", headers=served.headers("public")).json()
    assert listed == {
        "object": "list",
        "data": [{"id": "scripted", "object": "model", "created": 0, "owned_by": "sluicegate"}],
    }


def test_an_answer_names_its_incident(served: Served) -> None:
    """The header is there for whole answers, streams and blocks, and leads to the line in the trail."""
    served.up.script(Says(Said("Hi")), Says(Said("Hi")), Says(Said(ADMIN)))
    answers = [served.ask(), served.ask(stream=True), served.ask()]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    incidents = [answer.headers["x-sluicegate-incident"] for answer in answers]
    assert [line["incident"] for line in served.trail()[-3:]] == incidents
    assert answers[1].headers["content-type"].startswith("text/event-stream")
    assert answers[1].headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("stream", [True, False])
def test_a_block_as_an_error(served: Served, stream: bool) -> None:
    """A role that wants it gets a 400 with ``content_filter`` where nothing was sent; others a refusal."""
    served.up.script(Says(Said(ADMIN)), Says(Said(ADMIN)))
    answer = served.ask(stream=stream)
    incident = answer.headers["x-sluicegate-incident"]
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": f"The answer was withheld by the content policy (incident {incident}).",
        "type": "invalid_request_error",
        "param": None,
        "code": "content_filter",
    }
    assert served.trail()[-1]["outcome"] == "blocked"
    assert served.ask("staff", stream=stream).status_code == 200


def test_logprobs_can_be_stripped(served: Served) -> None:
    """A role for which they are stripped may ask for them; the model is not asked, and none come."""
    whole = Says(Said("Hi")).whole("m")
    spelt = {"content": [{"token": ADMIN, "logprob": 0.0, "bytes": None, "top_logprobs": []}]}
    whole["choices"][0]["logprobs"] = spelt
    served.up.script(Raw([orjson.dumps(whole)], headers={"Content-Type": "application/json"}))
    answer = served.ask("staff", logprobs=True, top_logprobs=3)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["logprobs"] is None
    assert shared_units(ADMIN, answer.text) < 12
    assert served.up.received[-1].body == {"model": "m", "messages": QUESTION}
    refused = served.ask("public", logprobs=True)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "logprobs")


def test_azures_header_will_do(served: Served) -> None:
    """A client that sends its key as Azure's do is let in."""
    served.up.script(Says(Said("Hi")))
    body = {"model": "m", "messages": QUESTION}
    answer = served.web.post(CHAT, json=body, headers={"api-key": served.key("staff")})
    assert answer.json()["choices"][0]["message"]["content"] == "Hi"


def test_no_request_waits_for_another(served: Served) -> None:
    """An answer that is still coming does not keep the server from answering."""
    served.up.script(Says(Said("slow"), delay=0.2), Says(Said("quick")))
    body = {"model": "m", "messages": QUESTION, "stream": True}
    with served.web.stream("POST", CHAT, json=body, headers=served.headers("staff")) as slow:
        assert served.ask("staff").json()["choices"][0]["message"]["content"] == "quick"
        assert b"slow" in slow.read()


def test_metrics_on_another_port_are_not_here(small_index: SmallIndex, tmp_path: Path) -> None:
    """With a port of their own the metrics are no path for clients."""
    with serving(small_index, tmp_path, metrics_port=9) as served:
        assert served.web.get("/metrics").status_code == 404
