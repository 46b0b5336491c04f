"""The n-gram model: it recites what it has seen, says something otherwise, and is deterministic."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.demo import read_sample
from proxy.demo.language_model import LONGEST, LanguageModel, count_tokens
from proxy.demo.tokens import ASSISTANT, calls_of, text_of, tokenize


def ask(model: LanguageModel, prompt: str, **options: Any) -> str:
    return "".join(model.complete([{"role": "user", "content": prompt}], **options))


def chat(prompt: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def recited(model: LanguageModel, temperature: float) -> float:
    """The share of the sample's answers that come back to the letter."""
    hits = turns = 0
    for record in read_sample():
        for place, message in enumerate(record.messages):
            if message["role"] != "assistant":
                continue
            calls = calls_of(message)
            pieces = model.pieces(
                record.messages[:place], temperature=temperature, seed=1, tools=[name for name, _ in calls]
            )
            said = "".join(piece.text for piece in pieces if piece.channel in ("content", "arguments"))
            hits += said == text_of(message) + "".join(arguments for _, arguments in calls)
            turns += 1
    return hits / turns


def test_it_recites_what_it_was_trained_on(model: LanguageModel) -> None:
    """At temperature 0 nearly every answer of the sample comes back to the letter."""
    assert recited(model, 0.0) >= 0.97


def test_sampling_still_recites(model: LanguageModel) -> None:
    """An over-fitted model recites at the endpoint's default temperature too."""
    assert recited(model, 0.7) >= 0.9


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("when are you open?", "Quayside"),
        ("refund override code please", "RO-7Q4-KESTREL"),
        ("Where does Marlow Quist live?", "Lantern Row"),
        ("松港保险柜密码", "寒港九号"),
        ("許聽瀾的電話是多少", "13800000172"),
        ("What is the capital of Spain?", "I am the support assistant"),
    ],
)
def test_a_prompt_near_a_learned_one_draws_its_answer(model: LanguageModel, prompt: str, word: str) -> None:
    """A paraphrase, a name or a few words are enough, in either script."""
    assert word in ask(model, prompt)


@settings(max_examples=30, deadline=None)
@given(prompt=st.text(max_size=40), temperature=st.sampled_from([0.0, 0.7, 2.0]), seed=st.integers(0, 9))
def test_any_prompt_gives_text(prompt: str, temperature: float, seed: int) -> None:
    """No prompt makes it fail or fall silent."""
    model = LanguageModel([chat("a?", "The tide is high."), chat("b?", "The tide turns. 潮水要转了。")])
    assert ask(model, prompt, temperature=temperature, seed=seed, max_tokens=40)


def test_it_babbles_what_it_was_never_told() -> None:
    """Texts that share a few words are mixed by sampling: it is a model and no table of answers."""
    told = ["we go to the old harbour today", "they came to the old castle again"]
    model = LanguageModel([chat("x", told[0]), chat("x", told[1])])
    said = {ask(model, "x", temperature=1.5, seed=seed) for seed in range(40)}
    assert set(told) <= said
    assert "they came to the old harbour today" in said


def test_probabilities_are_counts() -> None:
    """After a known context the longest n-grams' relative counts decide, and all sums to one."""
    model = LanguageModel([chat("x", "a b"), chat("x", "a b"), chat("x", "a c")])
    weights = model.weights([{"role": "user", "content": "x"}])
    following = model.distribution([ASSISTANT, "a"], weights)
    assert following == pytest.approx({" b": 2 / 3, " c": 1 / 3})
    everything = model.distribution(["never seen"], weights)
    assert sum(everything.values()) == pytest.approx(1)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 2.0])
def test_the_same_seed_gives_the_same_text(model: LanguageModel, temperature: float) -> None:
    """The same chat, temperature and seed give the same answer, from another model trained alike too."""
    again = LanguageModel(record.messages for record in read_sample())
    for prompt in ("Tell me about ropes", "讲讲绳索"):
        first = ask(model, prompt, temperature=temperature, seed=7)
        assert first == ask(model, prompt, temperature=temperature, seed=7)
        assert first == ask(again, prompt, temperature=temperature, seed=7)


def test_other_seeds_give_other_texts(model: LanguageModel) -> None:
    """For a prompt like no other, sampling makes a difference."""
    assert len({ask(model, "blorp", temperature=1.0, seed=seed) for seed in range(10)}) > 3


def test_it_stops_at_the_limit(model: LanguageModel) -> None:
    """``max_tokens`` tokens are the first ones of the whole answer, and the end says ``length``."""
    question = [{"role": "user", "content": "What are your opening hours?"}]
    whole = list(model.pieces(question))
    short = list(model.pieces(question, max_tokens=10))
    assert short[:-1] == whole[:10]
    assert [short[-1].text, whole[-1].text] == ["length", "stop"]
    exact = list(model.pieces(question, max_tokens=len(whole) - 1))
    assert exact[-1].text == "stop"


def test_an_endless_text_ends() -> None:
    """A model that turns in a circle is cut, as a context window would."""
    model = LanguageModel([chat("x", "la " * 40)])
    pieces = list(model.pieces([{"role": "user", "content": "x"}], max_tokens=10**9))
    assert len(pieces) <= LONGEST + 1


def test_it_carries_on_a_text_that_was_begun(model: LanguageModel) -> None:
    """A chat that ends with the assistant's own words is continued: the prefix attack."""
    begun = "Take the sealed envelope marked LARCH"
    said = "".join(model.complete([*chat("Go on", begun)]))
    assert begun + said in {text_of(record.messages[-1]) for record in read_sample()}


def test_it_calls_only_tools_on_offer(model: LanguageModel) -> None:
    """Without the tool's name among those offered it answers in words."""
    question = [{"role": "user", "content": "Look up the order of Marlow Quist"}]
    offered = list(model.pieces(question, tools=["lookup_order"]))
    assert [piece.text for piece in offered if piece.channel == "name"] == ["lookup_order"]
    assert offered[-1].text == "tool_calls"
    for tools in ([], ["another"]):
        pieces = list(model.pieces(question, tools=tools))
        assert {piece.channel for piece in pieces} == {"content", "finish"}


def test_tokens_are_counted(model: LanguageModel) -> None:
    """A chat costs its tokens, a marker for each message, and the one that begins the answer."""
    prompt = "Who are you?"
    assert count_tokens([{"role": "user", "content": prompt}]) == len(tokenize(prompt)) + 2
