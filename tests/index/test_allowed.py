"""proxy/index/allowed.py: a text is kept as hashes that free its runs, and tell nothing without the key."""

from __future__ import annotations

import pytest

from proxy.errors import ConfigError
from proxy.grams import GramKey
from proxy.index.allowed import LONGEST, AllowedTexts, Hashes, either, either_selects, hashes_of
from tests.training import ADMIN, ADMIN_ZH, STAFF

KEY = GramKey("the key of these tests, long enough")
RUN = 20


def runs(text: str) -> list[int]:
    return KEY.arrays(KEY.seed_array(KEY.codes(text)), RUN).tolist()


@pytest.mark.parametrize("text", [ADMIN, ADMIN_ZH])
def test_every_run_of_the_text_is_free(text: str) -> None:
    """In any case and with any marks, as the stream is read; another text is not."""
    texts = AllowedTexts([hashes_of([text.upper()], KEY, RUN)], KEY, RUN)
    contains, select = texts.runs(), texts.seeds()
    assert contains is not None and select is not None
    assert all(map(contains, runs(text)))
    assert not any(map(contains, runs(STAFF)))
    seeds = KEY.seed_array(KEY.codes(text)).tolist()
    assert select(seeds) == list(range(len(seeds)))
    assert select(KEY.seed_array(KEY.codes(STAFF)).tolist()) == []


def test_hashes_as_bytes() -> None:
    """There and back; anything else is refused."""
    made = hashes_of([ADMIN, STAFF], KEY, RUN)
    data = made.to_bytes()
    assert Hashes.from_bytes(data) == made
    assert len(data) < 40 * len(ADMIN + STAFF)
    for wrong in (b"", data[:-1], data + b"\0", b"x" + data[1:], data[:4] + b"\x09" + data[5:]):
        with pytest.raises(ValueError, match="not an allowed text"):
            Hashes.from_bytes(wrong)


def test_no_run_crosses_two_texts() -> None:
    """What one text ends with and the other begins with stays shut."""
    made = hashes_of([ADMIN, STAFF], KEY, RUN)
    joined = runs(ADMIN + STAFF)
    assert sum(each not in made.runs for each in joined) == RUN - 1


def test_runs_of_another_length_free_nothing() -> None:
    """A text that was hashed for another exempt_run does not count."""
    texts = AllowedTexts([hashes_of([ADMIN], KEY, 24)], KEY, RUN)
    assert (texts.runs(), texts.seeds(), texts.texts) == (None, None, 0)


@pytest.mark.parametrize("text", ["", "Too short, really.", "x" * (LONGEST + 1)])
def test_a_text_that_cannot_be_allowed(text: str) -> None:
    """One that frees nothing, and one that is too long, are said to be so."""
    with pytest.raises(ConfigError, match=r"too short|at most"):
        hashes_of([text], KEY, RUN)


def test_sets_together() -> None:
    """Either of two sets, or the one that is there."""
    one, other = {1}.__contains__, {2}.__contains__
    assert either(None, None) is None
    assert either(one, None) is one
    both = either(one, other)
    assert both is not None and [both(n) for n in (1, 2, 3)] == [True, True, False]

    def first(grams: object) -> list[int]:
        return [0, 2]

    def second(grams: object) -> list[int]:
        return [1, 2]

    assert either_selects(None, first) is first
    selected = either_selects(first, second)
    assert selected is not None and selected(()) == [0, 1, 2]
