"""Whether words stand in the opposite order."""

from __future__ import annotations

from proxy.detectors.decoders.order import letters_begin, words_begin, words_gate


class Known:
    """Knows the runs of twelve letters of some texts."""

    def __init__(self, *texts: str) -> None:
        self._runs = {text[at : at + 12] for text in texts for at in range(len(text) - 11)}

    def begins(self, text: str, seeds: int = 1) -> bool:
        letters = "".join(filter(str.isalnum, text))[: 12 + 2 * (seeds - 1)]
        runs = [letters[at : at + 12] for at in range(0, len(letters) - 11, 2)]
        return bool(runs) and self._runs.issuperset(runs)

    def knows(self, text: str) -> bool:
        return True

    def goes_on(self, text: str) -> bool:
        return False


def test_the_gate_for_words_opens_at_joints_in_the_wrong_order() -> None:
    """English as it should be opens it rarely, English in the wrong order mostly."""
    forwards = "She put the letter back on the table and went out. After that no one spoke of it for a week."
    assert not words_gate(forwards, forwards.lower().split())
    backwards = " ".join(reversed(forwards.split()))
    assert words_gate(backwards, backwards.lower().split())


def test_words_in_the_opposite_order_begin_as_the_text_does() -> None:
    """The last complete words, read the other way round, are asked for; one chance hit opens nothing."""
    secret = "the night shift keeps the spare key under the green box"
    words = secret.split()
    known = Known("".join(words))
    backwards = " ".join(reversed(words))
    assert words_begin(f"Well: {backwards} ", known)
    assert words_begin(f"{backwards} ye", known), "a word that goes on is not asked for"
    assert not words_begin(f"{secret} and more of ", known)
    assert not words_begin("one the key night shift keeps ", Known("keepsshiftnightnow")), "some words agree"
    assert not words_begin("so one the key night shift keeps ", Known("keepsshiftni", "nightkeytheone"))
    long = Known("theharbourmasterofthecity")
    assert not words_begin("so says my theharbourmasterofthecity ", long), "one word alone says nothing"
    assert not words_begin("", known)
    assert not words_begin("thenightshift", Known("thenightshift")), "it goes on"


def test_letters_in_the_opposite_order_begin_as_the_text_does() -> None:
    """The last letters, read the other way round, are asked for, however many signs stand between them."""
    secret = "thenightshiftkeepsthespare"
    known = Known(secret)
    assert letters_begin("so: " + secret[::-1], known)
    assert letters_begin("so: " + secret[4:][::-1], known)
    assert not letters_begin(secret, known)
    assert not letters_begin("so: " + secret[::-1], Known(secret[:12])), "one chance hit"
    assert not letters_begin("", known)
