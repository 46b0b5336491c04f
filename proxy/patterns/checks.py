"""Check digits and other arithmetic that tells a value from a number that looks like one.

May import: the standard library only. The rule that must stay true: each function takes any string of the
characters its docstring names, and never raises.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

Check = Callable[[str], bool]

LETTERS_AND_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CREDIT_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_REGIONS = frozenset(
    re.findall("..", "1112131415212223313233343536374142434445465051525354616263646571818283")
)
"""The first two digits of a Chinese resident id: its province (GB/T 2260)."""

IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        "(..)([0-9][0-9])",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18"
        "FK18FO18FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20"
        "LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31"
        "SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30",
    )
}
"""Characters of an IBAN by country (SWIFT IBAN registry)."""


def digits(text: str) -> str:
    """The ASCII digits of a text."""
    return "".join(c for c in text if "0" <= c <= "9")


def luhn(number: str) -> bool:
    """Whether the last of some digits is right (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card(text: str) -> bool:
    """A payment card: the issuer's first digits, its length and the check digit."""
    number = digits(text)
    if len(set(number)) < 2 or not _issued(number) or not luhn(number):
        return False
    return number[1:] != "0" * (len(number) - 1)


def _issued(number: str) -> bool:
    """Whether an issuer gives out numbers of this beginning and length (ISO/IEC 7812)."""
    size, two, three, four = len(number), int(number[:2]), int(number[:3]), int(number[:4])
    if number[0] == "4":
        return size in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return size == 16
    if two in (34, 37):
        return size == 15
    if two in (62, 81) or four in (6013, 9558, 9559):  # UnionPay, and Chinese banks before it
        return 16 <= size <= 19
    if four == 6011 or 644 <= three <= 649 or two == 65:
        return 16 <= size <= 19
    if 3528 <= four <= 3589:
        return 16 <= size <= 19
    if 300 <= three <= 305 or three == 309 or two in (36, 38, 39):
        return size in (14, 16)
    if four in (2131, 1800):
        return size == 15
    return (two in (50, 63, 67) or 56 <= two <= 58) and 12 <= size <= 19


def iban_length(text: str) -> int:
    """How many characters at the start of a text are an IBAN: 0 if none (ISO 13616, mod 97)."""
    plain = ""
    wanted = IBAN_LENGTHS.get(text[:2].upper(), 0)
    for place, character in enumerate(text):
        if character.isalnum():
            plain += character.upper()
        if wanted and len(plain) == wanted:
            turned = plain[4:] + plain[:4]
            return place + 1 if int("".join(str(int(c, 36)) for c in turned)) % 97 == 1 else 0
    return 0


def us_ssn(text: str) -> bool:
    """A US social security number that can have been given out (SSA, randomised since 2011)."""
    number = digits(text)
    area, group, serial = number[:3], number[3:5], number[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return False
    return number not in ("123456789", "078051120", "219099999") and len(set(number)) > 1


def _day(year: int, month: int, day: int) -> bool:
    longest = 28 + (year % 4 == 0) if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    return 1 <= month <= 12 and 1 <= day <= longest


def cn_id(text: str) -> bool:
    """A Chinese resident id of 18 characters: province, date of birth, check digit (GB 11643-1999)."""
    number = "".join(c for c in text.upper() if c.isalnum())
    if len(number) != 18 or number[:2] not in _REGIONS or not number[:17].isdigit():
        return False
    if not 1850 <= int(number[6:10]) <= 2100 or not _day(
        *map(int, (number[6:10], number[10:12], number[12:14]))
    ):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, _ID_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == number[17]


def cn_id_old(text: str) -> bool:
    """A Chinese resident id of 15 digits, given out until 1999: province and date of birth."""
    number = digits(text)
    return (
        len(number) == 15
        and number[:2] in _REGIONS
        and _day(1900 + int(number[6:8]), int(number[8:10]), int(number[10:12]))
    )


def cn_company(text: str) -> bool:
    """A unified social credit code: department, region, check sign (GB 32100-2015)."""
    code = text.upper()
    if len(code) != 18 or not set(code) <= set(_CREDIT_SIGNS) or code[2:4] not in _REGIONS | {"10"}:
        return False
    total = sum(
        _CREDIT_SIGNS.index(sign) * weight for sign, weight in zip(code, _CREDIT_WEIGHTS, strict=False)
    )
    return _CREDIT_SIGNS[(31 - total % 31) % 31] == code[17]


def ipv4(text: str) -> bool:
    """A public IPv4 address: not a private, local or reserved one, and no version number."""
    first, second, third, last = (int(part) for part in text.split("."))
    if max(first, second, third, last) > 255 or first in (0, 10, 127) or first >= 224 or last == 0:
        return False
    local = (first, second) in ((192, 168), (169, 254)) or (first == 172 and 16 <= second <= 31)
    return not local and (first > 20 or max(second, third, last) > 40)


def entropy(text: str) -> float:
    """Shannon's entropy of the characters of a text, in bits a character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values()) if size else 0.0


def plate(text: str) -> bool:
    """The part of a vehicle plate after province and letter: mostly digits (GA 36-2018)."""
    signs = [c for c in text if c.isascii() and c.isalnum()]
    return sum(c.isdigit() for c in signs) > 2
