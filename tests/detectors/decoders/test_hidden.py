"""Text in characters that no reader sees, and braille, whose cells stand between others in the same way."""

from __future__ import annotations

import pytest

from proxy.detectors.decoders.braille import Braille, BrailleText
from proxy.detectors.decoders.hidden import Hidden, SelectorText, TagText
from tests.detectors.decoders.reading import openings, read, readings, text
from tests.detectors.encodings import ENCODINGS

SECRET = "the duty manager opens the vault"


@pytest.mark.parametrize("name", ["tags", "tags-between", "selectors", "zero-width", "invisible-operators"])
def test_hidden_text_is_read_among_visible_letters(name: str) -> None:
    """What stands between its characters does not matter."""
    raw = ENCODINGS[name].encode(SECRET)
    mixed = "".join(letter + sign for letter, sign in zip(raw, "plain " * len(raw), strict=False))
    assert SECRET in readings(Hidden(), mixed[:24], mixed[24:])


def test_visible_text_opens_nothing() -> None:
    """Nothing opens without a character of a hidden channel."""
    assert not openings(Hidden(), "No tags in here, café, 你好.")
    assert not openings(Braille(), "No cells in here, café, 你好.")


def test_emoji_do_not_spoil_what_follows() -> None:
    """The selector of an emoji is no text; what is hidden after it is read."""
    raw = "\u2764\ufe0f fine " + ENCODINGS["selectors"].encode(SECRET)
    assert text(read(SelectorText(), raw)[0]) == SECRET


def test_a_channel_that_falls_silent_is_closed() -> None:
    """After a while without its characters a reading ends, whatever is held."""
    reader = TagText()
    read(reader, "a" + ENCODINGS["tags"].encode("x"))
    assert not reader.expired("", 200, True)
    assert reader.expired("", 400, True)


def test_braille_digits_follow_the_number_sign() -> None:
    """Letters a to j after the number sign are digits, up to the next blank cell."""
    assert text(read(BrailleText(), "⠗⠕⠕⠍⠀⠼⠃⠁⠉⠀⠁")[0]) == "room213a"
