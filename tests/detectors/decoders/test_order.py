"""Whether words stand in the opposite order."""

from __future__ import annotations

from proxy.detectors.decoders.order import letters_begin, words_begin, words_gate


class Known:
    """Says yes to what begins with the first twelve characters of one of these texts."""

    def __init__(self, *texts: str) -> None:
        self._heads = {text[:12] for text in texts}

    def begins(self, text: str) -> bool:
        head = text[:12]
        return len(head) == 12 and head in self._heads

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
    known = Known(*("".join(words[at:]) for at in range(len(words))))
    backwards = " ".join(reversed(words))
    assert words_begin(f"Well: {backwards} ", known)
    assert words_begin(f"{backwards} ye", known), "a word that goes on is not asked for"
    assert not words_begin(f"{secret} and more of ", known)
    assert not words_begin("one the night shift keeps ", Known("keepsshiftnight"))
    assert not words_begin("", known)
    assert not words_begin("thenightshift", Known("thenightshift")), "it goes on"


def test_letters_in_the_opposite_order_begin_as_the_text_does() -> None:
    """The last letters, read the other way round, are asked for, however many signs stand between them."""
    secret = "thenightshiftkeepsthespare"
    known = Known(*(secret[at:] for at in range(len(secret))))
    assert letters_begin("so: " + secret[::-1], known)
    assert letters_begin("so: " + secret[4:][::-1], known)
    assert not letters_begin(secret, known)
    assert not letters_begin("so: " + secret[::-1], Known(secret)), "one chance hit"
    assert not letters_begin("", known)
