"""proxy/recognizers/crew.py: one process or several, the same answers, in the same order."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest

from proxy.errors import ConfigError
from proxy.recognizers.crew import Crew, Readers
from proxy.recognizers.presidio import Hit

TEXTS = [f"c{n}@example.com {'word ' * 8000}" for n in range(5)]


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew(2, ner=False)
    yield crew
    crew.close()


def test_several_processes_keep_the_order(crew: Crew) -> None:
    """Each text has its own hits, whoever read it."""
    assert crew.patterns(TEXTS) == Crew(1, ner=False).patterns(TEXTS)
    assert crew.patterns([]) == []
    assert crew.names(["Ann Example"]) == [[]]


@pytest.mark.parametrize("_turn", range(3))
def test_a_worker_that_dies_is_a_clear_error(crew: Crew, _turn: int) -> None:
    """As when the system takes its memory away; afterwards no process is left."""
    crew.patterns(["start"])
    assert crew._pool is not None
    for process in list((crew._pool._processes or {}).values()):
        os.kill(process.pid or 0, signal.SIGKILL)
    with pytest.raises(ConfigError, match=r"a worker process ended by itself.*fewer --workers"):
        for _ in range(100):
            crew.patterns(TEXTS)
    crew.close()
    assert multiprocessing.active_children() == []


def test_readers_open_what_they_need_when_they_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns need no network, and a fault of the models shows before any text is read."""

    def refuse(**_: object) -> None:
        raise ConfigError("models are missing")

    monkeypatch.setattr("proxy.recognizers.crew.open_recognizers", refuse)
    assert Readers(True, 1, False).patterns(["ann@example.com"]) == [[Hit("email", 0, 15)]]
    with pytest.raises(ConfigError, match="models are missing"):
        Crew(1, ner=True)
