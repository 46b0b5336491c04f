"""Ids: sealed on the way out, the server's own on the way back, and nothing to read in between."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects import DIALECTS
from proxy.dialects.ids import LONGEST, PREFIXES, AnswerIds, Seal, opened
from tests.dialects.driving import IDS, SEAL

OTHER = Seal(b"another key of another house ...")
OPENAIS = "call_9pw1qnYScqvGrCH58HWCvFH6"
IDS_OF_SERVERS = [
    OPENAIS,
    "functions.get_weather:0",
    "D681PevKs",
    "toolu_01A09q90qw90lq917835lq9",
    "chatcmpl-tool-7c5e0b1f6f7a4e0ab6a1d5c3f0e9d8c7",
    "5f8b2c4e-1d3a-4b6c-9e7f-0a1b2c3d4e5f",
    "call_",
    "a",
    "一个编号",
    "call_x__thought__" + "Q" * 900,
]

prefixes = st.sampled_from(PREFIXES)
texts = st.text(min_size=1, max_size=80)


@given(st.one_of(texts, st.from_regex(r"(call_|msg_)?[A-Za-z0-9_.:-]{1,60}", fullmatch=True)), prefixes)
@settings(deadline=None)
def test_an_id_comes_back(text: str, prefix: str) -> None:
    """Any id is opened to itself, of an alphabet that every client takes, behind the prefix of its place."""
    token = SEAL.sealed(text, prefix)
    assert re.fullmatch(prefix + "[A-Za-z0-9_-]+", token)
    assert SEAL.opened(token) == text
    assert OTHER.opened(token) == token != OTHER.sealed(text, prefix)


@pytest.mark.parametrize("given_id", IDS_OF_SERVERS)
def test_nothing_can_be_read_in_it(given_id: str) -> None:
    """No four characters of an id stand in its seal, as they are, in base64 or in hexadecimal."""
    token = SEAL.sealed(given_id, "call_").removeprefix("call_")
    rest = given_id.removeprefix("call_")
    raw = rest.encode()
    for form in (rest, raw.hex(), base64.urlsafe_b64encode(raw).decode()):
        assert not any(form[at : at + 4] in token for at in range(len(form) - 3))


def test_a_letter_changes_all() -> None:
    """Two ids that differ in their last letter have no more in common than two others."""
    one, two = (SEAL.sealed(f"{OPENAIS}{last}", "call_") for last in "ab")
    same = [a == b for a, b in zip(one[5:], two[5:], strict=True)]
    assert sum(same) < 6


@pytest.mark.parametrize(
    ("given_id", "length"), [(OPENAIS, 40), ("D681PevKs", 25), ("a" * LONGEST, LONGEST + 16)]
)
def test_it_stays_short(given_id: str, length: int) -> None:
    """An id grows by eleven characters and its prefix: OpenAI's own to 40, which its endpoint takes."""
    assert len(SEAL.sealed(given_id, "call_")) == length


@given(st.one_of(st.text(), st.from_regex(r"(call_|resp_|msg_)[A-Za-z0-9_-]{0,80}", fullmatch=True)))
@settings(deadline=None)
def test_what_is_not_ours_stays_as_it_is(text: str) -> None:
    """An id of another house is sent on as the caller wrote it."""
    assert SEAL.opened(text) == text


@given(st.data())
@settings(deadline=None)
def test_one_that_was_changed_is_not_ours(data: st.DataObject) -> None:
    """A letter that is another one, or is missing, and nothing is opened."""
    token = SEAL.sealed(OPENAIS, "call_")
    at = data.draw(st.integers(5, len(token) - 1))
    letter = data.draw(st.sampled_from(["", *(each for each in "AZaz09-_" if each != token[at])]))
    changed = token[:at] + letter + token[at + 1 :]
    assert SEAL.opened(changed) == changed


def test_a_client_may_change_the_prefix() -> None:
    """Some make an item's id of a call's: what follows the prefix is opened all the same."""
    assert SEAL.opened("fc_" + SEAL.sealed(OPENAIS, "call_").removeprefix("call_")) == "fc_" + OPENAIS[5:]


def test_the_key_is_not_shown() -> None:
    """A seal can stand in a message of an error; two fresh ones are not the same."""
    assert "tests of dialects" not in repr(IDS)
    assert Seal.fresh().sealed("a", "call_") != Seal.fresh().sealed("a", "call_")


@pytest.mark.parametrize("value", [None, "", 7, {"a": 1}, ["a"], "a" * (LONGEST + 1)], ids=str)
def test_what_is_no_id_is_replaced(value: Any) -> None:
    """Ours are told apart by their answer and their place; what stood there is reported."""
    dropped: list[str] = []
    made = {
        ids.of(value, prefix, place, "id", dropped)
        for ids in (IDS, AnswerIds(SEAL, "another"))
        for prefix in ("call_", "fc_")
        for place in range(3)
    }
    assert len(made) == 12
    assert all(re.fullmatch("(call_|fc_)[A-Za-z0-9_-]{24}", each) for each in made)
    assert dropped == ["id"] * (12 if value else 0)


CALL = SEAL.sealed("functions.f:0", "call_")
FILE = SEAL.sealed("file 1", "file-")


def test_a_chat_is_sent_on_with_the_servers_ids() -> None:
    """Both the call and its result; what is no id of ours, and every text, stays."""
    messages: list[Any] = [
        {"role": "user", "content": f"What is {CALL}?", "name": CALL},
        {"role": "user", "content": [{"type": "text", "text": CALL}, CALL]},
        {"role": "assistant", "tool_calls": [{"id": CALL, "function": {"name": CALL}}, {"id": "call_x"}]},
        {"role": "tool", "tool_call_id": CALL, "content": CALL},
        {"role": "tool", "tool_call_id": 7, "content": None},
        {"role": "assistant", "audio": {"id": SEAL.sealed("sound", "audio_")}, "tool_calls": None},
    ]
    body = {"model": "m", "messages": messages, "user": CALL, "metadata": {"id": CALL}}
    request = DIALECTS["/chat/completions"](body, allow_logprobs=False, seal=SEAL)
    sent = request.body["messages"]
    assert [call["id"] for call in sent[2]["tool_calls"]] == ["functions.f:0", "call_x"]
    assert sent[3]["tool_call_id"] == "functions.f:0"
    assert sent[5]["audio"] == {"id": "sound"}
    sent[2]["tool_calls"][0]["id"] = sent[3]["tool_call_id"] = CALL
    sent[5]["audio"]["id"] = messages[5]["audio"]["id"]
    assert request.body == body
    assert "functions" not in str(request.own_words(("user", "tool")))


def test_a_response_goes_on_from_the_servers() -> None:
    """The response before, items, calls and files by the server's ids; the answer repeats what was sent."""
    before = SEAL.sealed("resp_1", "resp_")
    item = SEAL.sealed("it 1", "msg_")
    noted = {"type": "output_text", "text": item, "annotations": [{"file_id": FILE, "title": FILE}, 7]}
    items = [
        {"type": "message", "role": "assistant", "id": item, "content": [noted, "text"]},
        {"type": "function_call", "call_id": CALL, "id": "fc_x", "name": "f", "arguments": CALL},
        {"type": "function_call_output", "call_id": CALL, "output": CALL},
        {"type": "item_reference", "id": item},
    ]
    body = {"model": "m", "input": items, "previous_response_id": before, "conversation": "conv_1"}
    request = DIALECTS["/responses"](body, allow_logprobs=False, seal=SEAL)
    sent = request.body["input"]
    assert request.body["previous_response_id"] == "resp_1"
    assert request.body["conversation"] == "conv_1"
    assert [each.get("id") for each in sent] == ["it 1", "fc_x", None, "it 1"]
    assert [each.get("call_id") for each in sent] == [None, "functions.f:0", "functions.f:0", None]
    assert sent[0]["content"][0]["annotations"] == [{"file_id": "file 1", "title": FILE}, 7]
    assert (sent[1]["arguments"], sent[2]["output"]) == (CALL, CALL)
    answer = request.whole({"id": "resp_2", "output": []}, "ours", "Stopped.").write({})
    assert answer["previous_response_id"] == before
    assert SEAL.opened(answer["id"]) == "resp_2" != answer["id"]


def test_the_callers_body_is_not_changed() -> None:
    """What is sent on is a copy."""
    body = {"input": [{"type": "item_reference", "id": FILE, "content": [{"annotations": [{}]}]}]}
    assert opened(body, SEAL)["input"][0]["id"] == "file 1"
    assert body["input"][0]["id"] == FILE
