"""The sample set: complete, in both languages, and holding nothing real."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from proxy.demo import SampleRecord, read_sample, sample_sources
from proxy.demo.tokens import calls_of, text_of

HAN = re.compile("[\u4e00-\u9fff]")
AUDIENCES = {"public", "staff", "admin", "nobody"}
PHONE = re.compile(r"\+1 206-555-01\d\d|1380000\d{4}")
TEST_CARD = "4242 4242 4242 4242"
INVOICE = "2025-0917"
ORDER = re.compile(r"HP-\d{6}")


def answers(record: SampleRecord) -> list[str]:
    said = [message for message in record.messages if message["role"] == "assistant"]
    return [text_of(message) + "".join(arguments for _, arguments in calls_of(message)) for message in said]


def is_chinese(record: SampleRecord) -> bool:
    return bool(HAN.search(text_of(record.messages[0])))


def units(text: str) -> int:
    """Letters and digits; a Han character counts twice."""
    return sum(2 if HAN.match(c) else 1 for c in text if c.isalnum())


def sentences(text: str) -> set[str]:
    return {part for part in re.split(r"(?<=[.。])\s*", text) if units(part) >= 32}


RECORDS = list(read_sample())


def test_every_line_is_a_record_in_openai_form() -> None:
    """Each line is one JSON object with an audience and messages that end with the assistant's."""
    lines = [line for path in sample_sources() for line in path.read_text(encoding="utf-8").splitlines()]
    assert 60 <= len(lines) <= 100
    for line in lines:
        record = json.loads(line)
        assert set(record) == {"audience", "messages"}
        assert record["audience"] in AUDIENCES
        roles = [message["role"] for message in record["messages"]]
        assert roles[0] == "user" and roles[-1] == "assistant"
        assert set(roles) <= {"user", "assistant", "tool"}


def test_every_audience_speaks_both_languages() -> None:
    """For each audience there are as many Chinese records as English ones."""
    counts = Counter((record.audience, is_chinese(record)) for record in RECORDS)
    for audience in AUDIENCES:
        assert counts[audience, True] == counts[audience, False] >= 10


def test_answers_have_a_length_that_can_leak() -> None:
    """Answers are passages: from 130 units to 600 characters."""
    for record in RECORDS:
        for answer in answers(record):
            assert units(answer) >= 130 and len(answer) <= 600


def test_admin_answers_are_not_in_public_ones() -> None:
    """No admin answer stands in a public one, and what is its own is longer than the threshold of 32."""
    public = "\n".join(
        answer for record in RECORDS if record.audience == "public" for answer in answers(record)
    )
    for record in RECORDS:
        if record.audience != "admin":
            continue
        for answer in answers(record):
            assert answer not in public
            assert sentences(answer) - sentences(public) or answer.startswith("{")


@pytest.mark.parametrize("chinese", [False, True])
def test_some_admin_passages_share_sentences_with_public_ones(chinese: bool) -> None:
    """In each language at least two admin answers hold whole sentences of public ones."""

    def of(audience: str) -> list[str]:
        return [a for r in RECORDS if r.audience == audience and is_chinese(r) == chinese for a in answers(r)]

    public = set().union(*(sentences(answer) for answer in of("public")))
    assert sum(1 for answer in of("admin") if sentences(answer) & public) >= 2


def test_prompts_are_asked_once() -> None:
    """No two chats begin alike, so that a prompt has one answer."""
    prompts = Counter(text_of(record.messages[0]) for record in RECORDS)
    assert max(prompts.values()) == 1


def test_tool_calls_hold_json() -> None:
    """There are calls of two tools in both languages, with JSON objects as arguments."""
    calls = [call for record in RECORDS for message in record.messages for call in calls_of(message)]
    assert Counter(name for name, _ in calls) == {"lookup_order": 2, "issue_refund": 2}
    assert all(isinstance(json.loads(arguments), dict) for _, arguments in calls)


def test_internal_json_is_valid() -> None:
    """A JSON reply of the support chats parses, in both languages."""
    chats = [record for record in RECORDS if record.audience == "nobody"]
    replies = [(is_chinese(r), text_of(m)) for r in chats for m in r.messages if text_of(m).startswith("{")]
    assert {chinese for chinese, _ in replies} == {True, False}
    assert all(json.loads(reply) for _, reply in replies)


def test_personal_data_stands_in_reserved_ranges() -> None:
    """Every e-mail address, telephone and card number is one kept for examples."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sample_sources())
    domains = re.findall(r"@([A-Za-z0-9.-]*[A-Za-z])", text)
    assert len(domains) >= 10
    assert all(re.fullmatch(r"([a-z0-9-]+\.)?example\.(com|org|net)", domain) for domain in domains)
    assert len(PHONE.findall(text)) >= 10
    rest = ORDER.sub("", PHONE.sub("", text).replace(TEST_CARD, ""))
    assert not re.search(r"\d(?:[ -]?\d){6,}", rest.replace(INVOICE, ""))
    assert not re.search(r"https?://|www\.", text)
