"""The one exit: order of recording and sending, faults, blocks as errors, and a caller who leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.dialects import DIALECTS
from proxy.errors import UpstreamError
from proxy.policy import load_policy
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.server.relay import REFUSAL, Blocked, Exchange, GuardFault, relay_plain, relay_stream
from proxy.sse import DONE, SseParser
from proxy.types import Caller, Decision
from proxy.upstreams.openai import OpenAIUpstream
from proxy.upstreams.scripted import CUT, STALL, Raw, Reply, Said, Says, ScriptedUpstream
from tests.serving import QUESTION, chunk
from tests.training import ADMIN, NOBODY, SmallIndex

PATH = "/chat/completions"


@pytest.fixture(scope="module")
def firewall(small_index: SmallIndex) -> Firewall:
    """The packaged default policy over the small index."""
    return Firewall.assemble(load_policy(None), small_index.open())


class Record:
    """What was recorded, and what had been sent before; ``fails``: nothing can be recorded."""

    def __init__(self, *, fails: bool = False) -> None:
        self.decisions: list[Decision] = []
        self.dropped: list[str] = []
        self.fails = fails

    def __call__(self, decision: Decision, guards: AnswerGuards, dropped: Sequence[str]) -> None:
        self.decisions.append(decision)
        self.dropped.extend(dropped)
        if self.fails:
            raise GuardFault("trail")

    @property
    def only(self) -> Decision:
        (decision,) = self.decisions
        return decision


Asked = tuple[OpenAIUpstream, Exchange, Record, ScriptedUpstream]


@asynccontextmanager
async def aclosing_upstream(source: OpenAIUpstream) -> AsyncIterator[OpenAIUpstream]:
    try:
        yield source
    finally:
        await source.close()


@asynccontextmanager
async def asked(
    firewall: Firewall, *replies: Reply, fails: bool = False, error: bool = False, **fields: Any
) -> AsyncIterator[Asked]:
    """An exchange that is ready to be relayed."""
    body = {"model": "m", "messages": QUESTION} | fields
    request = DIALECTS[PATH](body, allow_logprobs=False)
    caller, record = Caller("key_0", "public"), Record(fails=fails)
    async with ScriptedUpstream() as up:
        up.script(*replies)
        async with aclosing_upstream(OpenAIUpstream(up.url)) as source:
            made = await firewall.guards(caller, request)
            yield source, Exchange("inc_0", caller, PATH, request, made, record, error), record, up


def chunks(data: Sequence[bytes]) -> list[Any]:
    """The JSON of the events that were sent."""
    parser = SseParser()
    events = parser.feed(b"".join(data)) + parser.finish()
    return [orjson.loads(event.data) for event in events if event.data != "[DONE]"]


def said(data: Sequence[bytes]) -> str:
    return "".join(
        choice["delta"].get("content") or "" for each in chunks(data) for choice in each.get("choices", ())
    )


async def test_a_stream_is_recorded_before_its_last_event(firewall: Firewall) -> None:
    """When the caller reads ``[DONE]``, the decision has been written, once, with what really happened."""
    replies = Says(Said("Hello there, friend"))
    async with asked(firewall, replies, stream=True) as (source, exchange, record, _):
        sent = []
        async for data in relay_stream(source, exchange):
            assert bool(record.decisions) == (data == DONE)
            sent.append(data)
    assert sent[-1] == DONE
    assert said(sent) == "Hello there, friend"
    decision = record.only
    assert (decision.incident, decision.key_id, decision.role) == ("inc_0", "key_0", "public")
    assert (decision.model, decision.path, decision.outcome) == ("m", "/v1/chat/completions", "passed")
    assert decision.received == decision.released == 19
    assert decision.first_upstream is not None
    assert decision.first_delivered is not None
    assert decision.first_upstream <= decision.first_delivered <= decision.seconds


async def test_a_whole_answer_is_recorded_before_it_is_given_out(firewall: Firewall) -> None:
    """The decision stands when the body is returned."""
    async with asked(firewall, Says(Said("Hello"))) as (source, exchange, record, _):
        body = await relay_plain(source, exchange)
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert record.only.outcome == "passed"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("text", "outcome"), [("Hi", "passed"), (f"A: {NOBODY}", "redacted"), (ADMIN, "blocked")]
)
async def test_outcomes(firewall: Firewall, stream: bool, text: str, outcome: str) -> None:
    """Passed, redacted or blocked; each verdict with the choice and channel it was made on."""
    async with asked(firewall, Says(Said(text)), stream=stream) as (source, exchange, record, _):
        if stream:
            assert [data async for data in relay_stream(source, exchange)][-1] == DONE
        else:
            await relay_plain(source, exchange)
    assert record.only.outcome == outcome
    assert set(record.only.choices) == ({(0, "content")} if outcome != "passed" else set())
    assert len(record.only.verdicts) == len(record.only.choices)


async def test_the_upstream_is_closed_when_all_is_blocked(firewall: Firewall) -> None:
    """A model that would go on for ever is stopped when its last open choice is."""
    replies = Raw([chunk({"content": ADMIN}), STALL])
    async with asked(firewall, replies, stream=True) as (source, exchange, record, up):
        async with asyncio.timeout(30):
            sent = [data async for data in relay_stream(source, exchange)]
            await up.received[0].left.wait()
    assert sent[-1] == DONE
    last = chunks(sent)[-1]["choices"][0]
    assert (last["finish_reason"], last["delta"]) == (
        "content_filter",
        {"refusal": f"{REFUSAL} (incident inc_0)"},
    )
    assert set(last["content_filter_results"]) == {
        "protected_material_text",
        "personally_identifiable_information",
    }
    assert record.only.outcome == "blocked"


async def test_a_caller_who_leaves_closes_the_upstream(firewall: Firewall) -> None:
    """Closing the stream records a cancelled answer and lets the model's server stop."""
    async with asked(firewall, Raw([chunk({"content": "Hi"}), STALL]), stream=True) as (
        source,
        exchange,
        record,
        up,
    ):
        async with asyncio.timeout(30), aclosing(relay_stream(source, exchange)) as events:
            await anext(events)
        async with asyncio.timeout(30):
            await up.received[0].left.wait()
    assert record.only.outcome == "cancelled"


# --- blocks as errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
async def test_a_block_can_be_an_error(small_index: SmallIndex, stream: bool) -> None:
    """A role that wants an error gets one while nothing has been sent, and not a single event before."""
    strict = Firewall.assemble(load_policy(Path("strict")), small_index.open())
    async with asked(strict, Says(Said(ADMIN)), error=True, stream=stream) as (source, exchange, record, _):
        with pytest.raises(Blocked) as blocked:
            if stream:
                pytest.fail(f"sent: {[data async for data in relay_stream(source, exchange)]}")
            else:
                await relay_plain(source, exchange)
    assert blocked.value.incident == "inc_0"
    assert record.only.outcome == "blocked"


async def test_after_the_first_text_a_block_is_no_error(firewall: Firewall) -> None:
    """Once text has been sent the answer ends with a refusal, as it does for every role."""
    async with asked(firewall, Says(Said(f"Well: {ADMIN}")), error=True, stream=True) as (
        source,
        exchange,
        record,
        _,
    ):
        sent = [data async for data in relay_stream(source, exchange)]
    assert said(sent).startswith("Well: ")
    assert chunks(sent)[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert record.only.outcome == "blocked"


async def test_waiting_frames_come_when_the_first_text_does(firewall: Firewall) -> None:
    """What was kept back for a role that wants errors is sent in order, also where no text comes at all."""
    for text in ("Hello", ""):
        async with asked(firewall, Says(Said(text), usage=True), error=True, stream=True) as (
            source,
            exchange,
            _,
            _,
        ):
            sent = [data async for data in relay_stream(source, exchange)]
        told = chunks(sent)
        assert told[0]["choices"][0]["delta"]["role"] == "assistant"
        assert said(sent) == text
        assert [c["choices"][0]["finish_reason"] for c in told if c["choices"]][-1] == "stop"
        assert sent[-1] == DONE


# --- faults ---------------------------------------------------------------------------------------

BAD: dict[str, Callable[[], Raw]] = {
    "broken off": lambda: Raw([chunk({"content": "Well: " + ADMIN[:30]}), CUT]),
    "not JSON": lambda: Raw([chunk({"content": "Well: " + ADMIN[:30]}), b"data: {\n\n"]),
    "an error": lambda: Raw([chunk({"content": "Well: " + ADMIN[:30]}), b'data: {"error": "x"}\n\n']),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_an_upstream_that_fails_in_the_middle(firewall: Firewall, bad: Callable[[], Raw]) -> None:
    """The last event is an error; neither ``[DONE]`` nor anything that was held comes."""
    async with asked(firewall, bad(), stream=True) as (source, exchange, record, _):
        sent = [data async for data in relay_stream(source, exchange)]
    assert chunks(sent)[-1]["error"]["code"] == "upstream_error"
    assert DONE not in sent
    assert len(said(sent)) <= len("Well: ") + 16
    assert (record.only.outcome, record.only.extra["fault"]) == ("upstream_error", "upstream")


async def test_an_upstream_that_fails_before_the_first_event(firewall: Firewall) -> None:
    """Nothing has been sent, so the error is raised and becomes a status; it is recorded all the same."""
    for stream in (True, False):
        async with asked(firewall, Raw([b"{}"], status=500), stream=stream) as (source, exchange, record, _):
            with pytest.raises(UpstreamError):
                if stream:
                    await anext(relay_stream(source, exchange))
                else:
                    await relay_plain(source, exchange)
        assert record.only.outcome == "upstream_error"


async def test_what_cannot_be_recorded_is_not_finished(firewall: Firewall) -> None:
    """Without a trail a whole answer is an error, and a stream ends in one instead of ``[DONE]``."""
    async with asked(firewall, Says(Said("Hello")), fails=True) as (source, exchange, record, _):
        with pytest.raises(GuardFault) as fault:
            await relay_plain(source, exchange)
    assert fault.value.where == "trail"
    assert len(record.decisions) == 1
    async with asked(firewall, Says(Said("Hello")), fails=True, stream=True) as (source, exchange, record, _):
        sent = [data async for data in relay_stream(source, exchange)]
    assert chunks(sent)[-1]["error"]["code"] == "guard_fault"
    assert DONE not in sent
    assert len(record.decisions) == 1


async def test_a_failing_trail_hides_no_upstream_error(firewall: Firewall) -> None:
    """Where the upstream and the trail fail together the stream still ends, without a word more."""
    async with asked(firewall, BAD["broken off"](), fails=True, stream=True) as (source, exchange, record, _):
        sent = []
        with pytest.raises(GuardFault):
            async for data in relay_stream(source, exchange):
                sent.append(data)
    assert DONE not in sent
    assert len(record.decisions) == 1


async def test_dropped_fields_are_told(firewall: Firewall) -> None:
    """What stays behind is counted by name, from a closed set."""
    reply = Raw(
        [
            chunk({"content": "Hi", "thinking_blocks": [1], "x-odd": 5}, search_results=["a"]),
            chunk({}, "stop"),
        ]
    )
    async with asked(firewall, reply, stream=True) as (source, exchange, record, _):
        assert said([data async for data in relay_stream(source, exchange)]) == "Hi"
    assert sorted(record.dropped) == ["other", "search_results", "thinking_blocks"]


async def test_drift_and_faults_stand_in_the_extra(firewall: Firewall) -> None:
    """The trail also tells which document the answer came close to."""
    async with asked(firewall, Says(Said(ADMIN)), stream=True) as (source, exchange, record, _):
        assert [data async for data in relay_stream(source, exchange)]
    assert record.only.extra["drift_document"] == "admin.jsonl:2"
    assert 0 < record.only.extra["drift"] <= 1


# --- pieces that wait for each other --------------------------------------------------------------


async def until_said(source: OpenAIUpstream, exchange: Exchange, text: str) -> None:
    """Read a stream until it has said this, though it does not end."""
    sent: list[bytes] = []
    async with asyncio.timeout(30), aclosing(relay_stream(source, exchange)) as events:
        while said(sent) != text:
            sent.append(await anext(events))


async def test_the_first_words_do_not_wait(firewall: Firewall) -> None:
    """Until text has been delivered nothing is waited for, whatever came before it."""
    role = chunk({"role": "assistant", "content": ""})
    replies = Raw([role, 0.05, chunk({"content": "Hel"}), STALL])
    async with asked(firewall, replies, stream=True) as (source, exchange, _, _):
        exchange.gather = 3600
        await until_said(source, exchange, "Hel")


async def test_what_came_is_delivered_when_no_more_comes(firewall: Firewall) -> None:
    """Pieces that were gathered leave when their time is over, though the answer has not ended."""
    pieces = [step for word in ("Hel", "lo ", "there") for step in (chunk({"content": word}), 0.05)]
    async with asked(firewall, Raw([*pieces, STALL]), stream=True) as (source, exchange, _, _):
        exchange.gather = 0.2
        await until_said(source, exchange, "Hello there")


async def test_gathered_pieces_leave_together(firewall: Firewall) -> None:
    """Of many small pieces fewer and larger ones are sent, and the whole is the same."""
    text = "Good morning, how may I help you with your question today? " * 4
    slowly = Says(Said(text), cut=3, delay=0.005)
    async with asked(firewall, slowly, stream=True) as (source, exchange, record, _):
        exchange.gather = 0.05
        sent = [data async for data in relay_stream(source, exchange)]
    assert said(sent) == text
    spoken = [each for each in chunks(sent) if each["choices"] and each["choices"][0]["delta"].get("content")]
    assert len(spoken) < len(text) / 3 / 2
    assert record.only.received == record.only.released == len(text)


@pytest.mark.parametrize("cut", [1, 2, 5, 40, 1000])
@pytest.mark.parametrize("text", [f"A: {NOBODY} and more", f"Well: {ADMIN} and more"])
async def test_gathering_changes_no_outcome(firewall: Firewall, text: str, cut: int) -> None:
    """What is delivered and what is recorded is what is delivered and recorded without it."""
    came: list[tuple[str, str, list[Any]]] = []
    for seconds in (0.0, 0.05):
        slowly = Says(Said(text), cut=cut, delay=0.002)
        async with asked(firewall, slowly, stream=True) as (source, exchange, record, _):
            exchange.gather = seconds
            sent = [data async for data in relay_stream(source, exchange)]
        spans = [(verdict.finding.span, verdict.rule) for verdict in record.only.verdicts]
        came.append((said(sent), record.only.outcome, spans))
    assert came[0] == came[1]


async def test_what_waits_is_not_sent_when_the_upstream_dies(firewall: Firewall) -> None:
    """Gathered text is held text: a broken answer does not let it go."""
    replies = Raw(
        [chunk({"content": "Hello "}), 0.3, chunk({"content": "you "}), chunk({"content": "two"}), CUT]
    )
    async with asked(firewall, replies, stream=True) as (source, exchange, record, _):
        exchange.gather = 1.0
        sent = [data async for data in relay_stream(source, exchange)]
    assert said(sent) == "Hello "
    assert record.only.outcome == "upstream_error"
