"""Log-probabilities: each token goes out when its own channel has let it go, unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects.logprobs import Logprobs, written, written_legacy
from proxy.types import Cleared


def token(text: str, value: object = -0.5, *top: tuple[str, float]) -> dict[str, Any]:
    options = [{"token": name, "logprob": number, "bytes": None} for name, number in top]
    return {"token": text, "logprob": value, "bytes": [1], "top_logprobs": options}


GIVEN = [token("He", -0.5, ("He", -0.5), ("Ha", -2.0)), token("llo", -0.25, ("llo", -0.25))]


def let_go(said: list[tuple[str, str]]) -> dict[str, Cleared]:
    texts: dict[str, Cleared] = {}
    for channel, text in said:
        texts[channel] = Cleared(texts.get(channel, "") + text)
    return texts


def test_tokens_come_back_as_they_were() -> None:
    """What no guard changes is written with its numbers; bytes are made from the text."""
    spelt = Logprobs("content")
    said = list(spelt.read(GIVEN, []))
    assert {channel for channel, _ in said} == {f"logprobs:content:{rank}" for rank in range(3)}
    made = written(spelt.take(let_go(said)))
    assert [(each["token"], each["logprob"], each["bytes"]) for each in made] == [
        ("He", -0.5, [72, 101]),
        ("llo", -0.25, [108, 108, 111]),
    ]
    assert [[top["token"] for top in each["top_logprobs"]] for each in made] == [["He", "Ha"], ["llo"]]


def test_tokens_wait_for_their_text() -> None:
    """An entry goes out when all its texts have been let go, in whatever pieces, and in order."""
    spelt = Logprobs("content")
    said = let_go(list(spelt.read(GIVEN, [])))
    chosen = said.pop("logprobs:content:0")
    assert spelt.take(said) == []
    counts = [len(spelt.take({"logprobs:content:0": Cleared(letter)})) for letter in chosen]
    assert counts == [0, 1, 0, 0, 1]


def test_what_a_guard_changed_stays_behind() -> None:
    """From the first changed token on its channel says nothing more; unchanged alternatives do."""
    spelt = Logprobs("content")
    said = let_go(list(spelt.read(GIVEN, [])))
    assert spelt.take(said | {"logprobs:content:0": Cleared("He[REDACTED]")})[0].said[0] == "He"
    assert spelt.take({}) == []
    assert list(spelt.read([token("more")], [])) == [("logprobs:content:0", "more")]
    assert spelt.take({"logprobs:content:0": Cleared("more")}) == []


def test_what_was_held_to_the_end_stays_behind() -> None:
    """At the end of a choice what has not been let go is given up."""
    spelt = Logprobs("content")
    list(spelt.read(GIVEN, []))
    assert spelt.rest({}) == []


def test_the_four_lists_of_completions() -> None:
    """The legacy form is read and written with its offsets; numbers that are none become null."""
    given = {
        "tokens": ["a", "b"],
        "token_logprobs": [None, float("nan")],
        "top_logprobs": [None, {"b": -1.0, "c": -2.0}],
        "text_offset": [0, 1],
    }
    spelt = Logprobs("text")
    made = written_legacy(spelt.take(let_go(list(spelt.read_legacy(given, [])))))
    assert made == {
        "tokens": ["a", "b"],
        "token_logprobs": [None, None],
        "top_logprobs": [{}, {"b": -1.0, "c": -2.0}],
        "text_offset": [0, 1],
    }


@pytest.mark.parametrize("odd", [{"token": 7}, {}, {"token": "a", "top_logprobs": [{"token": None}]}])
def test_an_odd_entry_is_reported(odd: dict[str, Any]) -> None:
    """An entry without the text of its token stays behind and is counted."""
    dropped: list[str] = []
    assert list(Logprobs("content").read([odd], dropped)) == []
    assert dropped == ["logprobs"]
