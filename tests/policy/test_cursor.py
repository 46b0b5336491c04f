"""proxy/policy/cursor.py: one value is read, or one fault noted."""

from __future__ import annotations

import pytest

from proxy.policy.cursor import Cursor, meant
from proxy.policy.tree import Faults, read


def at(text: str) -> Cursor:
    faults = Faults("p")
    return Cursor(read(text, faults), "here", 1, faults)


def messages(cursor: Cursor) -> list[str]:
    return [message for _, _, message in cursor.faults.found]


def test_meant_guesses_whatever_the_case() -> None:
    """A near miss is guessed, upper and lower case apart; a far one only gets the list."""
    assert meant("PUBLC", ["public", "staff"]) == '; did you mean "public"? (known: public, staff)'
    assert meant("zzz", ["public"]) == " (known: public)"
    assert meant("zzz", []) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]", "expected text, got a list"),
        ("{a: b}", "expected text, got a mapping"),
        ("~", "expected text, got nothing"),
        ("no", 'expected text, got "no", which YAML reads as false; text needs quotes'),
        ("12", "expected text, got the number 12; text needs quotes"),
        ("1:30", 'expected text, got "1:30" (YAML reads "1:30" as a number or a truth value'),
        ("' '", "is blank"),
        ('"\\uD800"', "holds half of a surrogate pair; write the character itself"),
    ],
)
def test_what_is_no_text_is_named(text: str, message: str) -> None:
    """Each other kind of value is told apart, with the way out."""
    cursor = at(text)
    assert cursor.text() is None
    assert messages(cursor)[0].startswith(message)
    assert len(messages(cursor)) == 1


def test_secret_text_is_not_shown() -> None:
    """Where the value may not be repeated, the message does not."""
    cursor = at("12345")
    assert cursor.text(secret=True) is None
    assert messages(cursor) == ["expected text in quotes"]


def test_numbers_and_truths_are_not_mixed_up() -> None:
    """True is no 1, and 1 is not true."""
    assert at("5").number(1, 5) == 5
    assert at("yes").truth() is True
    for cursor in (at("yes"), at("'5'"), at("[5]")):
        assert cursor.number(1, 5) is None
        assert messages(cursor)[0].startswith("expected a whole number from 1 to 5")
    for cursor in (at("1"), at("'true'"), at("{a: b}")):
        assert cursor.truth() is None
        assert messages(cursor)[0].startswith("expected true or false")


def test_choices_keep_the_good_ones() -> None:
    """Unknown, refused and doubled members are noted, each at its index; the others are returned."""
    cursor = at("[a, x, b, a, z]")
    assert cursor.choices(["a", "b"], "letter", {"z": "never z"}) == ["a", "b"]
    assert [(path, message) for _, path, message in cursor.faults.found] == [
        ("here[1]", '"x" is no letter (known: a, b)'),
        ("here[3]", '"a" stands in this list twice'),
        ("here[4]", "never z"),
    ]


def test_fields_are_closed() -> None:
    """Known keys are returned; unknown and missing ones are noted."""
    cursor = at("a: 1\nbb: 2")
    assert set(cursor.fields(["a", "b"], required=["a", "c"])) == {"a"}
    assert [path for _, path, _ in cursor.faults.found] == ["here.bb", "here.c"]


def test_entries_are_open_but_not_empty() -> None:
    """A mapping with free keys gives its keys in order; an empty one is a fault."""
    assert [key for key, _ in at("b: 1\na: 2").entries()] == ["b", "a"]
    cursor = at("{}")
    assert cursor.entries() == []
    assert messages(cursor) == ["is empty; leave it out or fill it in"]
