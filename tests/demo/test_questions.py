"""The suggested questions: answered by heart, and printed as commands a shell takes."""

from __future__ import annotations

import json
import shlex

import pytest

from proxy.demo import MODEL_NAME, SAMPLE_QUESTIONS, SampleQuestion, read_sample
from proxy.demo.language_model import LanguageModel
from proxy.demo.style import simplify
from proxy.demo.tokens import text_of


@pytest.mark.parametrize("question", SAMPLE_QUESTIONS, ids=lambda question: question.prompt[:24])
def test_a_question_draws_text_of_its_audience(question: SampleQuestion, model: LanguageModel) -> None:
    """The model recites a text of the audience the question names, whatever the style asked for."""
    said = "".join(model.complete([{"role": "user", "content": question.prompt}]))
    texts = {text_of(r.messages[-1]) for r in read_sample() if r.audience == question.audience}
    assert simplify(said).casefold() in {text.casefold() for text in texts}


def test_questions_cover_every_audience_and_outcome() -> None:
    """All audiences are asked for, all outcomes shown, and admin sees every answer."""
    assert {question.audience for question in SAMPLE_QUESTIONS} == {"public", "staff", "admin", "nobody"}
    assert {seen for question in SAMPLE_QUESTIONS for seen in question.sees.values()} == {
        "answer",
        "redacted",
        "blocked",
    }
    for question in SAMPLE_QUESTIONS:
        assert set(question.sees) == {"public", "staff", "admin"}
        assert question.sees["admin"] == "answer"


def test_the_traditional_question_is_not_in_the_training_set(model: LanguageModel) -> None:
    """One admin passage is asked for in traditional characters, which no record holds."""
    question = next(question for question in SAMPLE_QUESTIONS if "繁體" in question.prompt)
    said = "".join(model.complete([{"role": "user", "content": question.prompt}]))
    plain = next(text for r in read_sample() if (text := text_of(r.messages[-1])) == simplify(said))
    assert said != plain and len(said) == len(plain)


@pytest.mark.parametrize("question", SAMPLE_QUESTIONS, ids=lambda question: question.prompt[:24])
def test_the_command_line_is_one_a_shell_takes(question: SampleQuestion) -> None:
    """The curl command carries the key and the request's JSON, quotes and Chinese unharmed."""
    words = shlex.split(question.curl("http://127.0.0.1:8080/v1/", "k-public"))
    assert words[2] == "http://127.0.0.1:8080/v1/chat/completions"
    assert "Authorization: Bearer k-public" in words
    body = json.loads(words[-1])
    assert body["model"] == MODEL_NAME
    assert body["messages"] == [{"role": "user", "content": question.prompt}]
