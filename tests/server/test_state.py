"""What a worker holds: what is recorded is counted, and what cannot be recorded stops the answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from proxy.dialects import DIALECTS
from proxy.errors import ConfigError
from proxy.server.app import open_house
from proxy.server.firewall import AnswerGuards
from proxy.server.relay import Exchange, GuardFault
from proxy.server.settings import Settings
from proxy.server.state import House
from proxy.types import Caller, Decision
from tests.serving import QUESTION
from tests.training import SmallIndex

DECISION = Decision("inc_0123456789abcdef", 1.0, "key_0", "public", "m", "/v1/chat/completions", "passed")


def settings(small_index: SmallIndex, folder: Path, trail: Path | None = None) -> Settings:
    return Settings(
        index=small_index.path, upstream="http://127.0.0.1:9/v1", state=folder / "s.sqlite", trail=trail
    )


@pytest.fixture
async def house(small_index: SmallIndex, tmp_path: Path) -> AsyncIterator[House]:
    """A house that nobody has asked anything."""
    made = open_house(settings(small_index, tmp_path), small_index.environment)
    yield made
    await made.close()


async def guards(house: House) -> AnswerGuards:
    request = DIALECTS["/chat/completions"]({"model": "m", "messages": QUESTION}, allow_logprobs=False)
    return await house.firewall.guards(Caller("key_0", "public"), request)


def metrics(house: House) -> str:
    return house.metrics.render()[0].decode()


async def test_a_decision_is_written_and_counted(house: House) -> None:
    """One line in the trail and one count, and each dropped field by its kind."""
    house.record(DECISION, await guards(house), ["logprobs", "other", "citations"])
    lines = [orjson.loads(line) for line in house.settings.trail_path.read_bytes().splitlines()]
    assert [line["kind"] for line in lines] == ["begun", "decision"]
    assert lines[-1]["incident"] == DECISION.incident
    text = metrics(house)
    assert (
        'sluicegate_requests_total{endpoint="/v1/chat/completions",outcome="passed",role="public"} 1.0'
        in text
    )
    assert 'sluicegate_unscannable_total{what="logprobs"} 1.0' in text
    assert 'sluicegate_unscannable_total{what="field"} 2.0' in text


async def test_a_fault_is_counted_where_it_was(house: House) -> None:
    """Ours count as faults; the model server's errors count as requests that ended so."""
    made = await guards(house)
    house.record(
        Decision("i", 1.0, "k", "public", "m", "/v1/models", "fault", extra={"fault": "scanner"}), made, []
    )
    house.record(
        Decision("i", 1.0, "k", "public", "m", "/v1/models", "upstream_error", extra={"fault": "upstream"}),
        made,
        [],
    )
    assert 'sluicegate_faults_total{where="scanner"} 1.0' in metrics(house)
    assert 'sluicegate_faults_total{where="upstream"} 0.0' in metrics(house)


async def test_without_a_trail_there_is_no_answer(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A trail that cannot be written is a fault of its own, told in the log."""
    house.trail.close()
    with caplog.at_level(logging.ERROR), pytest.raises(GuardFault) as fault:
        house.record(DECISION, await guards(house), [])
    assert fault.value.where == "trail"
    assert fault.value.__cause__ is None
    assert 'sluicegate_faults_total{where="trail"} 1.0' in metrics(house)
    assert "fault in trail" in caplog.text


async def test_requests_that_did_not_reach_the_model_are_counted(house: House) -> None:
    """They have no line in the trail: they hold no answer."""
    house.count("/v1/models", "", "unauthorised")
    assert (
        'sluicegate_requests_total{endpoint="/v1/models",outcome="unauthorised",role="other"} 1.0'
        in metrics(house)
    )
    assert house.settings.trail_path.read_bytes() == b""


async def test_a_request_is_in_the_trail_before_the_model_is_asked(house: House) -> None:
    """Who asks for what, under the incident that its decision will have."""
    request = DIALECTS["/chat/completions"]({"model": "m", "messages": QUESTION}, allow_logprobs=False)
    caller = Caller("key_0", "public")
    exchange = Exchange(
        incident=DECISION.incident,
        caller=caller,
        path="/chat/completions",
        request=request,
        guards=await guards(house),
        record=house.record,
    )
    house.opened(exchange)
    line = orjson.loads(house.settings.trail_path.read_bytes().splitlines()[-1])
    assert (line["kind"], line["incident"], line["path"]) == ("opened", DECISION.incident, DECISION.path)
    house.trail.close()
    with pytest.raises(GuardFault):
        house.opened(exchange)


async def test_a_trail_that_takes_lines_again_is_ready_again(house: House, tmp_path: Path) -> None:
    """What was in the way is reported until a line can be written."""
    trail = house.settings.trail_path
    trail.unlink()
    trail.mkdir()
    with pytest.raises(GuardFault):
        house.record(DECISION, await guards(house), [])
    assert house.faults() == ["trail"]
    trail.rmdir()
    assert house.faults() == []


async def test_ready_means_that_keys_can_be_read(house: House) -> None:
    """Without the state file a worker is not ready."""
    assert house.faults() == []
    house.settings.state.unlink()
    assert house.faults() == ["state"]


async def test_a_closed_house_lets_nobody_in(house: House) -> None:
    """After closing no key is believed and nothing is recorded; closing twice does no harm."""
    key = house.keys.create("public").secret
    await house.close()
    await house.close()
    with pytest.raises(ConfigError):
        house.keys.authenticate(key)
    with pytest.raises(GuardFault):
        house.record(DECISION, await guards(house), [])
