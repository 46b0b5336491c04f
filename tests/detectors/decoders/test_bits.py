"""Codes of a fixed number of bits a symbol: base64, base32, hex, binary."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.detectors.decoders.base32 import Base32
from proxy.detectors.decoders.base64 import Base64
from proxy.detectors.decoders.binary import Binary
from proxy.detectors.decoders.bits import BitRun, Code
from proxy.detectors.decoders.hexadecimal import Hexadecimal
from proxy.detectors.decoders.transducer import BUDGET, STRIDE, Decoder
from tests.detectors.decoders.reading import openings, read, readings, text
from tests.detectors.encodings import ENCODINGS

SECRET = "Only the duty manager may open the vault, and never alone."
CHINESE = "只有值班经理可以打开金库，而且任何时候都不得单独打开。"
DECODERS: dict[str, Decoder] = {
    "base64": Base64(),
    "utf7": Base64(),
    "base32": Base32(),
    "hex": Hexadecimal(),
    "binary": Binary(),
}
NAMES = [
    name
    for name in ENCODINGS
    if name.split("-")[0] in DECODERS and "-of-" not in name and "twice" not in name
]


@pytest.mark.parametrize("secret", [SECRET, CHINESE])
@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_read_from_its_first_or_second_character_on(name: str, secret: str) -> None:
    """A decoder that sees a run from its start reads all of it but what a wrong start hides."""
    raw = ENCODINGS[name].encode(secret)
    decoder = DECODERS[name.split("-")[0]]
    seen = raw[: BUDGET + (STRIDE if name == "hex-0x-list" else 0)]
    found = readings(decoder, seen, raw[len(seen) :])
    assert any(secret[3:] in reading for reading in found), found


@pytest.mark.parametrize("name", NAMES)
def test_a_run_opens_within_the_budget(name: str) -> None:
    """Whatever stands before it, a decoder opens at a look-out point at most 24 raw characters on."""
    raw = ENCODINGS[name].encode(SECRET)
    decoder = DECODERS[name.split("-")[0]]
    longest = BUDGET + (STRIDE if name == "hex-0x-list" else 0)
    for before in ("", "See here: ", "the old ones, or\n", "key="):
        tail = (before + raw)[: len(before) + longest]
        assert openings(decoder, tail), tail


def test_every_byte_phase_is_read() -> None:
    """A run whose beginning is hidden in other symbols is read in each of its groupings."""
    for size in range(1, 8):
        raw = "Qz7kMx8"[:size] + base64.b64encode(SECRET.encode()).decode()
        assert any(SECRET[6:40] in reading for reading in readings(Base64(), raw[:40], raw[40:]))


def test_padding_in_the_middle_begins_a_new_group() -> None:
    """Two runs set one after the other are read as one text."""
    raw = base64.b64encode(b"the first of them, ").decode() + base64.b64encode(b"and the second").decode()
    assert "=" in raw[:-4]
    assert readings(Base64(), raw[:24], raw[24:]) == ["the first of them, and the second"]


@pytest.mark.parametrize("decoder", [Base64(), Base32(), Hexadecimal()])
def test_noise_opens_nothing_that_goes_on(decoder: Decoder) -> None:
    """Of random bytes nothing is read for long."""
    rng = random.Random(3)
    longest = 0
    for _ in range(200):
        noise = rng.randbytes(60)
        raw = {
            "base64": base64.b64encode(noise).decode(),
            "base32": base64.b32encode(noise).decode(),
            "hex": noise.hex(),
        }[decoder.name]
        for opening in openings(decoder, raw[:40]):
            _, end = read(opening.make(), raw[opening.start :])
            longest = max(longest, end - (40 - opening.start))
    assert longest < 24


@given(st.binary(max_size=40))
def test_any_bytes_give_their_text_or_end_the_run(content: bytes) -> None:
    """What is read of a run is what its bytes say, up to the first that says nothing."""
    code = Code(
        name="hex", values={digit: int(digit, 16) for digit in "0123456789abcdef"}, bits=4, cycle=2, least=2
    )
    decoded, end = read(BitRun(code), content.hex())
    try:
        whole = content.lstrip(bytes(range(0x80, 0xC0))).decode()
    except UnicodeDecodeError:
        assert (
            end < 2 * len(content)
            or not content.lstrip(bytes(range(0x80, 0xC0))).decode("utf-8", "ignore")
            or decoded
        )
    else:
        assert whole.startswith(text(decoded))


def test_places_are_those_of_the_first_symbol_that_carries_a_character() -> None:
    """Each character begins in the raw character that has its first bit."""
    (opening,) = openings(Base64(), base64.b64encode(SECRET.encode()).decode()[:24])
    decoded, _ = read(opening.make(), base64.b64encode(SECRET.encode()).decode())
    assert [start for _, start, _ in decoded[:6]] == [0, 1, 2, 4, 5, 6]
    assert text(decoded) == SECRET
