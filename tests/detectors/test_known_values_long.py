"""Known values that are long: found after some letters, and masked as they come."""

from __future__ import annotations

import random

from tests.detectors.conformance import cut, run_scanner
from tests.detectors.shop import make, masked
from tests.value_index import trie_of, view


def scramble(seed: int, alphabet: str, size: int) -> str:
    dice = random.Random(seed)
    return "".join(dice.choice(alphabet) for _ in range(size))


BASE64 = "ABCDEFGHIJKLMNOPqrstuvwxyz0123456789+/"
KEY_TEXT = "\n".join(["-----BEGIN PRIVATE KEY-----", *(scramble(line, BASE64, 64) for line in range(24))])


def test_a_long_value_is_masked_as_it_comes() -> None:
    """After 64 letters it is found; its mask grows over the rest, separators included, and holds no more."""
    index = trie_of({"admin": [[("private_key", KEY_TEXT)]]})
    for sizes in ((1,), (7,), (5000,)):
        assert masked(f"Key: {KEY_TEXT}\nEnd.", index, sizes=sizes) == "Key: -----[PRIVATE_KEY]\nEnd."
    findings, settled = run_scanner(lambda: make(index), list("x " + KEY_TEXT + " y"))
    assert len({f.part_of for f in findings}) == 1
    assert max(at + 1 - offset for at, offset in enumerate(settled)) < 64 + 30
    half = KEY_TEXT[:700]
    assert masked(f"Key: {half} and so on", index) == "Key: -----[PRIVATE_KEY] and so on"
    assert masked(KEY_TEXT[:50], index) == KEY_TEXT[:50]


def test_of_a_long_value_only_what_the_caller_sent_is_free() -> None:
    """Who sends the first half of a key does not get the second."""
    index = trie_of({"admin": [[("private_key", KEY_TEXT)]]})
    out = masked(KEY_TEXT, index, view(echo=("here: " + KEY_TEXT[:800],)))
    assert out.endswith("[PRIVATE_KEY]")
    free = len(out) - len("[PRIVATE_KEY]")
    assert 600 < free <= 800
    assert KEY_TEXT.startswith(out[:free])
    assert masked(KEY_TEXT, index, view(echo=(KEY_TEXT,))) == KEY_TEXT


def test_two_long_values_that_begin_alike() -> None:
    """Where one is free and the other not, they part at the next place a value is judged."""
    public, secret = KEY_TEXT[:300], KEY_TEXT[:300] + "Q" * 50 + KEY_TEXT[300:900]
    index = trie_of({"admin": [[("key", secret)]], "public": [[("key", public)]]})
    assert masked(public, index) == public
    out = masked(secret, index)
    assert out.endswith("[KEY]") and out.count("[KEY]") == 1
    assert len(out) - len("[KEY]") < 300 + 64


def test_a_value_of_a_megabyte() -> None:
    """It is kept to its limit, found, and never held beyond its first letters."""
    text = "q" + scramble(5, "abcdefghij0123456789 ", 1_000_000)
    index = trie_of({"admin": [[("secret", text)]]})
    findings, settled = run_scanner(lambda: make(index), cut(text[:6000], [500]))
    assert findings[0].span.start == 0
    assert findings[-1].span.end >= 4096
    assert max(at + 1 - offset for at, offset in enumerate(settled)) < 100
