"""One small index for all tests that need a real one: it is read only."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.training import KEY, SmallIndex, documents

# No test asserts time: a busy machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> SmallIndex:
    """The index of ``tests.training``."""
    from proxy.index import BuildOptions, build_index

    path = tmp_path_factory.mktemp("index") / "small.idx"
    build_index(documents(), path, BuildOptions(key=KEY))
    return SmallIndex(path, KEY)
