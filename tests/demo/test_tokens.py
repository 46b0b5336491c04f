"""Text to tokens: nothing is lost, and no text can spell a marker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.demo.tokens import ARGUMENTS, ASSISTANT, CALL, END, TOOL, USER, heard, tokenize, topic, words

MARKERS = {USER, TOOL, ASSISTANT, CALL, ARGUMENTS, END}


@given(st.text())
def test_join_of_tokens_is_the_text(text: str) -> None:
    """Cutting a text loses no character, whatever the text."""
    assert "".join(tokenize(text)) == text


@given(st.lists(st.sampled_from([*MARKERS, "松港", " harbour", "12345", "\n", "é", "𠮷"])).map("".join))
def test_no_text_spells_a_marker(text: str) -> None:
    """A caller who types a marker's name does not get the marker."""
    assert "".join(tokenize(text)) == text
    assert not MARKERS.intersection(tokenize(text))


def test_what_a_token_is() -> None:
    """A word takes the blank before it; digits come by three; a Han character stands alone."""
    assert tokenize("Order 12345, 松港!") == ["Order", " ", "123", "45", ",", " ", "松", "港", "!"]
    assert tokenize("two words") == ["two", " words"]


def test_words_are_caseless_and_fold_traditional_characters() -> None:
    """Capitals, a plural's s and the other Chinese script name the same thing."""
    assert words("Refunds ABOVE") == words("refund above")
    assert words("門店營業") == words("门店营业")
    assert "门店" in words("门店营业")


def test_topic_fades_with_distance() -> None:
    """Words of earlier messages count less than those of the last, and system messages do not count."""
    chat = [
        {"role": "system", "content": "secret"},
        {"role": "user", "content": "glove"},
        {"role": "assistant", "content": "which floor"},
        {"role": "user", "content": "first floor"},
    ]
    bag = topic(chat)
    assert bag["first"] > bag["which"] > bag["glove"] > 0
    assert "secret" not in bag


def test_a_chat_becomes_markers_and_tokens() -> None:
    """Roles, calls and the end of an answer are markers; parts of a message's content are joined."""
    call = {"function": {"name": "find", "arguments": "{}"}}
    assert list(heard({"role": "user", "content": [{"type": "text", "text": "hi"}]})) == [USER, "hi"]
    assert list(heard({"role": "assistant", "content": "yes"})) == [ASSISTANT, "yes", END]
    said = list(heard({"role": "assistant", "content": None, "tool_calls": [call]}))
    assert said == [ASSISTANT, CALL, "find", ARGUMENTS, "{", "}", END]
