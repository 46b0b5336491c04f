"""The description of the endpoints: whole, and true of the app."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.dialects import DIALECTS
from proxy.server.guard_routes import GUARD_PATHS
from proxy.server.openapi import document
from tests.serving import Served, serving
from tests.training import SmallIndex


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("openapi")) as made:
        yield made


def test_every_endpoint_is_described() -> None:
    """All paths of the API stand there, and no other."""
    assert set(document()["paths"]) == {*(f"/v1{path}" for path in DIALECTS), *GUARD_PATHS, "/v1/models"}


def test_it_is_served(served: Served) -> None:
    """Without a key: it holds nothing of the house."""
    answer = served.web.get("/openapi.json")
    assert answer.json() == document()
    assert str(served.house.settings.index) not in answer.text
