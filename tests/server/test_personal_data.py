"""Unknown personal data at the guards of an answer: what a policy stops, counts, and reads elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.detectors.pii import PiiDetector
from proxy.dialects import DIALECTS
from proxy.policy import (
    DETECTORS,
    Policy,
    examples,
    load_policy,
    packaged_policies,
    parse_policy,
    policies_folder,
)
from proxy.server.firewall import AnswerGuards, Firewall
from proxy.types import Caller, Delta
from tests.serving import QUESTION
from tests.training import SmallIndex

TEXT = "Ann Example, ann@example.com, card 4111 1111 1111 1111.\n"


async def guards(firewall: Firewall, role: str = "public", **fields: Any) -> AnswerGuards:
    request = DIALECTS["/chat/completions"](
        {"model": "m", "messages": QUESTION} | fields, allow_logprobs=False
    )
    return await firewall.guards(Caller("key_0", role), request)


async def answer(firewall: Firewall, text: str = TEXT, role: str = "public", **fields: Any) -> str:
    made = await guards(firewall, role, **fields)
    pieces = [Delta(0, "content", text[at : at + 5]) for at in range(0, len(text), 5)]
    out = [(await made.feed([piece])).texts.get((0, "content"), "") for piece in pieces]
    return "".join(out) + (await made.feed([], [(0, "content")])).texts.get((0, "content"), "")


@pytest.fixture(scope="module")
def firewall(small_index: SmallIndex) -> Firewall:
    return Firewall.assemble(load_policy(None), small_index.open())


async def test_the_packaged_policies(firewall: Firewall, small_index: SmallIndex) -> None:
    """Default masks a card and counts an address, strict masks both, admin of default sees all."""
    assert await answer(firewall) == TEXT.replace("4111 1111 1111 1111", "[CARD]")
    assert await answer(firewall, role="admin") == TEXT
    strict = Firewall.assemble(load_policy(Path("strict")), small_index.open())
    masked = "Ann Example, [EMAIL], card [CARD].\n"
    assert await answer(strict) == await answer(strict, role="admin") == masked


async def test_the_callers_own_values_are_free(firewall: Firewall) -> None:
    """A card that stands in the request comes back; one that does not is masked beside it."""
    mine = [{"role": "user", "content": "charge 4111-1111-1111-1111 please"}]
    said = "Charged 4111 1111 1111 1111, not 5500 0055 5555 5559."
    assert await answer(firewall, said, messages=mine) == "Charged 4111 1111 1111 1111, not [CARD]."


async def test_json_stays_json(firewall: Firewall) -> None:
    """In the arguments of a call only the string is masked, and the document stays whole."""
    made = await guards(firewall)
    text = '{"card": "4111 1111 1111 1111", "n": 3}'
    channel = "tool:0:arguments"
    reading = await made.feed([Delta(0, channel, text)], [(0, channel)])
    assert reading.texts[0, channel] == '{"card": "[CARD]", "n": 3}'


async def test_ordinary_words_are_not_held_by_default(firewall: Firewall) -> None:
    """A greeting leaves as it comes: what is only counted waits for nothing."""
    made = await guards(firewall)
    reading = await made.feed([Delta(0, "content", "Hi there, friend")])
    assert reading.texts[0, "content"] == "Hi there, friend"


@pytest.mark.parametrize("name", packaged_policies())
def test_the_examples_of_the_policies(name: str) -> None:
    """Each rule about unknown personal data finds something in its leaks and nothing in its passes."""
    policy = load_policy(Path(name))
    detector = PiiDetector()
    tried = 0
    for rule, text, leaks in examples(policy):
        scanner = detector.scanner(policy.view("public", (), ()))
        found = [*scanner.feed(text).findings, *scanner.finish()]
        rules = {policy.decide(finding, "public").rule for finding in found}
        assert (rule.id in rules) is leaks, (rule.id, text)
        tried += 1
    assert tried >= 4


def asking_for_names() -> Policy:
    text = (policies_folder() / "strict.yaml").read_text("utf-8")
    return parse_policy(f"{text}\ndetectors:\n  pii: {{ner: true}}\n", "names.yaml", DETECTORS)


async def test_names_are_read_off_the_event_loop(small_index: SmallIndex) -> None:
    """Where the policy asks for names they are masked, and no sentence is read in the event loop's thread."""
    firewall = Firewall.assemble(asking_for_names(), small_index.open())
    assert await answer(firewall, "I spoke to Margaret Thornton about it.\nFine.") == (
        "I spoke to [PERSON] about it.\nFine."
    )
    threads: list[str] = []

    def watched(sentence: str) -> Sequence[tuple[str, int, int, float]]:
        threads.append(threading.current_thread().name)
        return [("person", 0, 3, 1.0)]

    detectors = tuple(
        PiiDetector(recognize=watched) if isinstance(each, PiiDetector) else each
        for each in firewall.detectors
    )
    assert await answer(replace(firewall, detectors=detectors)) == "[PERSON] Example, [EMAIL], card [CARD].\n"
    assert threads and threading.current_thread().name not in threads
    assert firewall.reader is not None
    firewall.reader.shutdown()


async def test_the_loop_goes_on_while_a_sentence_is_read(small_index: SmallIndex) -> None:
    """Another task runs while the recogniser is at work."""
    firewall = Firewall.assemble(asking_for_names(), small_index.open())
    going, gone = threading.Event(), threading.Event()

    def slow(sentence: str) -> Sequence[tuple[str, int, int, float]]:
        going.set()
        assert gone.wait(30)
        return []

    detectors = tuple(
        PiiDetector(recognize=slow) if isinstance(each, PiiDetector) else each for each in firewall.detectors
    )
    task = asyncio.create_task(answer(replace(firewall, detectors=detectors), "One line.\n"))
    while not going.is_set():
        await asyncio.sleep(0)
    assert not task.done()
    gone.set()
    assert await task == "One line.\n"


def test_no_thread_where_no_policy_asks(firewall: Firewall) -> None:
    """The packaged policies read everything in the loop: nothing in them takes milliseconds."""
    assert firewall.reader is None
