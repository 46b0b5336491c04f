"""Made-up values for the slots of templates: people, organisations, addresses, and what is no entity.

May import: ``faker`` (MIT), when used. The rule that must stay true: values come from one seeded source,
in the order they are asked for, so a seed gives the same sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .plain_values import PlainValues

Mark = tuple[int, int, str]
"""``(start, end, label)`` with the label one of PER, LOC, ORG, ADDR."""

LOCALES = (
    *[
        "en_US",
        "en_GB",
        "en_AU",
        "en_CA",
        "en_IN",
        "en_IE",
        "en_NZ",
        "de_DE",
        "de_AT",
        "de_CH",
        "fr_FR",
        "fr_CH",
        "it_IT",
        "es_ES",
        "es_MX",
    ],
    *[
        "es_AR",
        "es_CO",
        "pt_BR",
        "pt_PT",
        "nl_NL",
        "nl_BE",
        "sv_SE",
        "no_NO",
        "da_DK",
        "fi_FI",
        "pl_PL",
        "cs_CZ",
        "sk_SK",
        "hu_HU",
    ],
    *["hr_HR", "sl_SI", "ro_RO", "lt_LT", "lv_LV", "et_EE", "tr_TR", "id_ID", "vi_VN", "en_PH", "el_GR"],
)
ENGLISH = ("en_US", "en_US", "en_US", "en_GB", "en_AU", "en_CA")
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
SLOT = re.compile(r"\{(\w+)\}")
LABELS = {"person": "PER", "first": "PER", "last": "PER", "org": "ORG", "street": "ADDR", "unit": "ADDR"}
LABELS |= {"zip": "ADDR", "city": "LOC", "country": "LOC", "state": "LOC", "place": "LOC", "statecode": "LOC"}


class Values(PlainValues):
    """A seeded source of values. ``words``: the word lists of words.txt by section."""

    def __init__(self, seed: int, words: Mapping[str, list[str]]) -> None:
        super().__init__(seed, (*LOCALES, "en_US"))
        self.words = words

    def change_locale(self) -> None:
        """Names and addresses of one sentence come from one country, mostly."""
        self.locale = self.random.choice(LOCALES if self.random.random() < 0.65 else ENGLISH)

    def slot(self, name: str) -> tuple[str, list[Mark]]:
        """A value for the slot ``name`` and the entities in it."""
        if name in ("address", "address_lines"):
            return self._address(lines=name == "address_lines")
        maker: Callable[[], str] = getattr(self, f"_{name}", None) or (lambda: self._pick(name))
        value = maker().strip().replace("\n", ", ")
        return value, [(0, len(value), LABELS[name])] if name in LABELS else []

    def _pick(self, section: str) -> str:
        return self.random.choice(self.words[section])

    # --- people ---

    def _first(self) -> str:
        return self._pick("romanised_first") if self._chance(0.15) else str(self._fake().first_name())

    def _last(self) -> str:
        return self._pick("romanised_last") if self._chance(0.15) else str(self._fake().last_name())

    def _person(self) -> str:
        dice = self.random.random()
        if dice < 0.08:
            return self._first()
        if dice < 0.2:
            return f"{self._pick('romanised_first')} {self._pick('romanised_last')}"
        first, last = str(self._fake().first_name()), str(self._fake().last_name())
        if dice < 0.32:
            middle = self.random.choice("ABCDEFGHIJKLMNOPRSTUVWZ")
            return f"{first} {middle}{'.' if self._chance(0.6) else ''} {last}"
        if dice < 0.37:
            return f"{last}, {first}"
        if dice < 0.42:
            return f"{first} {last}-{self._fake().last_name()}"
        return f"{first} {last}"

    # --- organisations ---

    def _org(self) -> str:
        dice = self.random.random()
        if dice < 0.22:
            return self._pick("organisation")
        if dice < 0.34:
            return self._institution()
        if dice < 0.52:
            return self._family_firm()
        return self._brand()

    def _institution(self) -> str:
        text = self._pick("institution")
        return SLOT.sub(lambda m: self.slot(m.group(1))[0], text)

    def _family_firm(self) -> str:
        last = self._fake().last_name
        shape = self.random.randrange(6)
        if shape == 0:
            return f"{last()}, {last()} and {last()}"
        if shape == 1:
            return f"{last()}-{last()}"
        if shape == 2:
            return f"{last()} & {last()}"
        if shape == 3:
            return str(self._fake().company())
        return f"{last()} {self._pick('company_suffix' if shape == 4 else 'company_noun')}"

    def _brand(self) -> str:
        shape = self.random.randrange(8)
        if shape == 0:
            name = "".join(self.random.sample(self.words["acronym_letters"], self.random.randint(2, 5)))
        elif shape in (1, 2):
            name = self._pick("company_word") + self._pick("company_word").lower()
        elif shape == 3:
            name = self._pick("company_word") + self._pick("company_word")
        elif shape == 4:
            name = f"{self._pick('company_word')} {self._pick('company_word')}"
        else:
            parts = [self._pick("company_syllable") for _ in range(self.random.randint(1, 3))]
            name = ("".join(parts) + self._pick("company_ending")).capitalize()
        if self._chance(0.3):
            name = f"{name} {self._pick('company_noun')}"
        if self._chance(0.2):
            name = f"{name} {self._pick('company_suffix')}"
        return f"The {name}" if self._chance(0.04) else name

    # --- places and addresses ---

    def _city(self) -> str:
        name = self._pick("city") if self._chance(0.5) else str(self._fake().city())
        return name.upper() if self._chance(0.06) else name

    def _country(self) -> str:
        return self._pick("country") if self._chance(0.6) else str(self.fakers["en_US"].country())

    def _state(self) -> str:
        return str(self.fakers[self.random.choice(("en_US", "en_AU", "en_CA"))].administrative_unit())

    def _place(self) -> str:
        maker = self.random.choice(
            (self._city, self._city, self._country, self._state, lambda: self._pick("place"))
        )
        return maker()

    def _zip(self) -> str:
        return str(self._fake().postcode())

    def _number(self) -> str:
        suffix = self.random.choice(("", "", "", "", "A", "b", "/2", "-3"))
        return f"{self.random.randint(1, 10 ** self.random.randint(1, 5))}{suffix}"

    def _street(self) -> str:
        dice = self.random.random()
        if dice < 0.45:
            road = f"{self._pick('street_word')} {self._pick('street_kind')}"
            if self._chance(0.25):
                road = f"{self._fake().last_name()} {self._pick('street_kind')}"
            return road if self._chance(0.15) else f"{self._number()} {road}"
        if dice < 0.52:
            return f"{self.random.choice(('P.O. Box', 'PO Box', 'PSC'))} {self._number()}"
        street = str(self._fake().street_address())
        if dice < 0.62:  # the name of a street alone, or with a number in front of it
            street = str(self._fake().street_name())
            return street if self._chance(0.5) else f"{self._number()} {street}"
        return street

    def _unit(self) -> str:
        kind = self.random.choice(("Apt.", "Apt", "Suite", "Unit", "Flat", "Floor", "#", "Room", "Ste"))
        return f"{kind} {self.random.randint(1, 999)}"

    def _address(self, *, lines: bool) -> tuple[str, list[Mark]]:
        parts: list[tuple[str, str]] = [(self._street().replace("\n", " "), "ADDR")]
        if self._chance(0.35):
            parts.append((self._unit(), "ADDR"))
        parts.append((self._city(), "LOC"))
        dice = self.random.random()
        if dice < 0.35:
            parts += [
                (self._pick("statecode") if self._chance(0.7) else self._state(), "LOC"),
                (self._zip(), "ADDR"),
            ]
        elif dice < 0.6:
            parts.append((self._zip(), "ADDR"))
        elif dice < 0.75:
            parts.insert(-1, (self._zip(), "ADDR"))
        if self._chance(0.3):
            parts.append((self._country(), "LOC"))
            if self._chance(0.2):
                parts.append((self._zip(), "ADDR"))
        return self._join(parts, lines=lines)

    def _join(self, parts: list[tuple[str, str]], *, lines: bool) -> tuple[str, list[Mark]]:
        """Join parts as people do: by commas, line breaks or only blanks; a postcode mostly by a blank."""
        glue = (
            self.random.choice(("\n", "\n ", "\n   ", ", \n"))
            if lines
            else self.random.choice((", ", ", ", " "))
        )
        text, marks = "", list[Mark]()
        for value, label in parts:
            code = label == "ADDR" and value[:1].isdigit() and len(value) < 10
            if text:
                text += " " if code and self._chance(0.6) else glue
            marks.append((len(text), len(text) + len(value), label))
            text += value
        return text, marks
