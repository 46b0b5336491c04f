"""Codes of one token a letter: Morse, numbers, spelling words."""

from __future__ import annotations

import pytest

from proxy.detectors.decoders.codepoints import CodePoints
from proxy.detectors.decoders.morse import Morse
from proxy.detectors.decoders.nato import Nato
from proxy.detectors.decoders.transducer import Decoder
from tests.detectors.decoders.reading import openings, readings
from tests.detectors.encodings import ENCODINGS

SECRET = "the duty manager opens the vault"


@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        ("morse", Morse()),
        ("nato", Nato()),
        ("nato-list", Nato()),
        ("decimal", CodePoints()),
        ("decimal-list", CodePoints()),
        ("code-points", CodePoints()),
        ("code-points-u", CodePoints()),
    ],
)
def test_a_run_of_tokens_is_read_from_its_start(name: str, decoder: Decoder) -> None:
    """A decoder that sees the first tokens reads the whole run."""
    raw = ENCODINGS[name].encode(SECRET)
    found = readings(decoder, raw[:32], raw[32:])
    assert [reading.replace(" ", "") for reading in found] == [SECRET.replace(" ", "")]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Alfa Tango 6 0 Delta Alfa Yankee Sierra Oscar Lima Delta ", "at60daysold"),
        ("3 Mike November Tango Hotel Sierra, 12 Mike Oscar Romeo Echo", "3mnths12more"),
        ("9 Kilo 2 Xray 7 Mike 4 Papa 1 November 8 Quebec 3 Romeo 5 Tango", "9k2x7m4p1n8q3r5t"),
    ],
)
def test_digits_stand_for_themselves_between_spelling_words(raw: str, text: str) -> None:
    """A number in a spelt text ends nothing, before the words of the alphabet or after them."""
    assert readings(Nato(), raw[:40], raw[40:]) == [text]


@pytest.mark.parametrize("name", ["decimal", "code-points", "code-points-u"])
def test_chinese_is_read_from_numbers(name: str) -> None:
    """Numbers may be bytes of UTF-8 or code points."""
    raw = ENCODINGS[name].encode("只有值班经理可以打开金库，不得单独打开")
    seen = 40 if name == "decimal" else 32
    assert "只有值班经理可以打开金库，不得单独打开" in readings(CodePoints(), raw[:seen], raw[seen:])


@pytest.mark.parametrize(
    ("decoder", "tail"),
    [
        (Morse(), "----- ..... ----- (a ruler)"),
        (Morse(), "and so on ... ... ..."),
        (Morse(), "| --- | --- | --- |"),
        (CodePoints(), "in 1987, 1991 and 2004 it was"),
        (CodePoints(), "3.14 2.71 1.41"),
        (Nato(), "we saw Romeo and Juliet in "),
        (Nato(), "Rooms 1 2 3 4 5, hotel 6 7 8, "),
    ],
)
def test_what_only_looks_like_tokens_opens_nothing(decoder: Decoder, tail: str) -> None:
    """Rulers, dots, years and a few of the words open no reading."""
    assert not openings(decoder, tail)


def test_odd_code_points_are_refused_without_raising() -> None:
    """Numbers beyond Unicode and broken tokens end the run."""
    for tail in ("U+0041 U+0042 U+0043 U+12+5 U+00", "72 101 9999999 108 "):
        readings(CodePoints(), tail)
