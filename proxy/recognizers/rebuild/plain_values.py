"""Made-up values that are no entity: dates, numbers, amounts, account numbers, addresses on the net.

May import: ``faker`` (MIT), when used. The rule that must stay true: one seeded source gives everything.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Sequence
from typing import Any

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


class PlainValues:
    """A seeded source with a Faker for each of ``locales``; ``locale`` is the one in use."""

    def __init__(self, seed: int, locales: Sequence[str]) -> None:
        faker: Any = importlib.import_module("faker")
        self.random = random.Random(seed)
        self.fakers: dict[str, Any] = {locale: faker.Faker(locale) for locale in locales}
        for number, fake in enumerate(self.fakers.values()):
            fake.seed_instance(seed + number)
        self.locale = "en_US"

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _fake(self) -> Any:
        return self.fakers[self.locale]

    def _date(self) -> str:
        day, month, year = (
            self.random.randint(1, 28),
            self.random.choice(MONTHS),
            self.random.randint(1940, 2030),
        )
        numeric = f"{year}-{MONTHS.index(month) + 1:02}-{day:02}"
        return self.random.choice(
            (f"{month} {day}", f"{day} {month} {year}", numeric, f"{month} {day}, {year}")
        )

    def _month(self) -> str:
        return self.random.choice(MONTHS)

    def _weekday(self) -> str:
        return self.random.choice(WEEKDAYS)

    def _year(self) -> str:
        return str(self.random.randint(1850, 2030))

    def _time(self) -> str:
        minutes = self.random.choice((":00", ":30", "", " "))
        return f"{self.random.randint(1, 12)}{minutes}{self.random.choice('ap')}m"

    def _num1(self) -> str:
        return str(self.random.randint(1, 9))

    def _num2(self) -> str:
        return str(self.random.randint(10, 99))

    def _num3(self) -> str:
        return str(self.random.randint(100, 999))

    def _num4(self) -> str:
        return str(self.random.randint(1000, 9999))

    def _amount(self) -> str:
        number = self.random.choice(
            (f"{self.random.randint(1, 9999)}.{self.random.randint(10, 99)}", self._num3())
        )
        return self.random.choice(
            (f"${number}", f"{number} euros", f"£{number}", f"{number} USD", f"${number} million")
        )

    def _phone(self) -> str:
        fake = getattr(self._fake(), "phone_number", None) or self.fakers["en_US"].phone_number
        return str(fake())

    def _email(self) -> str:
        return str(self.fakers["en_US"].email())

    def _url(self) -> str:
        return str(self.fakers["en_US"].url())

    def _user(self) -> str:
        return str(self.fakers["en_US"].user_name())

    def _iban(self) -> str:
        return str(self.fakers["en_US"].iban())

    def _card(self) -> str:
        return str(self.fakers["en_US"].credit_card_number())

    def _ssn(self) -> str:
        return str(self.fakers["en_US"].ssn())

    def _id(self) -> str:
        return f"{self.random.choice(('#', '', 'ORD-', 'INV', 'A'))}{self.random.randint(1000, 9999999)}"
