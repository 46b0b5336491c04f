"""Entities that touch, and the parts of an address."""

from __future__ import annotations

from proxy.recognizers.entities import LONGEST_ADDRESS, Entity, addresses_joined, joined, trimmed


def marked(text: str, kind: str, part: str, score: float = 0.9) -> Entity:
    """The entity at the first place of ``part`` in ``text``."""
    start = text.index(part)
    return Entity(kind, start, start + len(part), score)  # type: ignore[arg-type]


def test_an_entity_loses_punctuation_and_a_possessive() -> None:
    """Blanks, quotes and a possessive ending are no part of a name."""
    text = ' "Ada Lovelace\'s" '
    entity = trimmed(Entity("person", 0, len(text), 1.0), text)
    assert entity is not None
    assert text[entity.start : entity.end] == "Ada Lovelace"


def test_an_entity_of_punctuation_alone_is_none() -> None:
    """Nothing is left of an entity without a letter or a digit."""
    assert trimmed(Entity("person", 0, 3, 1.0), "...") is None


def test_overlapping_entities_of_a_kind_become_one() -> None:
    """Two windows that each saw half of a name give one name, with the better score."""
    both = joined([Entity("person", 5, 12, 0.6), Entity("person", 0, 8, 0.8), Entity("place", 3, 6, 0.5)])
    assert both == [Entity("person", 0, 12, 0.8), Entity("place", 3, 6, 0.5)]


def test_the_parts_of_an_address_become_one() -> None:
    """A street, a city and a postcode with only light punctuation between are one address."""
    text = "Send it to 12 High Street, Leeds\nLS1 4AP, please"
    parts = [
        marked(text, "address", "12 High Street"),
        marked(text, "place", "Leeds"),
        marked(text, "address", "LS1 4AP"),
    ]
    (address,) = addresses_joined(parts, text)
    assert (address.kind, text[address.start : address.end]) == ("address", "12 High Street, Leeds\nLS1 4AP")


def test_places_alone_stay_places() -> None:
    """A list of cities is no address."""
    text = "Paris, London"
    places = [marked(text, "place", "Paris"), marked(text, "place", "London")]
    assert addresses_joined(places, text) == places


def test_a_column_of_addresses_does_not_become_one_without_end() -> None:
    """Joining stops at the greatest length of an address."""
    text = "\n".join(f"{number} Long Winding Street" for number in range(100, 140))
    parts = [marked(text, "address", line) for line in text.split("\n")]
    made = addresses_joined(parts, text)
    assert len(made) > 1
    assert all(entity.end - entity.start <= LONGEST_ADDRESS for entity in made)


def test_words_between_keep_parts_apart() -> None:
    """Two addresses with words between them stay two."""
    text = "from 1 Oak Road to 2 Elm Road"
    parts = [marked(text, "address", "1 Oak Road"), marked(text, "address", "2 Elm Road")]
    assert addresses_joined(parts, text) == parts
