"""proxy/audit/lines.py: what a line says, without text."""

from __future__ import annotations

import json
import re

import pytest

from proxy.audit.chain import Chain
from proxy.audit.lines import MOST_VERDICTS, begun, decided, new_incident, told
from proxy.types import Action, Finding, Provenance, Span, Verdict
from tests.audit.material import decision, verdict


def test_incidents_are_random() -> None:
    """`inc_` and 16 hexadecimal digits, never twice."""
    ids = {new_incident() for _ in range(500)}
    assert len(ids) == 500
    assert all(re.fullmatch(r"inc_[0-9a-f]{16}", each) for each in ids)


def test_a_line_says_what_was_decided() -> None:
    """Every field of the decision stands in the line under its name."""
    line = decided(
        decision(
            verdicts=(verdict("memorised-restricted"),),
            choices=((1, "tool_calls[0].arguments"),),
            received=120,
            released=15,
            held_max=28,
            seconds=1.5,
            first_upstream=0.25,
            first_delivered=0.3,
        )
    )
    assert line == {
        "time": "2026-01-02T03:04:05.678Z",
        "incident": "inc_0123456789abcdef",
        "key": "key_0123456789ab",
        "role": "public",
        "model": "tuned",
        "path": "/v1/chat/completions",
        "outcome": "blocked",
        "verdicts": [
            {
                "rule": "memorised-restricted",
                "action": "block",
                "enforced": True,
                "detector": "memorised",
                "entity": "passage",
                "start": 12,
                "end": 40,
                "at": 39,
                "origin": 3,
                "score": 0.987654,
                "document": "hr/people.jsonl:7",
                "audience": "staff",
                "fingerprint": "a1b2c3",
                "choice": 1,
                "channel": "tool_calls[0].arguments",
            }
        ],
        "verdicts_left_out": 0,
        "received": 120,
        "released": 15,
        "held_max": 28,
        "seconds": 1.5,
        "first_upstream": 0.25,
        "first_delivered": 0.3,
    }


def test_what_is_not_known_is_null() -> None:
    """Findings without provenance, missing choices and missing times are null, not left out."""
    bare = Verdict(Action.ALLOW, "r", Finding("pii", "email", Span(0, 1), 0), enforced=False)
    line = decided(decision(verdicts=(bare,), seconds=float("nan")))
    (found,) = line["verdicts"]
    assert [found[each] for each in ("document", "audience", "origin", "choice", "channel")] == [None] * 5
    assert (found["action"], found["enforced"]) == ("allow", False)
    assert line["first_upstream"] is line["first_delivered"] is line["seconds"] is None


@pytest.mark.parametrize(
    "model", ['a"b\\c\n{"incident":"inc_ffffffffffffffff"}', "模型", "\ud800", "\u2028\x00\x85", "m" * 5000]
)
def test_a_name_from_the_caller_cannot_forge_a_line(model: str) -> None:
    """Whatever the caller calls the model, the line is one line of ASCII with its own incident."""
    line, _place = Chain().line("decision", decided(decision(model=model)))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["incident"] == "inc_0123456789abcdef"
    assert json.loads(line)["model"] == model[:200]


@pytest.mark.parametrize(
    "channel",
    ["content", "reasoning_content", "refusal", "tool_calls[3].arguments", "tool_calls.0.arguments", "text"],
)
def test_channels_keep_their_names(channel: str) -> None:
    """A channel named after fields is written as it is."""
    line = decided(decision(verdicts=(verdict(),), choices=((0, channel),)))
    assert line["verdicts"][0]["channel"] == channel


@pytest.mark.parametrize(
    "channel",
    ["The secret is here", "ann@example.com", "4111111111111111", "AKIAIOSFODNN7EXAMPLE", "张三", "x" * 25],
)
def test_a_channel_cannot_carry_text(channel: str) -> None:
    """A field name made up by the model does not get into the trail."""
    line = decided(decision(verdicts=(verdict(),), choices=((0, channel),)))
    assert channel not in str(line)
    assert line["verdicts"][0]["channel"] == "other"


def test_extras_are_numbers_and_labels() -> None:
    """What is added to a decision is written only where it cannot be text."""
    extra = {
        "n": 3,
        "ok": True,
        "none": None,
        "share": 0.5,
        "upstream": "vllm-1:8000",
        "said": "the model said this",
        "list": ["the model said this"],
        "a key with blanks": 1,
        "inf": float("inf"),
    }
    line = decided(decision(extra=extra))
    assert "said this" not in str(line)
    assert line["extra"] == {
        "n": 3,
        "ok": True,
        "none": None,
        "share": 0.5,
        "upstream": "vllm-1:8000",
        "said": "other",
        "list": "other",
        "other": 1,
        "inf": None,
    }


def test_too_many_verdicts_keep_those_that_did_most() -> None:
    """A line is bounded: the block at the end stays, what was only counted goes first, and is counted."""
    many = [verdict(f"o{n}", Action.REDACT, enforced=False) for n in range(MOST_VERDICTS + 50)]
    line = decided(decision(verdicts=(*many, verdict("stop"))))
    rules = [each["rule"] for each in line["verdicts"]]
    assert len(rules) == MOST_VERDICTS
    assert rules[-1] == "stop"
    assert rules[:-1] == [f"o{n}" for n in range(MOST_VERDICTS - 1)]
    assert line["verdicts_left_out"] == 51


def test_what_begins_is_told_as_its_end_will_tell_it() -> None:
    """Who asks for what, and nothing of what is not known yet."""
    one, other = begun(decision()), decided(decision())
    assert one == {name: other[name] for name in one}
    assert set(one) == {"time", "incident", "key", "role", "model", "path"}


def test_names_are_cut_only_in_what_is_kept() -> None:
    """A line cuts the name of a document; who asks what may be said of a verdict gets it whole."""
    name = "a/long/path/" * 40
    long = Verdict(Action.BLOCK, "r", Finding("d", "e", Span(0, 1), 0, provenance=Provenance(name, "staff")))
    assert told(long)["document"] == name
    assert told(long, 20)["document"] == name[:20]
    assert decided(decision(verdicts=(long,)))["verdicts"][0]["document"] == name[:200]
