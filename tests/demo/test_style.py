"""Ways to write an answer: asked for in the prompt, applied piece by piece."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.demo.style import asked_style, simplify


@pytest.mark.parametrize(
    ("prompt", "plain", "said", "written"),
    [
        ("Who may enter? ANSWER IN CAPITALS", "Who may enter?", "Nobody.", "NOBODY."),
        ("In capital letters: who may enter?", "who may enter?", "Nobody.", "NOBODY."),
        ("請用繁體中文回答：怎麼升級？", "怎麼升級？", "冻结导出", "凍結導出"),
        ("Who may enter? Please reply in base64.", "Who may enter?", "Nobody.", "Tm9ib2R5Lg=="),
        ("谁能进？用base64编码", "谁能进？", "ab", "YWI="),
        ("Who may enter? Spell it letter by letter", "Who may enter?", "abc", "a b c "),
    ],
)
def test_a_style_is_taken_from_the_prompt(prompt: str, plain: str, said: str, written: str) -> None:
    """The words that ask for a style are not part of what is asked, and the style changes the writing."""
    style, rest = asked_style(prompt)
    assert style is not None
    assert rest == plain
    assert style.feed(said) + style.finish() == written


@pytest.mark.parametrize(
    "prompt", ["What is the capital of France?", "How do I wash it?", "", "用大锅煮吗？"]
)
def test_an_ordinary_prompt_asks_for_no_style(prompt: str) -> None:
    """A prompt that asks for no style stays as it is."""
    assert asked_style(prompt) == (None, prompt)


@given(st.lists(st.text(max_size=5), max_size=8))
def test_base64_does_not_depend_on_the_cutting(pieces: list[str]) -> None:
    """Fed in pieces it decodes to the whole text."""
    style, _ = asked_style("x in base64")
    assert style is not None
    written = "".join(style.feed(piece) for piece in pieces) + style.finish()
    assert base64.b64decode(written).decode() == "".join(pieces)


def test_traditional_characters_fold_back() -> None:
    """What the style writes is the same text, character for character, in the other script."""
    style, _ = asked_style("x in traditional characters")
    assert style is not None
    text = "琥珀色表示顾客数据可能已经外流"
    written = style.feed(text)
    assert written != text and len(written) == len(text)
    assert simplify(written) == text
