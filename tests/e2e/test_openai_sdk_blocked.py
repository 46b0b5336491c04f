"""The real OpenAI client against the real server: what is blocked and what is masked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from proxy.policy import policies_folder
from proxy.text import count_units
from proxy.upstreams.scripted import Said, Says
from tests.e2e.sdk import BUDGET, MASK, SECRETS, ask, both, client, secrets
from tests.limits import unlimited
from tests.serving import QUESTION, Served, serving, write_policy
from tests.training import (
    ADMIN,
    ADMIN_ZH,
    ADMIN_ZH_TRADITIONAL,
    NOBODY,
    NOBODY_ZH,
    PUBLIC,
    PUBLIC_ZH,
    SmallIndex,
    shared_units,
)


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy."""
    with serving(small_index, tmp_path_factory.mktemp("default")) as made:
        yield made


@both
@secrets
def test_a_secret_is_blocked_in_the_middle(served: Served, request_answer: Any, secret: str) -> None:
    """The answer ends with a refusal and ``content_filter``; at most 12 units of the secret are out."""
    before = "Of course, here it is. "
    served.up.script(Says(Said(before + secret + " Anything else?"), usage=True))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "content_filter"
    assert choice.message.content.startswith(before)
    assert shared_units(secret, choice.message.content.removeprefix(before)) <= BUDGET
    incident = served.trail()[-1]["incident"]
    assert choice.message.refusal == (
        f"This part of the answer was withheld by the content policy. (incident {incident})"
    )
    if request_answer is ask:  # the helper for streams keeps no fields that it does not know
        assert choice.content_filter_results["protected_material_text"] == {
            "detected": True,
            "filtered": True,
        }
    assert served.trail()[-1]["verdicts"][0]["document"].startswith("admin.jsonl:")


@pytest.mark.parametrize("secret", [ADMIN, ADMIN_ZH_TRADITIONAL], ids=["English", "Chinese"])
def test_every_cutting_has_the_same_outcome(served: Served, secret: str) -> None:
    """Chunks of 1 to 50 characters: the same text is let go, and never more than 12 units of the secret."""
    said = f"Let me see. {PUBLIC} And this: {secret} That is all."
    delivered = set()
    for size in range(1, 51):
        served.up.script(Says(Said(said), cut=size))
        streamed = served.stream()
        assert streamed.done
        assert streamed.finish() == "content_filter"
        delivered.add(streamed.text())
    assert len(delivered) == 1
    (text,) = delivered
    head = f"Let me see. {PUBLIC} And this: "
    assert text.startswith(head)
    assert shared_units(secret, text.removeprefix(head)) <= BUDGET


@both
@pytest.mark.parametrize("text", [NOBODY, NOBODY_ZH], ids=["English", "Chinese"])
def test_a_passage_of_nobody_is_redacted(served: Served, request_answer: Any, text: str) -> None:
    """Text that nobody should get back is masked in its place, and the answer goes on."""
    served.up.script(Says(Said(f"A customer wrote: {text} -- I am sorry to hear it.")))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "stop"
    said = choice.message.content
    assert said.count(MASK) == 1
    assert said.startswith("A customer wrote: ")
    assert said.endswith(" -- I am sorry to hear it.")
    between = said.removeprefix("A customer wrote: ").partition(MASK)[0]
    assert count_units(between) <= BUDGET


def test_strict_delivers_nothing_at_all(
    small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Under the strict policy not one unit of a secret leaves, for any cutting, in either language."""
    strict = policies_folder() / "strict.yaml"
    with serving(small_index, tmp_path_factory.mktemp("strict"), policy=strict) as served:
        for secret in (*SECRETS.values(), NOBODY):
            for size in (1, 3, 17, 200):
                served.up.script(Says(Said("Here: " + secret), cut=size))
                streamed = served.stream()
                assert streamed.finish() == "content_filter"
                assert streamed.text().rstrip() == "Here:"


def test_a_policy_that_observes_changes_nothing(small_index: SmallIndex, tmp_path: Path) -> None:
    """In observe mode everything passes, unheld and unchanged, and what would be stopped is counted."""
    default = unlimited()
    policy = write_policy(tmp_path, default, ("mode: enforce", "mode: observe"))
    said = f"{ADMIN} {NOBODY} {ADMIN_ZH}"
    with serving(small_index, tmp_path, policy=policy, gather=0.0) as served:
        served.up.script(Says(Said(said), cut=3, delay=0.005))
        streamed = served.stream()
        assert (streamed.text(), streamed.finish()) == (said, "stop")
        assert len(list(streamed.choices())) > 10
        line = served.trail()[-1]
        assert (line["outcome"], line["held_max"]) == ("passed", 0)
        assert {(v["action"], v["enforced"]) for v in line["verdicts"]} == {
            ("block", False),
            ("redact", False),
        }
        labels = {"rule": "memorised-restricted", "action": "block", "mode": "observe"}
        assert served.metric("sluicegate_verdicts_total", **labels) >= 2


@both
def test_reasoning_is_guarded_too(served: Served, request_answer: Any) -> None:
    """A secret in the model's reasoning ends the choice before its answer begins."""
    served.up.script(
        Says(Said("The answer is 4.", reasoning="They ask about 2 + 2.")),
        Says(Said("The answer is 4.", reasoning=f"I remember: {ADMIN}")),
    )
    clean = request_answer(served).choices[0]
    assert (clean.message.content, clean.message.reasoning_content) == (
        "The answer is 4.",
        "They ask about 2 + 2.",
    )
    stopped = request_answer(served).choices[0]
    assert stopped.finish_reason == "content_filter"
    assert not stopped.message.content
    said = stopped.message.reasoning_content.removeprefix("I remember: ")
    assert shared_units(ADMIN, said) <= BUDGET


@both
def test_a_refusal_of_the_model_is_guarded_too(served: Served, request_answer: Any) -> None:
    """The model's own refusal passes where it is clean; a secret in it is stopped like any other text."""
    served.up.script(Says(Said(refusal="I would rather not.")), Says(Said(refusal=f"I cannot say {ADMIN}")))
    clean = request_answer(served).choices[0]
    assert (clean.message.refusal, clean.finish_reason) == ("I would rather not.", "stop")
    stopped = request_answer(served).choices[0]
    assert stopped.finish_reason == "content_filter"
    assert "incident" in stopped.message.refusal
    assert shared_units(ADMIN, stopped.message.refusal) <= BUDGET


@both
def test_one_choice_of_three_is_blocked(served: Served, request_answer: Any) -> None:
    """Each choice has its own guards: one is stopped, the two others come whole."""
    served.up.script(Says(Said("First. " * 20), Said(f"Second: {ADMIN}"), Said(f"Third: {PUBLIC_ZH}")))
    choices = sorted(request_answer(served, n=3).choices, key=lambda choice: choice.index)
    assert [choice.finish_reason for choice in choices] == ["stop", "content_filter", "stop"]
    assert choices[0].message.content == "First. " * 20
    assert choices[2].message.content == f"Third: {PUBLIC_ZH}"
    assert shared_units(ADMIN, choices[1].message.content.removeprefix("Second: ")) <= BUDGET


def test_the_streaming_helper_names_the_content_filter(served: Served) -> None:
    """A program that asks the client's helper for the final answer learns that it was filtered."""
    served.up.script(Says(Said(ADMIN)))
    with (
        client(served) as made,
        made.chat.completions.stream(model="m", messages=QUESTION) as stream,  # type: ignore[arg-type]
        pytest.raises(openai.ContentFilterFinishReasonError),
    ):
        stream.get_final_completion()
