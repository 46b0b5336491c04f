"""Schemathesis against our own description: whatever is sent, no 500, and answers as they are described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from proxy.server.openapi import document
from proxy.upstreams.scripted import Raw, Said, Says
from tests.serving import Served, serving
from tests.training import SmallIndex

schemathesis = pytest.importorskip("schemathesis")
pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("schema")) as made:
        yield made


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_dict(document())
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("operation", operations(), ids=lambda each: each.path)
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_every_operation(served: Served, operation: Any, mode: str) -> None:
    """The model always answers; what is described is understood, and nothing else breaks anything."""
    served.up._otherwise = Says(Said("Hi"))
    described = set(operation.definition.raw["responses"])
    headers = served.headers("public")

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def run(case: Any) -> None:
        answer = case.call(base_url=served.url, headers=headers)
        assert str(answer.status_code) in described, answer.text
        assert answer.status_code < 500 or answer.status_code == 502, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

    try:
        run()
    except Unsatisfiable:
        assert mode == "NEGATIVE"  # there is nothing that could be wrong


def test_the_model_breaks_every_time(served: Served) -> None:
    """With garbage from the model every endpoint that asks it has a 502."""
    served.up._otherwise = Raw([b"garbage"], headers={"Content-Type": "application/json"})
    for path, body in (
        ("chat/completions", {"messages": [{"role": "user", "content": "?"}]}),
        ("completions", {"prompt": "?"}),
        ("responses", {"input": "?"}),
        ("embeddings", {"input": "?"}),
    ):
        answer = served.web.post(f"/v1/{path}", json={"model": "m"} | body, headers=served.headers("public"))
        assert answer.status_code == 502
