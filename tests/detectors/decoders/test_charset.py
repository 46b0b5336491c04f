"""Bytes to characters, one at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.decoders.charset import ByteText
from proxy.detectors.decoders.transducer import is_text

WRITING = st.text(st.characters(codec="utf-8").filter(is_text), min_size=1, max_size=30)


def read(text: ByteText, content: bytes) -> str | None:
    """All characters of the bytes; None where they are no text."""
    out = ""
    for start, byte in enumerate(content):
        decoded = text.push(byte, start)
        if decoded is None:
            return None
        out += "".join(character for character, _, _ in decoded)
    return out


@given(WRITING)
def test_utf8_is_read_whole(writing: str) -> None:
    """Bytes of text give the text; nothing is pending after it."""
    text = ByteText()
    assert read(text, writing.encode()) == writing
    assert text.pending is None


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_utf16_must_begin_with_common_characters(charset: str) -> None:
    """Two bytes of noise are often some letter; four in a row are not four common ones."""
    writing = "值班经理 may open it, 😀 ꙮ"
    assert read(ByteText(charset), writing.encode(charset)) == writing
    assert read(ByteText(charset), "ꙮ值班经理".encode(charset)) is None


def test_a_run_may_begin_within_a_character() -> None:
    """Up to three continuation bytes at the start are passed over, none later."""
    content = "你好".encode()
    assert read(ByteText(), content[1:]) == "好"
    assert read(ByteText(), b"\x80\x80\x80\x80") is None
    assert read(ByteText(), b"a" + content[1:]) is None


@pytest.mark.parametrize("content", [b"ab\x00", b"\x07", b"\xff\xfe", b"\xed\xa0\x80", b"a\x1b[0m"])
def test_bytes_that_are_no_text_end_the_run(content: bytes) -> None:
    """Control characters, broken sequences and surrogates are no text."""
    assert read(ByteText(), content) is None
